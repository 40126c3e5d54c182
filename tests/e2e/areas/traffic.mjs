// The switch between humans, bots and all: what bots did is kept, and shown only where it is asked for.
import assert from "node:assert/strict";

export default async function traffic(world) {
  const { dashboard, at, odd, check, shoot } = world;
  const choose = async (label) => {
    await dashboard.click(`nav[aria-label="Whose events"] a:text-is("${label}")`);
    await dashboard.waitForSelector(`nav[aria-label="Whose events"] a[aria-current]:text-is("${label}")`);
  };
  const crawled = () => dashboard.locator('.event-name[title="shop crawled"]').count();

  await check("the explorer shows a bot's events with Bots and All, not with Humans", async () => {
    await dashboard.goto(at("/events"));
    assert.equal(await crawled(), odd.robots);
    await choose("Humans");
    assert.equal(await crawled(), 0);
    assert.ok((await dashboard.locator(".event-row").count()) > 0);
    await choose("Bots");
    assert.equal(await crawled(), odd.robots);
    assert.equal(await dashboard.locator(".event-row").count(), odd.robots);
    const classes = await dashboard.locator(".event-row .badge").evaluateAll((all) => all.map((badge) => badge.title.replace("Sent by a bot: ", "")));
    assert.deepEqual(classes.sort(), [...odd.classes].sort());
    await shoot(dashboard, "explorer-bots");
  });
  await check("the live page shows a bot's events with Bots and All, not with Humans", async () => {
    await dashboard.goto(at("/events/live"));
    for (const [label, count] of [["Humans", 0], ["Bots", odd.robots], ["All", odd.robots]]) {
      await choose(label);
      assert.equal(await crawled(), count, label);
    }
  });
  await check("the sessions of bots stand apart", async () => {
    const rows = dashboard.locator(".session-table tbody tr");
    await dashboard.goto(at("/sessions"));
    const humans = await rows.count();
    await choose("Bots");
    assert.equal(await rows.count(), odd.robots);
    await choose("All");
    assert.equal(await rows.count(), humans + odd.robots);
  });
  await check("an insight leaves bots out, says so, and counts them when asked", async () => {
    const total = async () => (await dashboard.locator("#result table tbody tr").first().locator("td").first().textContent()).trim();
    await dashboard.goto(at("/insights/new?event=shop+crawled"));
    assert.match(await dashboard.innerText("#result"), /Bots are left out/);
    await dashboard.click("#result a:has-text('Include bots')");
    await dashboard.waitForSelector("#result table");
    assert.equal(await total(), String(odd.robots));
    await Promise.all([dashboard.waitForURL(/traffic=bots/), dashboard.selectOption("#traffic", "bots")]);
    assert.equal(await total(), String(odd.robots));
    await shoot(dashboard, "trend-bots");
  });
}
