// Signing out and in, the end in order, and the start after it.
import assert from "node:assert/strict";
import { signIn, startTenrec } from "../lib.mjs";
import { owner } from "../world.mjs";

export default async function end(world) {
  const { dashboard, project, at, eventNames, check } = world;
  await world.live.close();
  await check("signing out closes the project, signing in opens it", async () => {
    await dashboard.goto(at("/events"));
    await dashboard.click(".side-foot summary");
    await Promise.all([dashboard.waitForURL("**/login**"), dashboard.click("button:has-text('Sign out')")]);
    await dashboard.goto(at("/events"));
    assert.match(dashboard.url(), /\/login/);
    await signIn(dashboard, world.tenrec.url, owner.email, owner.password);
    await dashboard.goto("about:blank");
  });
  await check("SIGTERM ends it in order, and no child is left", async () => {
    const end = await world.tenrec.stop();
    assert.equal(end.code, 0, `exit ${end.code ?? end.signal}\n${world.tenrec.log().slice(-2000)}`);
    assert.deepEqual(end.left, []);
  });
  await check("a second start finds the account, the sign-in and the events", async () => {
    const tenrec = (world.tenrec = await startTenrec({ dataDir: world.tenrec.dataDir }));
    assert.doesNotMatch(tenrec.log(), /setup\?token/);
    // The same host on another port: the browser sends the same cookie.
    await dashboard.goto(`${tenrec.url}${project}/events?event=%24pageview`);
    assert.equal((await eventNames()).length, world.pageviews);
  });
  await check("no console error, no failed request, no refused content on either site", async () => {
    assert.deepEqual(world.problems.flat(), []);
  });
}
