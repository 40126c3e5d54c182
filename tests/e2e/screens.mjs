// Takes a picture of every page, wide and narrow, light and dark.
//
//   node tests/e2e/screens.mjs DIRECTORY [--url http://localhost:8000 --email … --password … [--project 1]]
//
// Without --url it starts a Tenrec of its own, and fills it with the demo and some events that go wrong.
import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sendOddEvents } from "./odd.mjs";
import { launchBrowser, overflow, program, signIn, startTenrec, until, watch } from "./lib.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { url: { type: "string" }, email: { type: "string" }, password: { type: "string" }, project: { type: "string" }, only: { type: "string" } },
});
const directory = positionals[0] ?? "tests/e2e/artifacts/screens";
await mkdir(directory, { recursive: true });

let tenrec;
let odd;
let { url, email, password, project } = values;
if (!url) {
  [email, password] = ["owner@example.com", "correct horse battery staple"];
  tenrec = await startTenrec({ env: { TENREC_INIT_EMAIL: email, TENREC_INIT_PASSWORD: password } });
  url = tenrec.url;
  const { port } = new URL(url);
  execFileSync(program, ["demo", "--data-dir", tenrec.dataDir, "--host", "127.0.0.1", "--port", port], { stdio: "inherit" });
  project ??= "2";
}
project ??= "1";

const browser = await launchBrowser();
try {
  if (tenrec) {
    const page = await browser.newPage();
    await signIn(page, url, email, password);
    await page.goto(`${url}/project/${project}/onboarding`);
    odd = await sendOddEvents(url, /phc_\w+/.exec(await page.textContent("#snippet-html"))[0]);
    await until("the odd events", async () => {
      await page.goto(`${url}/project/${project}/ingestion/find?id=${odd.uuid}`);
      return (await page.locator(".found .badge.is-good").count()) === 1;
    });
    await page.close();
  }
  const anonymous = ["/login"];
  const inside = [
    "", "?traffic=bots", "/onboarding", "/events", "/events?traffic=bots", "/events?event=nothing-like-it", "/events/live", "/sessions", "/sessions?traffic=bots", "/persons", "/groups", "/duplicates", "/insights", "/insights/new", "/insights/new?event=%24pageview&date=-30d",
    "/insights/new?event=%24pageview&breakdown=%24browser&date=-30d&display=bar", "/ingestion", "/ingestion?range=7d", "/ingestion/rejected", "/ingestion/quarantined", "/ingestion/find", "/ingestion/find?id=nobody-knows",
    ...["hand-2", "hand-6", "hand-8", "robot-ai_crawler", odd?.uuid].filter(Boolean).map((id) => `/ingestion/find?id=${id}`),
    "/settings", "/settings/members", "/privacy", "/privacy/erase?person=hand-2",
  ].map((path) => `/project/${project}${path}`);
  // The project that the demo leaves alone has nothing in it.
  const empty = tenrec ? ["", "/events", "/sessions", "/persons", "/groups", "/duplicates", "/insights", "/ingestion", "/privacy"].map((path) => `/project/1${path}`) : [];
  const other = [...empty, "/settings/account", "/settings/api-keys", "/settings/projects/new", "/status", `/project/${project}/nothing-here`];
  const sizes = { wide: { width: 1280, height: 900 }, narrow: { width: 390, height: 844 } };
  for (const [size, viewport] of Object.entries(sizes)) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport, colorScheme });
      const { problems } = watch(context, `${size} ${colorScheme}`);
      const page = await context.newPage();
      const shoot = async (path, name = path) => {
        if (values.only && !path.includes(values.only)) return;
        await page.goto(url + path);
        await page.waitForTimeout(700); // charts draw themselves in
        const wider = await overflow(page);
        if (wider > 0) console.log(`${path} at ${viewport.width}: ${wider} px wider than the window`);
        const file = name.replace(`/project/${project}`, "").replace(/%24/g, "").replace(/[^a-z0-9]+/gi, "-").replace(/^-|-$/g, "") || "home";
        await page.screenshot({ path: join(directory, `${file}-${size}-${colorScheme}.png`), fullPage: true });
      };
      for (const path of anonymous) await shoot(path);
      await signIn(page, url, email, password);
      for (const path of [...inside, ...other]) await shoot(path);
      for (const [list, one] of [["persons", "person"], ["groups", "group"], ["sessions", "session"]]) {
        await page.goto(`${url}/project/${project}/${list}`);
        const href = await page.locator("main tbody a").first().getAttribute("href", { timeout: 2000 }).catch(() => null);
        if (href) await shoot(href, `/${one}`);
      }
      await page.goto(`${url}/project/${project}/persons`);
      const merge = await page.locator(`main a[href*="/merges/new"]`).first().getAttribute("href", { timeout: 2000 }).catch(() => null);
      if (merge) await shoot(merge, "/merge");
      const expected = (problem) => problem.includes("nothing-here") || problem.includes("404");
      for (const problem of problems.filter((one) => !expected(one))) console.log(problem);
      await context.close();
    }
  }
  console.log(`Pictures are in ${directory}`);
} finally {
  await browser.close();
  await tenrec?.stop();
  await tenrec?.remove();
}
