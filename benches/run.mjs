// Measures what users feel, on the demo's data: start, memory and CPU when idle, event to live page, server time of pages.
//
//   make bench                         idle is watched for a minute
//   node benches/run.mjs --minutes 10  for ten
//
// It reports; it never fails for being slow. TENREC names the program (target/release/tenrec).
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { parseArgs } from "node:util";

process.env.TENREC ??= "target/release/tenrec";
const { launchBrowser, program, signIn, startSite, startTenrec } = await import("../tests/e2e/lib.mjs");

const { values } = parseArgs({ options: { minutes: { type: "string", default: "1" }, repeats: { type: "string", default: "15" } } });
const repeats = Number(values.repeats);
const owner = { email: "owner@example.com", password: "correct horse battery staple" };
const env = { TENREC_INIT_EMAIL: owner.email, TENREC_INIT_PASSWORD: owner.password };

const rows = [];
const report = (what, value, goal = "") => {
  rows.push([what, value, goal]);
  console.log(`  ${what.padEnd(52)} ${value.padStart(14)}   ${goal}`);
};
const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const quantile = (list, q) => list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(q * list.length))];
const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** Resident memory in bytes, pages shared between processes counted once where the kernel says so. */
function memory(pids) {
  let bytes = 0;
  for (const pid of pids) {
    try {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      bytes += Number(/^Pss:\s+(\d+)/m.exec(text)[1]) * 1024;
    } catch {
      bytes += Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
    }
  }
  return bytes;
}

/** The sum of resident sizes, shared pages counted in each. */
const resident = (pids) =>
  pids.reduce((sum, pid) => sum + Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024, 0);

/** CPU time used so far, in seconds. */
function cpu(pids) {
  const perSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  return pids.reduce((sum, pid) => {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) / perSecond;
  }, 0);
}

/** Its processes by what they are. */
function groups(tenrec, pids) {
  const group = { tenrec: [], engine: [], postgres: [] };
  for (const pid of pids) {
    const [, subcommand] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    group[pid === tenrec.pid ? "tenrec" : subcommand === "engine" ? "engine" : "postgres"].push(pid);
  }
  return group;
}

const pidsOf = (tenrec) => [tenrec.pid, ...tenrec.descendants().map((child) => child.pid)];

console.log("Tenrec's figures\n");
report("binary", `${(statSync(program).size / 2 ** 20).toFixed(1)} MiB`);
let tenrec = await startTenrec({ env });
const { dataDir } = tenrec;
let browser;
let site;
try {
  report("first start (stores are created) → ready", ms(tenrec.readyAfterMs));
  const began = performance.now();
  execFileSync(program, ["demo", "--data-dir", dataDir, "--host", "127.0.0.1", "--port", new URL(tenrec.url).port], { stdio: ["ignore", "ignore", "inherit"] });
  report("demo: 30 days sent and stored", `${((performance.now() - began) / 1000).toFixed(1)} s`);
  const starts = [];
  for (let i = 0; i < 3; i += 1) {
    await tenrec.stop();
    tenrec = await startTenrec({ dataDir });
    starts.push(tenrec.readyAfterMs);
  }
  report("tenrec serve → ready, with data (median of 3)", ms(quantile(starts, 0.5)), "≤ 3000 ms");

  browser = await launchBrowser();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await signIn(page, tenrec.url, owner.email, owner.password);
  const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");

  console.log(`\nServer time of pages, ${repeats} requests each on loopback: median, slowest`);
  const demo = 2;
  const pages = {
    "home": ["", 300], "events": ["/events", 100], "events, one name": ["/events?event=%24pageview", 100],
    "events, one property": ["/events?property=%24browser&operator=exact&value=Firefox", 100], "live events": ["/events/live", 100],
    "people": ["/persons", 100], "insights": ["/insights", 100],
    "trend: page views, 30 days": ["/insights/new?event=%24pageview&date=-30d", 300],
    "trend: purchases by browser, 30 days": ["/insights/new?event=order+completed&breakdown=%24browser&date=-30d", 300],
    "trend: people, three events, 30 days": ["/insights/new?event=%24pageview&math=dau&event=added+to+cart&math=dau&event=order+completed&math=dau&date=-30d", 300],
    "settings": ["/settings", 100], "members": ["/settings/members", 100],
  };
  const html = async (path) => (await fetch(`${tenrec.url}/project/${demo}${path}`, { headers: { cookie } })).text();
  const linkIn = (text, pattern) => pattern.exec(text)?.[1].replaceAll("&amp;", "&").replace(`/project/${demo}`, "");
  pages["an event"] = [linkIn(await html("/events"), /data-src="([^"]+)"/), 100];
  pages["a person"] = [linkIn(await html("/persons"), /href="([^"]*\/persons?\/[^"]+)"/), 100];
  const tiles = [...(await html("")).matchAll(/hx-get="([^"]*\/home\/tiles\/[^"]+)"/g)].map(([, at]) => at.replace(`/project/${demo}`, ""));
  tiles.forEach((path, at) => (pages[`home, tile ${at + 1}`] = [path, 300]));
  for (const [name, [path, goal]] of Object.entries(pages)) {
    const times = [];
    let status = 0;
    for (let i = 0; i <= repeats; i += 1) {
      const asked = performance.now();
      const answer = await fetch(`${tenrec.url}/project/${demo}${path}`, { headers: { cookie }, redirect: "manual" });
      await answer.arrayBuffer();
      status = answer.status;
      if (i > 0) times.push(performance.now() - asked); // the first one warms up
    }
    report(status === 200 ? name : `${name} (answers ${status})`, `${ms(quantile(times, 0.5))} ${ms(Math.max(...times))}`, `≤ ${goal} ms`);
  }

  console.log("\nPage load → event on the live page");
  await page.goto(`${tenrec.url}/project/1/onboarding`);
  site = await startSite({ snippet: await page.textContent("#snippet-html"), tenrecUrl: tenrec.url });
  await page.goto(`${tenrec.url}/project/1/events/live`);
  const delays = [];
  for (let i = 0; i < 5; i += 1) {
    const before = await page.locator("[data-event]").count();
    const visitor = await (await browser.newContext()).newPage();
    const loading = Date.now();
    await visitor.goto(site.url);
    await page.waitForFunction((count) => document.querySelectorAll("[data-event]").length > count, before, { timeout: 20_000 });
    delays.push(Date.now() - loading);
    await visitor.context().close();
    await wait(1);
  }
  report("page load → event on the live page (median of 5)", ms(quantile(delays, 0.5)), "≤ 2000 ms");
  await browser.close();
  browser = undefined;

  const minutes = Number(values.minutes);
  console.log(`\nIdle for ${minutes} min`);
  await wait(20); // merges of what was just stored
  const pids = pidsOf(tenrec);
  const [cpuBefore, idleSince] = [cpu(pids), performance.now()];
  await wait(minutes * 60);
  const now = pidsOf(tenrec);
  for (const [group, members] of Object.entries(groups(tenrec, now))) {
    report(`memory of ${group} (${members.length})`, `${(resident(members) / 2 ** 20).toFixed(0)} MiB`, `${(memory(members) / 2 ** 20).toFixed(0)} MiB with shared pages once`);
  }
  report("memory, shared pages once (PSS)", `${(memory(now) / 2 ** 20).toFixed(0)} MiB`, "≤ 600 MB");
  report("memory, sum of resident sizes", `${(resident(now) / 2 ** 20).toFixed(0)} MiB`, "≤ 600 MB");
  const seconds = (performance.now() - idleSince) / 1000;
  const alive = pids.filter((pid) => now.includes(pid));
  report("CPU", `${((100 * (cpu(alive) - cpuBefore)) / seconds).toFixed(2)} % of a core`, "≤ 3 %");
} finally {
  await browser?.close();
  await site?.stop();
  await tenrec.stop();
  await tenrec.remove();
}

console.log("\n| figure | measured | goal |\n|---|---|---|");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
