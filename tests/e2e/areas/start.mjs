// From the printed link to a project that waits for events.
import assert from "node:assert/strict";
import { until, watch } from "../lib.mjs";
import { WIDE, owner } from "../world.mjs";

export default async function start(world) {
  const { browser, tenrec, check, shoot } = world;
  const ours = await browser.newContext({ viewport: WIDE, permissions: ["clipboard-read", "clipboard-write"] });
  const seenHere = watch(ours, "dashboard");
  world.problems.push(seenHere.problems);
  ours.setDefaultTimeout(10_000);
  const dashboard = await ours.newPage();
  Object.assign(world, { ours, dashboard });

  await check("the first start prints a set-up link, and the link opens", async () => {
    const link = await until("the link", () => /(http:\/\/\S+\/setup\?token=\S+)/.exec(tenrec.log())?.[1], 5);
    await dashboard.goto(link);
    assert.equal(await dashboard.textContent("h1"), "Welcome to Tenrec");
    await shoot(dashboard, "setup");
  });
  await check("the form makes the owner's account and leads to onboarding", async () => {
    for (const [name, value] of Object.entries(owner)) await dashboard.fill(`[name="${name}"]`, value);
    await dashboard.click('button[type="submit"]');
    await dashboard.waitForURL("**/project/*/onboarding");
    assert.match(await dashboard.textContent("h1"), /Teapot shop/);
  });
  const project = new URL(dashboard.url()).pathname.replace("/onboarding", "");
  const at = (path) => `${tenrec.url}${project}${path}`;
  Object.assign(world, { project, at });

  await check("the set-up link works once", async () => {
    const stranger = await browser.newContext();
    const page = await stranger.newPage();
    const answer = await page.goto(`${tenrec.url}/setup?token=anything`);
    assert.equal(answer.status(), 404);
    await stranger.close();
  });
  await check("the copy button gives the snippet that stands on the page", async () => {
    await dashboard.click('button[data-copy="#snippet-html"]');
    world.snippet = await until("the snippet on the clipboard", () => dashboard.evaluate(() => navigator.clipboard.readText()));
    assert.equal(world.snippet.trim(), (await dashboard.textContent("#snippet-html")).trim());
    assert.match(world.snippet, /phc_/);
  });
  await check("onboarding waits for the first event", async () => {
    assert.match(await dashboard.textContent("#arrived"), /Waiting/);
    await dashboard.evaluate(() => (window.wasNotReloaded = true));
    await shoot(dashboard, "onboarding-waiting");
  });
  const live = (world.live = await ours.newPage());
  await check("the live page is open before anything happens", async () => {
    await live.goto(at("/events/live"));
    await live.evaluate(() => (window.wasNotReloaded = true));
  });
}
