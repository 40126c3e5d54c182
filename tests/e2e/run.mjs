// The end-to-end test: from the printed link to a chart, in a real browser, with the real posthog-js.
//
//   TENREC=target/debug/tenrec CHROMIUM=/usr/bin/chromium node tests/e2e/run.mjs
//
// Everything it starts it also stops. Screenshots are left in tests/e2e/artifacts/.
import assert from "node:assert/strict";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { launchBrowser, overflow, signIn, startSite, startTenrec, until, watch } from "./lib.mjs";

const artifacts = "tests/e2e/artifacts";
const owner = { name: "Ada Owner", email: "ada@example.com", password: "correct horse battery staple", organization: "Teapots Ltd", project: "Teapot shop" };
const visitor = { id: "user-42", email: "visitor@example.com", plan: "gold" };
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };

let passed = 0;
let failed = 0;

/** One statement that must hold. What builds on it is still tried after it failed. */
async function check(claim, prove) {
  try {
    await prove();
    passed += 1;
    console.log(`  ok    ${claim}`);
  } catch (error) {
    failed += 1;
    console.log(`  FAIL  ${claim}\n        ${String(error.message ?? error).replaceAll("\n", "\n        ")}`);
    await shoot(dashboard, `failed-${failed}`).catch(() => {});
  }
}

async function shoot(page, name) {
  if (page && !page.isClosed()) await page.screenshot({ path: join(artifacts, `${name}.png`), fullPage: true });
}

await rm(artifacts, { recursive: true, force: true });
await mkdir(artifacts, { recursive: true });

let tenrec;
let browser;
let site;
let dashboard;
let snippet = "";
const problems = [];
const began = performance.now();
try {
  console.log("From the printed link to a project");
  tenrec = await startTenrec();
  browser = await launchBrowser();
  const ours = await browser.newContext({ viewport: WIDE, permissions: ["clipboard-read", "clipboard-write"] });
  const seenHere = watch(ours, "dashboard");
  problems.push(seenHere.problems);
  ours.setDefaultTimeout(10_000);
  dashboard = await ours.newPage();

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

  await check("the set-up link works once", async () => {
    const stranger = await browser.newContext();
    const page = await stranger.newPage();
    const answer = await page.goto(`${tenrec.url}/setup?token=anything`);
    assert.equal(answer.status(), 404);
    await stranger.close();
  });
  await check("the copy button gives the snippet that stands on the page", async () => {
    await dashboard.click('button[data-copy="#snippet-html"]');
    snippet = await until("the snippet on the clipboard", () => dashboard.evaluate(() => navigator.clipboard.readText()));
    assert.equal(snippet.trim(), (await dashboard.textContent("#snippet-html")).trim());
    assert.match(snippet, /phc_/);
  });
  await check("onboarding waits for the first event", async () => {
    assert.match(await dashboard.textContent("#arrived"), /Waiting/);
    await dashboard.evaluate(() => (window.wasNotReloaded = true));
    await shoot(dashboard, "onboarding-waiting");
  });
  const live = await ours.newPage();
  await check("the live page is open before anything happens", async () => {
    await live.goto(at("/events/live"));
    await live.evaluate(() => (window.wasNotReloaded = true));
  });

  console.log("A visit to a site of two pages");
  site = await startSite({ snippet, tenrecUrl: tenrec.url });
  const theirs = await browser.newContext({ viewport: WIDE });
  const seenThere = watch(theirs, "site");
  problems.push(seenThere.problems);
  let visit = await theirs.newPage();
  const sdkIs = (page, expression) => until(`posthog ${expression}`, () => page.evaluate(expression));

  await check("posthog-js loads from Tenrec itself", async () => {
    await visit.goto(site.url);
    await sdkIs(visit, "window.posthog && window.posthog.__loaded === true");
    const version = await visit.evaluate("window.posthog.LIB_VERSION || window.posthog.version || ''");
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
    await visit.click("#buy");
    await visit.evaluate((who) => window.posthog.identify(who.id, { email: who.email, plan: who.plan }), visitor);
    await visit.evaluate(() => window.posthog.capture("teapot bought", { price: 34.5, colour: "green", "nested": { deep: true } }));
    await visit.click("#next");
    await visit.waitForURL("**/about**");
    await sdkIs(visit, "window.posthog && window.posthog.__loaded === true");
    assert.equal(await visit.evaluate("window.posthog.get_distinct_id()"), visitor.id);
  });
  await check("onboarding turned into the first events without a reload", async () => {
    await dashboard.waitForSelector("text=Events are arriving.", { timeout: 15_000 });
    assert.equal(await dashboard.evaluate(() => window.wasNotReloaded), true);
    await shoot(dashboard, "onboarding-arrived");
  });
  await check("the visit ends and its last events are sent", async () => {
    await visit.goto("about:blank");
    await visit.close();
    const captures = seenThere.answers.filter(({ url, method }) => method === "POST" && /\/(e|i\/v0\/e)\//.test(url));
    assert.ok(captures.length >= 2, `${captures.length} requests of capture`);
    assert.deepEqual([...new Set(captures.map(({ status }) => status))], [200]);
  });

  console.log("What the dashboard shows of it");
  const eventNames = async () => (await dashboard.locator(".event-name").allTextContents()).map((name) => name.trim());
  await check("the explorer has every event of the visit", async () => {
    await until("all events", async () => {
      await dashboard.goto(at("/events"));
      const names = await dashboard.locator(".event-name").evaluateAll((all) => all.map((one) => one.title));
      const count = (name) => names.filter((other) => other === name).length;
      return count("$pageview") === 2 && count("$pageleave") === 2 && count("$autocapture") >= 1 && count("$identify") === 1 && count("teapot bought") === 1;
    }).catch(async (error) => {
      throw new Error(`${error.message}; it has: ${(await dashboard.locator(".event-name").evaluateAll((all) => all.map((one) => one.title))).join(", ")}`);
    });
    await shoot(dashboard, "explorer");
  });
  await check("the live page showed them without a reload", async () => {
    await live.waitForSelector("text=teapot bought", { timeout: 10_000 });
    assert.equal(await live.evaluate(() => window.wasNotReloaded), true);
    await shoot(live, "live");
  });
  await check("a filter by name leaves the two page views", async () => {
    await dashboard.goto(at("/events?event=%24pageview"));
    assert.equal((await eventNames()).length, 2);
  });
  await check("a filter by property leaves the purchase", async () => {
    await dashboard.goto(at("/events"));
    await dashboard.click("summary:has-text('Filter')");
    await dashboard.fill('[name="property"]', "colour");
    await dashboard.fill('[name="value"]', "green");
    await Promise.all([dashboard.waitForURL(/colour/), dashboard.click('input[value="Add filter"]')]);
    assert.deepEqual(await eventNames(), ["teapot bought"]);
  });
  await check("a row opens into all its properties, also as JSON", async () => {
    await dashboard.click("[data-expand]");
    await dashboard.waitForSelector(".event-panel");
    const text = await dashboard.textContent(".event-panel");
    for (const expected of ["colour", "green", "34.5", "$session_id"]) assert.ok(text.includes(expected), `${expected} is missing`);
    await dashboard.click(".event-panel button:has-text('Copy as JSON')");
    const copied = JSON.parse(await until("JSON on the clipboard", async () => {
      const text = await dashboard.evaluate(() => navigator.clipboard.readText());
      return text.startsWith("{") && text;
    }));
    assert.equal(copied.event, "teapot bought");
    assert.equal(copied.properties.price, 34.5);
    await shoot(dashboard, "explorer-open");
  });
  await check("the person has the visitor's properties and all events, also those from before the sign-in", async () => {
    await dashboard.goto(at("/persons"));
    await dashboard.click(`main a:has-text("${visitor.email}")`);
    const text = await dashboard.textContent("main");
    for (const expected of [visitor.email, visitor.id, "gold"]) assert.ok(text.includes(expected), `${expected} is missing`);
    const names = await dashboard.locator(".event-name").evaluateAll((all) => all.map((one) => one.title));
    assert.equal(names.filter((name) => name === "$pageview").length, 2, names.join(", "));
    await shoot(dashboard, "person");
  });

  console.log("A chart of it");
  const total = async () => (await dashboard.locator("#result table tbody tr").first().locator("td").first().textContent()).trim();
  await check("a trend of page views counts two", async () => {
    await dashboard.goto(at("/insights/new?event=%24pageview"));
    assert.equal(await total(), "2");
  });
  await check("script draws the chart from the table", async () => {
    await dashboard.waitForSelector("#result canvas, #result figure svg");
    await shoot(dashboard, "trend");
  });
  await check("a breakdown by a person's property names the visitor's plan", async () => {
    await dashboard.selectOption("#breakdown-type", "person");
    await dashboard.fill("#breakdown", "plan");
    await dashboard.press("#breakdown", "Enter");
    await dashboard.waitForSelector('#result th:has-text("gold")');
    assert.match(dashboard.url(), /breakdown=plan/);
    await shoot(dashboard, "trend-breakdown");
  });
  await check("the trend can be saved, opens again with the same answer, and is in the list under its name", async () => {
    await dashboard.goto(at("/insights/new?event=%24pageview"));
    await dashboard.fill("#insight-name", "Page views of the shop");
    await Promise.all([dashboard.waitForURL(/\/insights\/(?!new)[\w-]+/), dashboard.click("button:has-text('Save insight')")]);
    await dashboard.reload();
    assert.equal(await total(), "2");
    await dashboard.goto(at("/insights"));
    await dashboard.click("text=Page views of the shop");
    await dashboard.waitForURL(/\/insights\/(?!new)[\w-]+/);
    assert.equal(await total(), "2");
  });
  await check("the home page's tiles fill with answers", async () => {
    await dashboard.goto(at(""));
    await until("every tile", async () => (await dashboard.locator(".tile").count()) > 0 && (await dashboard.locator(".tile-wait").count()) === 0);
    assert.equal(await dashboard.locator(".tile .notice.is-error").count(), 0);
    await shoot(dashboard, "home");
  });

  console.log("Every page, wide and narrow, light and dark");
  const person = `/person/${visitor.id}`;
  const pages = ["", "/onboarding", "/events", "/events/live", "/persons", person, "/insights", "/insights/new?event=%24pageview", "/settings", "/settings/members"];
  const elsewhere = ["/settings/account", "/settings/api-keys", "/settings/projects/new"];
  const linked = await dashboard.locator('nav[aria-label="Main"] a').evaluateAll((links) => links.map((link) => link.href));
  for (const address of new Set([...pages.map(at), ...elsewhere.map((path) => tenrec.url + path), ...linked])) {
    const name = new URL(address).pathname.replace(project, "").replaceAll("/", "-").slice(1) || "home";
    await check(`${name} fits both widths`, async () => {
      for (const [width, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
        await dashboard.setViewportSize(viewport);
        await dashboard.emulateMedia({ colorScheme: width === "wide" ? "light" : "dark" });
        const answer = await dashboard.goto(address);
        assert.equal(answer.status(), 200);
        assert.equal(await overflow(dashboard), 0, `${width}: wider than the window`);
        await shoot(dashboard, `${name}-${width}`);
      }
    });
  }
  await dashboard.setViewportSize(WIDE);

  console.log("The end, and the start after it");
  await live.close();
  await check("signing out closes the project, signing in opens it", async () => {
    await dashboard.goto(at("/events"));
    await dashboard.click(".side-foot summary");
    await Promise.all([dashboard.waitForURL("**/login**"), dashboard.click("button:has-text('Sign out')")]);
    await dashboard.goto(at("/events"));
    assert.match(dashboard.url(), /\/login/);
    await signIn(dashboard, tenrec.url, owner.email, owner.password);
    await dashboard.goto("about:blank");
  });
  await check("SIGTERM ends it in order, and no child is left", async () => {
    const end = await tenrec.stop();
    assert.equal(end.code, 0, `exit ${end.code ?? end.signal}\n${tenrec.log().slice(-2000)}`);
    assert.deepEqual(end.left, []);
  });
  await check("a second start finds the account, the sign-in and the events", async () => {
    tenrec = await startTenrec({ dataDir: tenrec.dataDir });
    assert.doesNotMatch(tenrec.log(), /setup\?token/);
    // The same host on another port: the browser sends the same cookie.
    await dashboard.goto(`${tenrec.url}${project}/events?event=%24pageview`);
    assert.equal((await eventNames()).length, 2);
  });
  await check("no console error, no failed request, no refused content on either site", async () => {
    assert.deepEqual(problems.flat(), []);
  });
} catch (error) {
  failed += 1;
  console.log(`  FAIL  the test itself\n        ${error.stack}`);
} finally {
  await browser?.close();
  await site?.stop();
  const end = await tenrec?.stop();
  if (end?.left?.length) {
    failed += 1;
    console.log(`  FAIL  left over: ${JSON.stringify(end.left)}`);
  }
  await tenrec?.remove();
}
console.log(`\n${passed} passed, ${failed} failed (${((performance.now() - began) / 1000).toFixed(0)} s)`);
process.exitCode = failed === 0 ? 0 : 1;
