// A person is exported and erased, somebody opts out, and the real posthog-js counts a visitor without cookies.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { startSite, until } from "../lib.mjs";
import { WIDE } from "../world.mjs";

export default async function privacy(world) {
  const { browser, tenrec, dashboard, at, check, shoot } = world;
  const key = /phc_\w+/.exec(world.snippet)[0];
  const send = async (id, name) => {
    const body = JSON.stringify({ api_key: key, batch: [{ event: name, distinct_id: id, properties: { $set: { email: `${id}@example.com` } } }] });
    assert.equal((await fetch(`${tenrec.url}/batch/`, { method: "POST", headers: { "content-type": "application/json" }, body })).status, 200);
  };
  // What is meant to fail here is no problem of the pages: a form that is refused, a page that becomes a download.
  const forgive = (pattern) => {
    for (const list of world.problems) list.splice(0, list.length, ...list.filter((problem) => !pattern.test(problem)));
  };

  await check("a person is exported from their page: one zip that holds their event", async () => {
    await send("gone-1", "asked to be forgotten");
    await until("the person", async () => {
      await dashboard.goto(at("/persons?search=gone-1"));
      return (await dashboard.locator(".person-cell").count()) === 1;
    });
    await dashboard.goto(at("/person/gone-1"));
    const [download] = await Promise.all([dashboard.waitForEvent("download"), dashboard.click(".person-privacy button:has-text('Export')")]);
    const path = await download.path();
    assert.equal((await readFile(path)).subarray(0, 2).toString(), "PK");
    const script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(z.read('events.jsonl').decode())";
    const events = execFileSync("python3", ["-c", script, path], { encoding: "utf8" }).trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(events.map((event) => event.event), ["asked to be forgotten"]);
    forgive(/privacy\/export.* net::ERR_ABORTED/);
  });
  await check("an erasure shows what it would delete, and asks for the word", async () => {
    await dashboard.goto(at("/person/gone-1"));
    await Promise.all([dashboard.waitForURL(/\/privacy\/erase/), dashboard.click(".person-privacy button:has-text('Erase')")]);
    const counts = Object.fromEntries(await dashboard.locator("table tbody tr").evaluateAll((rows) => rows.map((row) => [row.cells[0].textContent, row.cells[2].textContent])));
    assert.equal(counts.Events, "1");
    assert.equal(counts.Profile, "1");
    await shoot(dashboard, "erase-preview");
    await dashboard.fill("#field-confirm", "yes");
    await Promise.all([dashboard.waitForLoadState(), dashboard.click("button:has-text('Erase for good')")]);
    await dashboard.waitForSelector("#error-confirm");
    forgive(/\b422\b.*privacy\/erase/);
  });
  await check("then nothing finds the person any more", async () => {
    await dashboard.fill("#field-confirm", "erase");
    await Promise.all([dashboard.waitForURL(/\/privacy\/erasures\//), dashboard.click("button:has-text('Erase for good')")]);
    const state = dashboard.locator("#state .badge");
    await until("gone from queries", async () => {
      await dashboard.reload();
      return /Gone from queries|Erased/.test(await state.textContent());
    });
    await shoot(dashboard, "erasure");
    await dashboard.goto(at("/privacy"));
    assert.equal(await dashboard.locator("section:has(#erasures) tbody tr").count(), 1);
    await dashboard.goto(at("/persons?search=gone-1"));
    assert.equal(await dashboard.locator(".person-cell").count(), 0);
  });
  await check("who opted out is rejected, and the reason is shown", async () => {
    await dashboard.goto(at("/privacy"));
    await dashboard.fill("#field-distinct_id", "quiet-1");
    await Promise.all([dashboard.waitForURL(/saved=1/), dashboard.click("button:has-text('Opt out')")]);
    assert.equal((await dashboard.textContent("section:has(#opt-outs) tbody th")).trim(), "quiet-1");
    await send("quiet-1", "not to be counted");
    await until("the reason", async () => {
      await dashboard.goto(at("/ingestion?range=7d"));
      return (await dashboard.textContent("main")).includes("The person opted out");
    });
    await shoot(dashboard, "privacy-rejected");
  });
  await check("posthog-js without cookies is counted as a visitor once the project says so", async () => {
    await dashboard.goto(at("/privacy"));
    await dashboard.check("#field-cookieless");
    await Promise.all([dashboard.waitForURL(/saved=1/), dashboard.click("section:has(#cookieless) button:has-text('Save')")]);
    await shoot(dashboard, "privacy");
    const snippet = world.snippet.replace("api_host:", 'cookieless_mode: "always", api_host:');
    assert.notEqual(snippet, world.snippet);
    const site = await startSite({ snippet, tenrecUrl: tenrec.url });
    const theirs = await browser.newContext({ viewport: WIDE });
    try {
      const page = await theirs.newPage();
      await page.goto(site.url);
      await until("the visitor", async () => {
        await dashboard.goto(at("/events"));
        return (await dashboard.locator('a.event-person[href*="cookieless_"]').count()) > 0;
      });
      assert.deepEqual(await theirs.cookies(), [], "nothing is kept in the browser");
      await Promise.all([dashboard.waitForURL(/\/person\/cookieless_/), dashboard.locator('a.event-person[href*="cookieless_"]').first().click()]);
      assert.equal((await dashboard.textContent(".person-title .badge")).trim(), "No profile");
      await shoot(dashboard, "cookieless-visitor");
      world.pageviews += 1;
    } finally {
      await theirs.close();
      await site.stop();
    }
  });
}
