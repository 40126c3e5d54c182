// Every page, wide and narrow, light and dark.
import assert from "node:assert/strict";
import { overflow } from "../lib.mjs";
import { NARROW, WIDE, visitor } from "../world.mjs";

/** Tables of which a column is out of sight. Those of charts have one for each day, and are meant to be moved. */
const cutTables = (page) =>
  // In one step: a chart that is drawn between finding its table and measuring it hides it behind itself.
  page.evaluate(() =>
    [...document.querySelectorAll(".table-wrap:not(.is-behind)")]
      .filter((wrap) => !wrap.querySelector(".series-table") && wrap.scrollWidth > wrap.clientWidth)
      .map((wrap) => `${wrap.querySelector("thead")?.textContent.replace(/\s+/g, " ").trim()}: ${wrap.scrollWidth} in ${wrap.clientWidth}`),
  );

export default async function everyPage(world) {
  const { tenrec, dashboard, project, at, check, shoot } = world;
  const person = `/person/${visitor.id}`;
  const pages = ["", "/onboarding", "/events", "/events/live", "/sessions", world.session, "/persons", person, "/groups/0", "/groups/0/tea", "/groups/0/tea?edit=", "/duplicates", `/merges/new?target=${visitor.id}`, "/ingestion", "/ingestion/rejected", "/ingestion/quarantined", "/ingestion/find?id=nobody-knows", "/insights", "/insights/new?event=%24pageview", "/settings", "/settings/members", "/privacy", `/privacy/erase?person=${visitor.id}`];
  const elsewhere = ["/settings/account", "/settings/api-keys", "/settings/projects/new"];
  const linked = await dashboard.locator('nav[aria-label="Main"] a').evaluateAll((links) => links.map((link) => link.href));
  for (const address of new Set([...pages.map(at), ...elsewhere.map((path) => tenrec.url + path), ...linked])) {
    const name = new URL(address).pathname.replace(project, "").replace(/\/sessions\/.+/, "/session").replaceAll("/", "-").slice(1) || "home";
    await check(`${name} fits both widths`, async () => {
      for (const [width, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
        await dashboard.setViewportSize(viewport);
        await dashboard.emulateMedia({ colorScheme: width === "wide" ? "light" : "dark" });
        const answer = await dashboard.goto(address);
        assert.equal(answer.status(), 200);
        assert.equal(await overflow(dashboard), 0, `${width}: wider than the window`);
        assert.deepEqual(await cutTables(dashboard), [], `${width}: tables are cut`);
        assert.equal(await dashboard.locator("h1").count(), 1, "one heading says what the page is");
        await shoot(dashboard, `${name}-${width}`);
      }
    });
  }
  await dashboard.setViewportSize(WIDE);
}
