// The session of the visit, as posthog-js told it.
import assert from "node:assert/strict";
import { until } from "../lib.mjs";
import { visitor } from "../world.mjs";

export default async function sessions(world) {
  const { dashboard, at, check, shoot } = world;
  const row = dashboard.locator(".session-table tbody tr");

  await check("the list has one session: the visitor's, of two pages, entered at / and left at /about", async () => {
    await dashboard.goto(at("/sessions"));
    assert.equal(await row.count(), 1);
    const cells = (await row.locator("td").allTextContents()).map((text) => text.replace(/\s+/g, " ").trim());
    assert.equal(cells[1], visitor.email);
    assert.equal(cells[3], "2");
    assert.equal(cells[5], "/ → /about");
    await shoot(dashboard, "sessions");
  });
  await check("a search by person or entry page finds it, another one does not", async () => {
    for (const [query, found] of [[`person=${visitor.id}`, 1], ["person=somebody-else", 0], ["entry=%2F", 1], ["entry=%2Fabout", 0]]) {
      await dashboard.goto(at(`/sessions?${query}`));
      assert.equal(await row.count(), found, query);
    }
    assert.match(await dashboard.textContent(".empty"), /No session matches/);
  });
  await check("the session tells the visit in order, and counts what the explorer has of it", async () => {
    await dashboard.goto(at("/sessions"));
    await Promise.all([dashboard.waitForURL(/\/sessions\/[\w-]+/), row.locator("td a").first().click()]);
    world.session = new URL(dashboard.url()).pathname.replace(world.project, "");
    const names = await dashboard.locator(".timeline-name").evaluateAll((links) => links.map((link) => link.title));
    const inOrder = ["$pageview", "$identify", "teapot bought", "$pageleave", "$pageview", "$pageleave"];
    let from = 0;
    for (const name of inOrder) {
      const found = names.indexOf(name, from);
      assert.ok(found >= 0, `${name} after ${from} of ${names.join(", ")}`);
      from = found + 1;
    }
    const facts = Object.fromEntries(await dashboard.locator(".person-facts > div").evaluateAll((all) =>
      all.map((fact) => [fact.querySelector("dt").textContent, fact.querySelector("dd").textContent.trim()])));
    assert.equal(await dashboard.locator(".session-facts dt:text-is('Bot')").count(), 0, "a weak sign makes nobody a bot");
    assert.equal(facts.Pages, "2");
    assert.equal(facts.Events, String(names.length));
    await shoot(dashboard, "session");
  });
  await check("from the session one comes to an event, from there to the session and to the person", async () => {
    await dashboard.click('.timeline-name[title="teapot bought"]');
    await dashboard.waitForURL(/\/events\/[\w-]+/);
    await dashboard.click(".event-panel a:has-text('Session')");
    await dashboard.waitForURL(/\/sessions\/[\w-]+/);
    await dashboard.click("h1 a");
    await dashboard.waitForURL(/\/person/);
    await dashboard.click("#events a:has-text('Sessions')");
    await until("the person's session", async () => (await row.count()) === 1);
  });
}
