// A chart of the visit, saved and found again, and the home page.
import assert from "node:assert/strict";
import { until } from "../lib.mjs";

export default async function insights(world) {
  const { dashboard, at, check, shoot } = world;
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
}
