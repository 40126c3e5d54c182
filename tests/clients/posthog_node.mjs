// Drives posthog-node, as it is published, against a Tenrec. Its one argument is JSON: what to do, and for whom.
// `POSTHOG_CAPTURE_MODE` chooses the protocol, as it does for everybody.
import assert from "node:assert/strict";
import { PostHog } from "posthog-node";

const { scenario, host, key, run, at, uuid, compress } = JSON.parse(process.argv[2]);
const id = (name) => `${run}-${name}`;
const client = new PostHog(key, {
  host,
  flushAt: 20,
  flushInterval: 600_000, // what is sent is sent because twenty wait, or at the end
  disableCompression: !compress,
  fetchRetryCount: 100,
  fetchRetryDelay: 200,
});
const failures = [];
client.on("error", (error) => failures.push(String(error)));

const scenarios = {
  async everything() {
    const ada = id("ada");
    client.capture({ distinctId: id("anon"), event: "visited", properties: { plan: "free" } });
    client.alias({ distinctId: ada, alias: id("anon") });
    client.identify({ distinctId: ada, properties: { $set: { email: `${ada}@example.com` }, $set_once: { first: "a" } } });
    client.setPersonProperties({ distinctId: ada, properties: { level: 2 }, propertiesOnce: { first: "b" } });
    client.groupIdentify({ groupType: "company", groupKey: id("acme"), properties: { seats: 5 }, distinctId: ada });
    client.capture({
      distinctId: ada,
      event: "paid",
      uuid,
      timestamp: new Date(at),
      groups: { company: id("acme") },
      properties: {
        amount: 12.5, whole: 3, yes: true, none: null, text: "żółć 猫 \u{1f600} \"'\\", list: [1, 2, 3], nested: { a: { "b.c": "d" } },
        $set: { paid: true },
      },
    });
    client.captureException(new Error("boom"), ada, { where: "here" });
    client.captureAi({ distinctId: ada, event: "$ai_generation", properties: { $ai_model: "m", $ai_input_tokens: 7 } });
    await client.captureImmediate({ distinctId: ada, event: "at once" });

    assert.deepEqual(await client.getAllFlags(ada), {});
    assert.equal(await client.getFeatureFlag("absent", ada), undefined);
    assert.ok(!(await client.isFeatureEnabled("absent", ada)));
    const flags = await client.evaluateFlags(ada);
    assert.equal(flags.isEnabled("absent"), false);

    for (let n = 0; n < 45; n++) client.capture({ distinctId: ada, event: "tick", properties: { n } });
  },

  // Nobody answers at first, and the first answer is lost.
  async late() {
    for (let n = 0; n < 30; n++) client.capture({ distinctId: id("ada"), event: "tick", properties: { n } });
  },
};

// Its timers let a program end that has nothing else to do. A server has: the events are not given up before shutdown() is.
const alive = setInterval(() => {}, 1000);
await scenarios[scenario]();
await client.shutdown(60_000);
clearInterval(alive);
assert.deepEqual(failures, [], "posthog-node reported errors");
