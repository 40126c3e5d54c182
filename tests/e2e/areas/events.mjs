// What the visit left: the explorer, the live page, the person.
import assert from "node:assert/strict";
import { until } from "../lib.mjs";
import { visitor } from "../world.mjs";

export default async function events(world) {
  const { dashboard, live, at, eventNames, check, shoot } = world;
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
}
