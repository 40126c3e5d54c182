// Measures how soon an erased person is gone: 10,000 events of one person among a million of others.
//
//   make bench-erase
//   node benches/erase.mjs --rows 1000000 --events 10000
//
// It reports, and fails only if something of the person is still found. TENREC names the program (target/release/tenrec).
import { request } from "node:http";
import { parseArgs } from "node:util";

process.env.TENREC ??= "target/release/tenrec";
const { launchBrowser, signIn, startTenrec } = await import("../tests/e2e/lib.mjs");

const { values } = parseArgs({ options: { rows: { type: "string", default: "1000000" }, events: { type: "string", default: "10000" } } });
const [rows, events] = [Number(values.rows), Number(values.events)];
const owner = { email: "owner@example.com", password: "correct horse battery staple" };
const report = (what, value, goal = "") => console.log(`  ${what.padEnd(52)} ${value.padStart(14)}   ${goal}`);
const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(2)} s`;

const tenrec = await startTenrec({ env: { TENREC_INIT_EMAIL: owner.email, TENREC_INIT_PASSWORD: owner.password } });
const browser = await launchBrowser();
try {
  const page = await browser.newPage();
  await signIn(page, tenrec.url, owner.email, owner.password);
  await page.goto(`${tenrec.url}/project/1/onboarding`);
  const key = /phc_\w+/.exec(await page.textContent("#snippet-html"))[0];
  await page.goto(`${tenrec.url}/settings/api-keys`);
  await page.fill('input[name="label"]', "bench");
  await page.click('main form button[type="submit"]');
  const personalKey = (await page.textContent("#personal-api-key")).trim();
  const api = async (method, path, body) => {
    const headers = { authorization: `Bearer ${personalKey}`, "content-type": "application/json" };
    const answer = await fetch(`${tenrec.url}/api/projects/1${path}`, { method, headers, body: body && JSON.stringify(body) });
    return { status: answer.status, body: answer.headers.get("content-type")?.includes("json") ? await answer.json() : Buffer.from(await answer.arrayBuffer()) };
  };
  const engine = (sql) =>
    new Promise((done, failed) => {
      const asked = request({ socketPath: `${tenrec.dataDir}/run/clickhouse/engine.sock`, method: "POST", path: "/?database=tenrec" }, (answer) => {
        let text = "";
        answer.on("data", (data) => (text += data)).on("end", () => (answer.statusCode === 200 ? done(text.trim()) : failed(new Error(text))));
      });
      asked.on("error", failed).end(sql);
    });

  // The others, put in as they lie in the table.
  for (let done = 0; done < rows; done += 250_000) {
    await engine(`INSERT INTO events (project_id, event, timestamp, person_id, uuid, distinct_id, received_at, inserted_by, \`$session_id\`, \`$current_url\`)
      SELECT 1, ['$pageview', '$autocapture', '$pageleave', 'signed up'][1 + number % 4], now64(6) - toIntervalSecond(cityHash64(number, ${done}) % 2592000) AS at,
      1000 + cityHash64(number) % 100000, generateUUIDv4(), concat('other-', toString(cityHash64(number) % 100000)), at, 1,
      toString(cityHash64(number) % 200000), concat('https://example.com/', toString(number % 500)) FROM numbers(${Math.min(250_000, rows - done)})`);
  }
  // The person, through the door.
  for (let sent = 0; sent < events; sent += 500) {
    const batch = Array.from({ length: Math.min(500, events - sent) }, (_, n) => ({
      event: ["$pageview", "$autocapture", "signed up"][n % 3], distinct_id: "gone", timestamp: new Date(Date.now() - ((sent + n) % 720) * 3_600_000).toISOString(),
      properties: { $session_id: `s-${Math.floor((sent + n) / 20)}`, $current_url: `https://example.com/${n}`, n, $set: { email: "gone@example.com" } },
    }));
    const answer = await fetch(`${tenrec.url}/batch/`, { method: "POST", body: JSON.stringify({ api_key: key, batch }) });
    if (answer.status !== 200) throw new Error(`capture answered ${answer.status}`);
  }
  const left = async () => {
    const query = { kind: "HogQLQuery", query: "select count() from events where distinct_id = 'gone'" };
    return (await api("POST", "/query/", { query, refresh: "force_blocking" })).body.results[0][0];
  };
  while ((await left()) < events) await new Promise((done) => setTimeout(done, 200));
  await page.goto(`${tenrec.url}/project/1/person/gone`);
  const uuid = (await page.textContent(".person-uuid code")).trim();
  console.log(`A person with ${events} events among ${await engine("SELECT count() FROM events")}, ${await engine("SELECT count() FROM sessions")} sessions`);

  let from = performance.now();
  const file = await api("GET", `/persons/${uuid}/export/`);
  report(`export, ${(file.body.length / 1024).toFixed(0)} KiB`, seconds(from));
  from = performance.now();
  const preview = await api("GET", `/persons/${uuid}/erase_preview/`);
  report(`preview, ${preview.body.total} things`, seconds(from));
  from = performance.now();
  const { body: erasure } = await api("DELETE", `/persons/${uuid}/?delete_events=true`);
  report("erase: answered, Postgres has nothing", seconds(from));
  while ((await left()) > 0) await new Promise((done) => setTimeout(done, 20));
  report("erase: no event in any query", seconds(from), "≤ 5 s");
  const state = async () => (await api("GET", `/privacy/erasures/${erasure.id}/`)).body;
  while (!(await state()).gone_from_queries_at) await new Promise((done) => setTimeout(done, 50));
  report("erase: every store counted zero", seconds(from), "≤ 5 s");
  while ((await state()).step !== "wait") await new Promise((done) => setTimeout(done, 100));
  report("erase: both stores written anew without them", seconds(from));
  const after = (await state()).stores.filter((store) => store.after > 0);
  if (after.length > 0) throw new Error(`something is left: ${JSON.stringify(after)}`);
} finally {
  await browser.close();
  await tenrec.stop();
  await tenrec.remove();
}
