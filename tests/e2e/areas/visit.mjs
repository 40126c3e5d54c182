// A person visits a site of two pages that has the snippet: the real posthog-js.
import assert from "node:assert/strict";
import { startSite, until, watch } from "../lib.mjs";
import { WIDE, visitor } from "../world.mjs";

export default async function visit(world) {
  const { browser, tenrec, dashboard, live, check, shoot } = world;
  const site = (world.site = await startSite({ snippet: world.snippet, tenrecUrl: tenrec.url }));
  const theirs = await browser.newContext({ viewport: WIDE });
  const seenThere = watch(theirs, "site");
  world.problems.push(seenThere.problems);
  const page = await theirs.newPage();
  const sdkIs = (tab, expression) => until(`posthog ${expression}`, () => tab.evaluate(expression));

  await check("posthog-js loads from Tenrec itself", async () => {
    await page.goto(site.url);
    await sdkIs(page, "window.posthog && window.posthog.__loaded === true");
    const version = await page.evaluate("window.posthog.LIB_VERSION || window.posthog.version || ''");
    assert.notEqual(version, undefined);
    assert.ok(seenThere.answers.some((answer) => answer.url.startsWith(`${tenrec.url}/static/array.js`) && answer.status === 200));
  });
  const loadedAt = Date.now();
  await check("the first page view reaches the live page by itself", async () => {
    await live.waitForSelector('.event-name[title="$pageview"]', { timeout: 8_000 });
    console.log(`        (${((Date.now() - loadedAt) / 1000).toFixed(1)} s after the SDK had loaded)`);
  });
  await check("flags are asked for, and answered", async () => {
    const flags = await until("an answer of /flags", () => seenThere.answers.find(({ url }) => url.startsWith(`${tenrec.url}/flags/`)));
    assert.equal(flags.status, 200);
  });
  await check("remote config is answered", async () => {
    const config = await until("remote config", () => seenThere.answers.find(({ url }) => /\/array\/phc_[^/]+\/config/.test(url)));
    assert.equal(config.status, 200);
  });
  await check("somebody clicks, identifies, and goes to the second page", async () => {
    await page.click("#buy");
    await page.evaluate((who) => window.posthog.identify(who.id, { email: who.email, plan: who.plan }), visitor);
    // Each request is placed in time by the clock it brings, as exactly as its way was long: nobody buys in the same moment.
    await page.waitForTimeout(200);
    await page.evaluate(() => window.posthog.capture("teapot bought", { price: 34.5, colour: "green", "nested": { deep: true } }));
    await page.click("#next");
    await page.waitForURL("**/about**");
    await sdkIs(page, "window.posthog && window.posthog.__loaded === true");
    assert.equal(await page.evaluate("window.posthog.get_distinct_id()"), visitor.id);
  });
  await check("onboarding turned into the first events without a reload", async () => {
    await dashboard.waitForSelector("text=Events are arriving.", { timeout: 15_000 });
    assert.equal(await dashboard.evaluate(() => window.wasNotReloaded), true);
    await shoot(dashboard, "onboarding-arrived");
  });
  await check("the visit ends and its last events are sent", async () => {
    await page.goto("about:blank");
    await page.close();
    const captures = seenThere.answers.filter(({ url, method }) => method === "POST" && /\/(e|i\/v0\/e)\//.test(url));
    assert.ok(captures.length >= 2, `${captures.length} requests of capture`);
    assert.deepEqual([...new Set(captures.map(({ status }) => status))], [200]);
  });
}
