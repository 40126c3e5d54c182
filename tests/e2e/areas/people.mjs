// People and groups: the list, its file, one person's properties and sessions, a group.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { until } from "../lib.mjs";
import { visitor } from "../world.mjs";

export default async function people(world) {
  const { dashboard, at, check, shoot } = world;
  const labels = async () => (await dashboard.locator(".person-cell .truncate").allTextContents()).map((text) => text.trim());
  const others = ["bob@people.example", "cleo@people.example", "dora@people.example"];
  await dashboard.goto(at("/onboarding"));
  const key = /phc_\w+/.exec(await dashboard.textContent("#snippet-html"))[0];
  const capture = async (body) => {
    const answer = await fetch(`${world.tenrec.url}/i/v0/e/`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ api_key: key, ...body }) });
    assert.equal(answer.status, 200);
  };
  const now = Date.now();
  for (const [index, email] of others.entries()) {
    const id = `people-${index}`;
    await capture({ event: "$identify", distinct_id: id, timestamp: new Date(now - 5000).toISOString(), properties: { $set: { email, plan: index === 1 ? "gold" : "free", seats: index } } });
    await capture({ event: "tea drunk", distinct_id: id, timestamp: new Date(now).toISOString(), properties: { $session_id: `people-session-${index}`, $groups: { club: "tea" }, cups: index } });
  }
  await capture({ event: "$groupidentify", distinct_id: "people-0", properties: { $group_type: "club", $group_key: "tea", $group_set: { name: "Tea club", seats: 3 } } });

  await check("people are found, filtered, sorted", async () => {
    await until("all three", async () => {
      await dashboard.goto(at("/persons?search=people-"));
      return (await labels()).length === 3;
    });
    await dashboard.fill("#search", "cleo@");
    await Promise.all([dashboard.waitForURL(/cleo/), dashboard.click("form[role=search] button:has-text('Search')")]);
    assert.deepEqual(await labels(), ["cleo@people.example"]);
    await dashboard.goto(at("/persons?search=people-"));
    await dashboard.click("form[role=search] summary");
    await dashboard.fill('[name="property"]', "seats");
    await dashboard.selectOption('[name="operator"]', "gte");
    await dashboard.fill('[name="value"]', "1");
    await Promise.all([dashboard.waitForURL(/seats/), dashboard.click('input[value="Add filter"]')]);
    assert.deepEqual((await labels()).sort(), others.slice(1));
    await Promise.all([dashboard.waitForURL(/sort=name/), dashboard.click("th a.sort:has-text('Person')")]);
    assert.deepEqual(await labels(), others.slice(1));
    await Promise.all([dashboard.waitForURL(/sort=-name/), dashboard.click("th a.sort:has-text('Person')")]);
    assert.deepEqual(await labels(), others.slice(1).reverse());
    await shoot(dashboard, "people");
  });
  await check("the file has who the list shows", async () => {
    const [download] = await Promise.all([dashboard.waitForEvent("download"), dashboard.click("a:has-text('Export CSV')")]);
    const lines = (await readFile(await download.path(), "utf8")).trim().split("\r\n");
    assert.equal(lines.length, 3);
    assert.ok(lines[0].startsWith("id,uuid,name,email"));
    for (const email of others.slice(1)) assert.ok(lines.some((line) => line.includes(email)), email);
  });
  await check("pages go on and back", async () => {
    for (let index = 0; index < 60; index += 1) await capture({ event: "$set", distinct_id: `many-${index}`, properties: { $set: { name: `Many ${String(index).padStart(2, "0")}` } } });
    await until("sixty more", async () => {
      await dashboard.goto(at("/persons?search=many&sort=name"));
      return (await labels()).length === 50;
    });
    assert.equal((await labels())[0], "Many 00");
    await dashboard.click("a[rel=next]");
    assert.deepEqual([(await labels()).length, (await labels())[0]], [10, "Many 50"]);
    await dashboard.click("a[rel=prev]");
    assert.equal((await labels())[0], "Many 00");
  });
  await check("a property is added, changed and deleted, and says by whom", async () => {
    await dashboard.goto(at("/persons?search=bob@"));
    await dashboard.click(".person-cell");
    await dashboard.waitForSelector(".prop-origin:has-text('$identify')"); // script has fetched where they came from
    const property = (name) => dashboard.locator(".person-properties .prop", { has: dashboard.locator(`dt:text-is("${name}")`) });
    await property("plan").locator("a.prop-edit").click();
    await dashboard.fill("#p-value", "platinum");
    await dashboard.click(".prop-form button:has-text('Save')");
    await dashboard.waitForSelector(".prop-origin:has-text('edited by')");
    assert.ok((await property("plan").textContent()).includes("platinum"));
    await dashboard.click(".person-properties a:has-text('Add')");
    await dashboard.fill("#p-key", "vip");
    await dashboard.selectOption("#p-kind", "boolean");
    await dashboard.fill("#p-value", "true");
    await dashboard.click(".prop-form button:has-text('Save')");
    await property("vip").waitFor();
    await property("vip").locator("a.prop-edit").click();
    await dashboard.click(".prop-form button:has-text('Delete property')");
    await property("plan").waitFor();
    assert.equal(await property("vip").count(), 0);
  });
  await check("the person's events stand by session", async () => {
    const part = dashboard.locator(".session-part", { hasText: "Session" });
    assert.equal(await part.locator(".event-name[title='tea drunk']").count(), 1);
    await part.locator("summary").first().click();
    assert.equal(await part.first().getAttribute("open"), null);
    await shoot(dashboard, "person-sessions");
  });
  await check("the visitor's own page is whole", async () => {
    await dashboard.goto(at(`/person/${visitor.id}`));
    assert.equal((await dashboard.textContent("h1")).trim(), visitor.email);
    assert.ok((await dashboard.locator(".session-part").count()) >= 1);
  });
  await check("a group shows its properties, people and events", async () => {
    await until("the group", async () => {
      await dashboard.goto(at("/groups"));
      return (await dashboard.locator("a.person-cell:has-text('Tea club')").count()) === 1;
    });
    await shoot(dashboard, "groups");
    await dashboard.click("a.person-cell:has-text('Tea club')");
    await dashboard.waitForURL(/\/groups\/0\/tea/);
    await dashboard.waitForSelector("#group-people .person-cell");
    assert.deepEqual((await dashboard.locator("#group-facts dd").allTextContents()).slice(0, 2), ["3", "3"]);
    const text = await dashboard.textContent("main");
    for (const expected of ["Tea club", "seats", ...others]) assert.ok(text.includes(expected), `${expected} is missing`);
    assert.ok((await dashboard.locator(".event-name[title='tea drunk']").count()) === 3);
    await shoot(dashboard, "group");
    await dashboard.goto(at("/persons?search=bob@"));
    await dashboard.click(".person-cell");
    const { height } = await dashboard.locator(".person-groups li", { hasText: "Tea club" }).locator("span").boundingBox();
    assert.ok(height < 40, `the type's name is broken into letters: ${height} px high`);
    await dashboard.click(".person-groups a:has-text('Tea club')");
    await dashboard.waitForURL(/\/groups\/0\/tea/);
  });
  await check("who has more events than a page holds is counted after it", async () => {
    for (let index = 0; index < 55; index += 1) await capture({ event: "sip", distinct_id: "people-sipper", timestamp: new Date(now - index * 60_000).toISOString(), properties: { $groups: { club: "tea" } } });
    const facts = async () => (await dashboard.locator("#person-facts dd").allTextContents()).map((text) => text.trim());
    await until("all are counted", async () => {
      await dashboard.goto(at("/person/people-sipper"));
      await dashboard.waitForSelector("#person-facts:not([hx-get])");
      return (await facts())[0] === "55";
    });
    assert.match((await facts())[1], /ago/, "since when, in words");
    assert.equal(await dashboard.locator("#person-groups a:has-text('Tea club')").isVisible(), true);
    assert.equal(await dashboard.locator(".event-name[title='sip']").count(), 50);
  });
  await check("a part that does not come says so, and leads to the whole page", async () => {
    for (const [path, part, fail] of [
      ["/person/people-sipper", "facts", (route) => route.fulfill({ status: 503, body: "" })],
      ["/groups/0/tea", "activity", (route) => route.abort()],
    ]) {
      await dashboard.route(`**/${part}`, fail);
      await dashboard.goto(at(path));
      const again = dashboard.locator(`[data-part="${part}"] a:visible`, { hasText: "Try again" });
      await again.first().waitFor();
      assert.doesNotMatch(await dashboard.textContent(".person-facts"), /…/, "nothing is said to be on its way");
      for (const list of world.problems) list.splice(0, list.length, ...list.filter((problem) => !problem.includes(`/${part}`) && !problem.includes("htmx:sendError")));
      await again.first().click();
      await dashboard.waitForSelector(".person-facts:not([data-part])");
      await dashboard.unroute(`**/${part}`);
    }
  });
}
