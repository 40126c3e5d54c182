// Who is whom: duplicates found and merged, undone, merged by hand, split off; and a group's property by hand.
import assert from "node:assert/strict";
import { until } from "../lib.mjs";
import { NARROW, WIDE } from "../world.mjs";

export default async function merges(world) {
  const { dashboard, at, check, shoot } = world;
  await dashboard.goto(at("/onboarding"));
  const key = /phc_\w+/.exec(await dashboard.textContent("#snippet-html"))[0];
  const capture = async (body) => {
    const answer = await fetch(`${world.tenrec.url}/i/v0/e/`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ api_key: key, ...body }) });
    assert.equal(answer.status, 200);
  };
  for (const [id, email] of [["twin-1", "twin@merges.example"], ["twin-2", "Twin@Merges.example"], ["friend", "friend@merges.example"]]) {
    await capture({ event: "$identify", distinct_id: id, properties: { $set: { email, from: id } } });
  }
  const toPerson = async (search) => {
    await dashboard.goto(at(`/persons?search=${search}`));
    await dashboard.click(".person-cell");
    await dashboard.waitForSelector("#merges");
  };
  await check("people with one address are found and merged", async () => {
    await until("all three", async () => {
      await dashboard.goto(at("/persons?search=friend@merges"));
      return (await dashboard.locator(".person-cell").count()) === 1;
    });
    await dashboard.click(".tabs a:has-text('Duplicates')");
    await dashboard.selectOption("#property", "email");
    await dashboard.click("button:has-text('Search')");
    const row = dashboard.locator("tbody tr", { hasText: "twin@merges.example" });
    await row.waitFor();
    await shoot(dashboard, "duplicates");
    await row.locator("td.num a.button").click();
    await dashboard.waitForSelector("h1:has-text('Merge people')");
    await shoot(dashboard, "merge-all");
    await dashboard.click("button:has-text('Merge 2 people')");
    await dashboard.waitForSelector("#merges");
    assert.deepEqual(await dashboard.locator("#merges tbody td:first-child a").allTextContents(), ["twin-2"]);
    await shoot(dashboard, "person-merges");
  });
  await check("two people are merged by hand after a look", async () => {
    await dashboard.click("#merges a:has-text('Merge with somebody')");
    await dashboard.fill("[name=with]", "friend@merges.example");
    await dashboard.click("button:has-text('Next')");
    await dashboard.waitForSelector("strong:has-text('friend@merges.example')");
    await shoot(dashboard, "merge");
    await dashboard.click("button:text-is('Merge')");
    await dashboard.waitForSelector("#merges");
    assert.equal(await dashboard.locator("#merges tbody tr").count(), 2);
  });
  await check("all distinct ids are to be read, also in a narrow window", async () => {
    for (const viewport of [WIDE, NARROW]) {
      await dashboard.setViewportSize(viewport);
      await dashboard.click(".person-head summary:has-text('IDs')");
      const { x, width } = await dashboard.locator(".person-ids").boundingBox();
      assert.ok(x >= 0 && x + width <= viewport.width, `from ${x} to ${x + width} of ${viewport.width}`);
      await dashboard.keyboard.press("Escape");
    }
    await dashboard.setViewportSize(WIDE);
  });
  await check("a merge is undone, and an id split off", async () => {
    await dashboard.click("#merges tbody tr:has-text('friend') a.button");
    await dashboard.waitForSelector("h1:has-text('Undo a merge')");
    await shoot(dashboard, "undo");
    await dashboard.click("button:has-text('Undo the merge')");
    await dashboard.waitForSelector("#merges td:has-text('Undone')");
    await dashboard.click("#merges details summary");
    await dashboard.click("#merges details a:has-text('twin-2')");
    await dashboard.waitForSelector("h1:has-text('Split off')");
    await shoot(dashboard, "split");
    await dashboard.click("button:has-text('Split off')");
    await dashboard.waitForSelector("#merges");
    assert.equal((await dashboard.textContent(".person-properties")).includes("twin-2"), true, "the profile of before");
    await toPerson("friend@merges");
    assert.equal(await dashboard.locator("#merges td:has-text('Undone')").count(), 1, "the log of both tells of it");
  });
  await check("a group's property is changed by hand", async () => {
    await dashboard.goto(at("/groups/0/tea"));
    await dashboard.click("#properties a:has-text('Add')");
    await dashboard.fill("#p-key", "founded");
    await dashboard.selectOption("#p-kind", "number");
    await dashboard.fill("#p-value", "1839");
    await dashboard.click(".prop-form button:has-text('Save')");
    await dashboard.waitForSelector(".prop-origin:has-text('edited by')");
    assert.ok((await dashboard.textContent("#properties")).includes("1839"));
  });
}
