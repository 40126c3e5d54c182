// The ledger, the events that were not stored, the search for one event, and how the server is.
import assert from "node:assert/strict";
import { until } from "../lib.mjs";
import { sendOddEvents } from "../odd.mjs";

export default async function ingestion(world) {
  const { tenrec, dashboard, at, check, shoot } = world;
  const openLedger = async () => {
    // A week, not today: an hour may end in the middle of this.
    await dashboard.goto(at("/ingestion?range=7d"));
    const text = await dashboard.textContent(".ledger-balance");
    const read = (name) => Number(new RegExp(`${name} ([\\d,]+)`, "i").exec(text)[1].replaceAll(",", ""));
    const [received, stored, duplicate, rejected, quarantined] = ["received", "stored", "duplicate", "rejected", "quarantined"].map(read);
    return { received, stored, duplicate, rejected, quarantined, text };
  };

  let visited;
  await check("the ledger balances after the visit: all was stored", async () => {
    await dashboard.goto(at("/events"));
    const events = await dashboard.locator(".event-row").count();
    visited = await openLedger();
    assert.match(visited.text, /balances/);
    assert.doesNotMatch(visited.text, /does not balance/);
    assert.deepEqual({ ...visited, text: "" }, { received: events, stored: events, duplicate: 0, rejected: 0, quarantined: 0, text: "" });
  });
  await check("script draws the ledger's chart from its table", async () => {
    await dashboard.waitForSelector("figure[data-chart=bar] svg");
  });
  const key = /phc_\w+/.exec(world.snippet)[0];
  const odd = (world.odd = await sendOddEvents(tenrec.url, key));
  await check("events with mistakes, sent twice and by bots are all accounted for", async () => {
    const received = visited.received + odd.received;
    const ledger = await until("the odd events in the ledger", async () => {
      const ledger = await openLedger();
      return ledger.received === received && ledger;
    });
    const { stored, duplicate, rejected, quarantined } = ledger;
    assert.deepEqual({ duplicate, rejected, quarantined }, { duplicate: 1, rejected: odd.rejected, quarantined: 1 + odd.robots });
    assert.equal(stored, received - duplicate - rejected - quarantined);
    assert.match(ledger.text, /balances/);
    await shoot(dashboard, "ingestion");
  });
  await check("the rejected event is listed with its reason, what to do, and what was sent", async () => {
    await dashboard.goto(at("/ingestion/rejected"));
    assert.equal(await dashboard.locator(".unstored > li").count(), odd.rejected);
    const line = dashboard.locator(".unstored > li", { hasText: "broken by hand" });
    assert.match(await line.locator(".badge").textContent(), /The uuid is not a UUID/);
    await line.locator("summary").click();
    const text = await line.locator(".unstored-body").innerText();
    for (const expected of ["What to do", "invalid_uuid", "hand-2", "not-a-uuid", "green"]) assert.ok(text.includes(expected), `${expected} is missing`);
    await shoot(dashboard, "ingestion-rejected");
  });
  await check("a reason of the ledger leads to the events that have it, and back to all", async () => {
    await dashboard.goto(at("/ingestion?range=7d"));
    await dashboard.click(".outcome-table tr:has-text('The uuid is not a UUID') a:has-text('Show')");
    await dashboard.waitForURL(/\/ingestion\/rejected\?reason=invalid_uuid/);
    assert.deepEqual(await dashboard.locator(".unstored .badge").allTextContents(), ["The uuid is not a UUID"]);
    assert.match(await dashboard.textContent(".filter-links [aria-current]"), /The uuid is not a UUID\s+1/);
    await shoot(dashboard, "ingestion-reason");
    await dashboard.click(".filter-links >> text=All reasons");
    await dashboard.waitForURL(/\/ingestion\/rejected$/);
    assert.equal(await dashboard.locator(".unstored > li").count(), odd.rejected);
  });
  await check("the quarantined event is listed with its reason", async () => {
    await dashboard.goto(at("/ingestion/quarantined"));
    assert.equal(await dashboard.locator(".unstored > li").count(), 1);
    assert.match(await dashboard.textContent(".unstored"), /Changes a person that it must not have/);
  });
  const find = async (id) => {
    await dashboard.goto(at("/events"));
    await dashboard.click("main >> text=Why is my event not here?");
    await dashboard.waitForURL(/\/ingestion\/find/);
    await dashboard.fill("#f-id", id);
    await Promise.all([dashboard.waitForURL(/[?&]id=/), dashboard.click("button:has-text('Look for it')")]);
    return dashboard.innerText("main");
  };
  await check("the find form finds the stored event by its uuid, and leads to it", async () => {
    assert.match(await find(odd.uuid), /It is here/);
    await dashboard.click('.found a:has-text("sent by hand")');
    await dashboard.waitForURL(new RegExp(`/events/${odd.uuid}`));
    assert.equal(await dashboard.textContent("h1"), "sent by hand");
  });
  await check("it finds the rejected, the quarantined, the late and the bot's event, and says what is with each", async () => {
    for (const [id, expected] of [
      ["hand-2", "The uuid is not a UUID"],
      ["not-a-uuid", "The uuid is not a UUID"],
      ["hand-6", "Changes a person that it must not have"],
      ["hand-8", "look for it there"],
      ["robot-ai_crawler", "It was sent by a bot (ai_crawler)"],
      ["nobody-knows", "It never arrived"],
    ]) {
      const text = await find(id);
      assert.ok(text.includes(expected), `${id}: ${text}`);
    }
  });
  await check("the status page says that all is well", async () => {
    await dashboard.click('nav[aria-label="Main"] a:has-text("Server status")');
    await dashboard.waitForURL(/\/status/);
    assert.match(await dashboard.textContent(".notice.is-good"), /All is well/);
    assert.equal(await dashboard.locator("main .is-bad, main .is-error, main .is-warning").count(), 0);
    await shoot(dashboard, "status");
  });
}
