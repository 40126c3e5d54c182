// Measures the pages about people where there are many: a million people, one of them with ten thousand events.
//
//   make bench-people                                   a million people, five events each
//   node benches/people.mjs --people 100000 --each 10   fewer, busier
//   node benches/people.mjs --data DIR                  keeps the data there, and takes what is there already
//
// The data is made by statements in the stores, not by capture, so this says nothing about ingest. It needs psql, and reports;
// it never fails for being slow. TENREC names the program (target/release/tenrec).
import { execFileSync } from "node:child_process";
import { request } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

process.env.TENREC ??= "target/release/tenrec";
const { launchBrowser, signIn, startTenrec } = await import("../tests/e2e/lib.mjs");

const { values } = parseArgs({
  options: { people: { type: "string", default: "1000000" }, each: { type: "string", default: "5" }, repeats: { type: "string", default: "15" }, data: { type: "string" } },
});
const [people, each, repeats] = [Number(values.people), Number(values.each), Number(values.repeats)];
const owner = { email: "owner@example.com", password: "correct horse battery staple" };
const heavy = Math.floor(people / 2);
const heavyEvents = 10_000;

const rows = [];
const report = (what, value, goal = "") => {
  rows.push([what, value, goal]);
  console.log(`  ${what.padEnd(60)} ${value.padStart(18)}   ${goal}`);
};
const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

const isFilled = values.data && existsSync(values.data);
const tenrec = await startTenrec({ dataDir: values.data, env: { TENREC_INIT_EMAIL: owner.email, TENREC_INIT_PASSWORD: owner.password } });
const postgres = (sql) =>
  execFileSync("psql", ["-h", join(tenrec.dataDir, "run", "postgres"), "-U", "tenrec", "-At", "-v", "ON_ERROR_STOP=1", "-c", sql, "tenrec"], { encoding: "utf8" }).trim();
const clickhouse = (sql) =>
  new Promise((done, fail) => {
    const socketPath = join(tenrec.dataDir, "run", "clickhouse", "engine.sock");
    const asked = request({ socketPath, method: "POST", path: "/?database=tenrec&max_execution_time=0", headers: { host: "engine" } }, (answer) => {
      let text = "";
      answer.on("data", (bytes) => (text += bytes)).on("end", () => (answer.statusCode === 200 ? done(text.trim()) : fail(new Error(text))));
    });
    asked.on("error", fail).end(sql);
  });

async function fill(project) {
  console.log(`Making ${people.toLocaleString("en")} people with ${each} events each, one with ${heavyEvents.toLocaleString("en")}`);
  let began = performance.now();
  // As an SDK leaves people: a third with an address, all with what is copied from their events.
  postgres(`
    INSERT INTO persons (project_id, uuid, properties, is_identified, created_at, last_seen_at)
    SELECT ${project}, gen_random_uuid(),
           jsonb_build_object('$browser', 'Firefox', '$os', 'Linux', '$device_type', 'Desktop', '$initial_browser', 'Firefox',
             '$initial_referrer', 'https://search.example/' || n % 1000, 'utm_source', 'mail-' || n % 50,
             '$current_url', 'https://shop.example/p/' || n % 10000, '$geoip_country_name', 'Country ' || n % 90,
             '$geoip_city_name', 'City ' || n % 5000, 'plan', (ARRAY['free', 'pro', 'team'])[n % 3 + 1], 'seats', n % 40)
           || CASE WHEN n % 3 = 0 THEN jsonb_build_object('email', md5(n::text) || '@mail' || n % 500 || '.example', 'name', initcap(substr(md5(n::text), 1, 6)) || ' ' || initcap(substr(md5(n::text), 8, 7))) ELSE '{}' END,
           n % 3 = 0, now() - n * interval '2 seconds', now() - (n::bigint * 7919 % ${people}) * interval '1 second'
    FROM generate_series(1, ${people}) n`);
  postgres(`INSERT INTO person_distinct_ids (project_id, distinct_id, person_id) SELECT project_id, 'user-' || id, id FROM persons`);
  postgres(`INSERT INTO person_distinct_ids (project_id, distinct_id, person_id) SELECT project_id, md5('a' || id), id FROM persons WHERE is_identified`);
  postgres("VACUUM ANALYZE persons"); postgres("VACUUM ANALYZE person_distinct_ids");
  report("people made", `${((performance.now() - began) / 1000).toFixed(0)} s`);
  began = performance.now();
  const first = Number(postgres("SELECT min(id) FROM persons"));
  const number = first + heavy;
  const names = `['$pageview', '$pageview', '$autocapture', '$pageleave', 'order completed']`;
  const insert = (person, at, from, count, session) => `
    INSERT INTO events (project_id, event, timestamp, person_id, uuid, distinct_id, received_at, inserted_by, \`$browser\`, \`$os\`, \`$device_type\`, \`$current_url\`, \`$pathname\`, \`$session_id\`, \`$group_0\`, properties, person_properties)
    SELECT ${project}, ${names}[number % 5 + 1], ${at}, ${person} AS person, generateUUIDv4(), concat('user-', toString(person)), now64(3), 1,
           'Firefox', 'Linux', 'Desktop', concat('https://shop.example/p/', toString(number % 10000)), concat('/p/', toString(number % 10000)), ${session},
           concat('company-', toString(person % 1000)), concat('{"order":', toString(number), ',"$set":{"plan":"pro"}}'), '{"plan":"pro"}'
    FROM numbers(${from}, ${count})
    SETTINGS max_partitions_per_insert_block = 1000, max_insert_threads = 1`;
  const step = 500_000;
  for (let from = 0; from < people * each; from += step) {
    const count = Math.min(step, people * each - from);
    await clickhouse(insert(`toUInt64(${first} + number % ${people})`, "now64(6) - toIntervalSecond(cityHash64(number) % 2592000)", from, count, "concat('s-', toString(number))"));
  }
  await clickhouse(insert(`toUInt64(${number} + 0 * number)`, "now64(6) - toIntervalSecond(number * 259)", 0, heavyEvents, "concat('h-', toString(intDiv(number, 20)))"));
  await clickhouse("OPTIMIZE TABLE events FINAL");
  report("events made and merged", `${((performance.now() - began) / 1000).toFixed(0)} s`);
  postgres(`INSERT INTO group_types (project_id, type_index, name, created_at) VALUES (${project}, 0, 'company', now())`);
  postgres(`INSERT INTO groups (project_id, type_index, key, properties, created_at) SELECT ${project}, 0, 'company-' || n, jsonb_build_object('name', 'Company ' || n), now() FROM generate_series(0, 999) n`);
  // Questions about people are asked of a mirror; the next event that comes brings it up to date.
  began = performance.now();
  const api_key = postgres(`SELECT api_key FROM projects WHERE id = ${project}`);
  await fetch(`${tenrec.url}/batch/`, { method: "POST", body: JSON.stringify({ api_key, batch: [{ event: "last", distinct_id: "last" }] }) });
  while (postgres("SELECT EXISTS (SELECT FROM person_changes)") === "t") await new Promise((done) => setTimeout(done, 1_000));
  report("… and mirrored", `${((performance.now() - began) / 1000).toFixed(0)} s`);
}

try {
  const project = Number(postgres("SELECT min(id) FROM projects"));
  if (!isFilled) await fill(project);
  const first = Number(postgres("SELECT min(id) FROM persons"));
  const number = first + heavy;
  const uuid = postgres(`SELECT uuid FROM persons WHERE id = ${number}`);
  const address = postgres(`SELECT properties ->> 'email' FROM persons WHERE id = ${number - (number % 3) + 3} OR properties ? 'email' ORDER BY id LIMIT 1`);

  let began;
  const browser = await launchBrowser();
  const context = await browser.newContext();
  await signIn(await context.newPage(), tenrec.url, owner.email, owner.password);
  const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  await browser.close();
  const get = async (path) => {
    const asked = performance.now();
    const answer = await fetch(`${tenrec.url}/project/${project}${path}`, { headers: { cookie } });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${path} answers ${answer.status}: ${text.slice(0, 300)}`);
    return [performance.now() - asked, text];
  };
  const linkIn = (text, rel) => new RegExp(`href="([^"]+)" rel="${rel}"`).exec(text)?.[1].replaceAll("&amp;", "&").replace(`/project/${project}`, "");
  const shown = (text) => (text.match(/class="person-cell"/g) ?? []).length;

  console.log(`\nServer time of pages, ${repeats} requests each on loopback: median, slowest`);
  const deep = `?after=${postgres(`SELECT id || '.' || (extract(epoch FROM created_at) * 1000000)::bigint FROM persons WHERE id = ${first + people - 100}`)}`;
  const pages = {
    [`a person with ${heavyEvents} events`]: [`/persons/${uuid}`, 100],
    "… their second page of events": [linkIn((await get(`/persons/${uuid}`))[1], "next"), 100],
    "… how many, since when, of which groups (asked for by script)": [`/persons/${uuid}/facts`, ""],
    "… where their properties came from (asked for by script)": [`/persons/${uuid}/properties`, ""],
    "a person with a few events": [`/persons/${postgres(`SELECT uuid FROM persons WHERE id = ${first + 10}`)}`, 100],
    "people": ["/persons", 100],
    "people, near the end": [`/persons${deep}`, 100],
    "people by name": ["/persons?sort=name", 100],
    "people by last seen, second page": [linkIn((await get("/persons?sort=-seen"))[1], "next"), 100],
    "search: an address": [`/persons?search=${address}`, 100],
    "search: beginning of many addresses": ["/persons?search=a", 100],
    "search: beginning of every distinct id": ["/persons?search=user-", 100],
    "search: one distinct id": [`/persons?search=user-${number}`, 100],
    "search: nobody": ["/persons?search=nobody-like-it", 100],
    "filter: a third of all": ["/persons?property=plan&operator=exact&value=pro", 100],
    "filter: one of 5000": ["/persons?property=%24geoip_city_name&operator=exact&value=City+4711", ""],
    "filter: nobody": ["/persons?property=plan&operator=exact&value=gold", ""],
    "groups": ["/groups/0", 100],
    "a group": ["/groups/0/company-7", 100],
    "… who acted in it (asked for by script)": ["/groups/0/company-7/activity", ""],
  };
  for (const [name, [path, goal]] of Object.entries(pages)) {
    const times = [];
    let text = "";
    for (let i = 0; i <= repeats; i += 1) {
      const [took, body] = await get(path);
      if (i > 0) times.push(took); // the first one warms up
      text = body;
    }
    report(`${name}${shown(text) ? ` (${shown(text)} shown)` : ""}`, `${ms(median(times))} ${ms(Math.max(...times))}`, goal && `≤ ${goal} ms`);
  }

  console.log("\nThe file of everybody");
  const peak = () => Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${tenrec.pid}/status`, "utf8"))[1]) / 1024;
  const before = peak();
  began = performance.now();
  const answer = await fetch(`${tenrec.url}/project/${project}/persons/export.csv`, { headers: { cookie, "accept-encoding": "identity" } });
  let [bytes, lines] = [0, 0];
  for await (const part of answer.body) {
    bytes += part.length;
    for (const byte of part) if (byte === 10) lines += 1;
  }
  report(`CSV of ${(lines - 1).toLocaleString("en")} people, ${(bytes / 2 ** 20).toFixed(0)} MiB`, `${((performance.now() - began) / 1000).toFixed(1)} s`);
  report("… peak memory of tenrec before and after", `${before.toFixed(0)} ${peak().toFixed(0)} MiB`);
} finally {
  await tenrec.stop();
  if (!values.data) await tenrec.remove();
}

console.log("\n| figure | measured | goal |\n|---|---|---|");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
