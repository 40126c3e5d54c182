// What the end-to-end test, the screenshots and the benchmark share: a Tenrec of their own, a browser, a site to visit.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

/** The program under test. */
export const program = resolve(process.env.TENREC ?? "target/debug/tenrec");

/** Waits until `look` gives something true, and returns it. */
export async function until(what, look, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s${last ? ` (${last.message})` : ""}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

// Whatever ends the test, a Tenrec that it started ends too.
const running = new Map();
process.on("exit", () => {
  for (const [child, dir] of running) {
    child.kill("SIGKILL"); // its children end with it
    rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

/** A Tenrec on a free port, with data of its own; `dataDir` to start one again on data that is there. */
export async function startTenrec({ env = {}, dataDir } = {}) {
  if (!existsSync(program)) throw new Error(`${program} is not there: build it first, or set TENREC to its path`);
  const dir = dataDir ?? (await mkdtemp(join(tmpdir(), "tenrec-e2e-")));
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(TENREC|PORT$|HOST$|SITE_URL$|DATABASE_URL$|CLICKHOUSE_URL$)/.test(name)),
  );
  const began = performance.now();
  const child = spawn(program, ["serve", "--host", "127.0.0.1", "--port", "0", "--data-dir", dir], {
    env: { ...inherited, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.set(child, dir);
  child.on("exit", () => running.delete(child));
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (log += bytes));
  const ended = new Promise((done) => child.on("exit", (code, signal) => done({ code, signal })));
  const tenrec = { pid: child.pid, dataDir: dir, log: () => log, stop, remove, descendants: () => descendants(child.pid) };
  try {
    tenrec.url = await until(
      "Tenrec is ready",
      () => {
        if (child.exitCode !== null) throw new Error("it ended");
        return /is ready on (http:\S+)/.exec(log)?.[1];
      },
      60,
    );
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`${error.message}\n${log}`);
  }
  tenrec.readyAfterMs = performance.now() - began;
  return tenrec;

  /** Asks it to end; returns how, and which of its children are still alive. */
  async function stop() {
    const children = descendants(child.pid);
    const asked = performance.now();
    child.kill("SIGTERM");
    const how = await Promise.race([ended, new Promise((done) => setTimeout(() => done(null), 30_000))]);
    if (how === null) child.kill("SIGKILL");
    const afterMs = performance.now() - asked;
    return { ...how, afterMs, left: children.filter(isAlive) };
  }

  async function remove() {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Every process below `pid`, with its start time, so that a number used again is not mistaken for it. */
export function descendants(pid) {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(stat).filter(Boolean);
  const found = [];
  const add = (parent) => {
    for (const process of all.filter((one) => one.parent === parent)) {
      found.push(process);
      add(process.pid);
    }
  };
  add(pid);
  return found;
}

function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { pid: Number(pid), parent: Number(fields[1]), state: fields[0], started: fields[19], name: text.slice(text.indexOf("(") + 1, text.lastIndexOf(")")) };
  } catch {
    return null;
  }
}

function isAlive({ pid, started }) {
  const now = stat(pid);
  return now !== null && now.started === started && now.state !== "Z";
}

/** Debian's Chromium, or the one that CHROMIUM names. */
export async function launchBrowser() {
  const path = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
    .filter(Boolean)
    .find((candidate) => existsSync(candidate));
  if (!path) throw new Error("no Chromium found: on Debian, apt-get install chromium; else set CHROMIUM to its path");
  const quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  // posthog-js sends nothing for a browser that says it is driven by a program; visitors' are not. Set for the whole
  // browser, because what is set for a page is gone when the page is left and sends its last events.
  const version = execFileSync(path, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).match(/\d+/)[0];
  const human = [
    "--disable-blink-features=AutomationControlled",
    `--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 Safari/537.36`,
  ];
  const args = [...(process.getuid() === 0 ? ["--no-sandbox"] : []), ...quiet, ...human];
  return chromium.launch({ executablePath: path, args });
}

/** Notes everything that goes wrong in a context's pages: console errors, exceptions, failed requests, refused content. */
export function watch(context, name) {
  const problems = [];
  const answers = [];
  context.on("console", (message) => {
    // htmx reports what a page takes with it when it is left, and the end of every failed request beside its failure.
    if (/^htmx:(sendAbort|afterRequest)/.test(message.text())) return;
    if (message.type() === "error" || /content security policy/i.test(message.text())) {
      problems.push(`${name}: console: ${message.text()} (${message.location().url})`);
    }
  });
  context.on("weberror", (error) => problems.push(`${name}: exception: ${error.error().stack ?? error.error()}`));
  context.on("requestfailed", (request) => {
    const why = request.failure()?.errorText ?? "";
    // A page that is left takes its unanswered requests with it; a keepalive one arrives all the same.
    const isLeft = why === "net::ERR_ABORTED" && request.resourceType() !== "document";
    if (!isLeft) problems.push(`${name}: request failed: ${request.method()} ${request.url()} ${why}`);
  });
  context.on("response", (response) => {
    answers.push({ status: response.status(), method: response.request().method(), url: response.url() });
    if (response.status() >= 400) problems.push(`${name}: ${response.status()} ${response.url()}`);
  });
  return { problems, answers };
}

/** A site of two pages with a snippet in their head and a content security policy that allows Tenrec. */
export async function startSite({ snippet, tenrecUrl }) {
  const nonce = "e2e";
  const policy = `default-src 'none'; script-src 'nonce-${nonce}' ${tenrecUrl}; connect-src ${tenrecUrl}; style-src 'self'; img-src 'self'`;
  const head = snippet.replace("<script>", `<script nonce="${nonce}">`);
  const page = (title, body) =>
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>\n${head}\n</head><body><h1>${title}</h1>${body}</body></html>`;
  const pages = {
    "/": page("Teapots", `<p><button id="buy" class="buy">Buy a teapot</button></p><p><a id="next" href="/about?utm_source=teatime">About us</a></p>`),
    "/about": page("About us", `<p>We like tea.</p><p><a id="back" href="/">Home</a></p>`),
  };
  const server = createServer((request, response) => {
    const body = pages[new URL(request.url, "http://site").pathname];
    if (body === undefined) {
      response.writeHead(204).end();
      return;
    }
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy": policy }).end(body);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://localhost:${server.address().port}`,
    stop: () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  };
}

/** How far a page is wider than its window, in CSS pixels. */
export const overflow = (page) =>
  page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth));

/** Signs in by the form. */
export async function signIn(page, url, email, password) {
  await page.goto(`${url}/login`);
  await page.fill('input[name="email"]', email);
  await page.fill('input[name="password"]', password);
  await Promise.all([page.waitForURL((at) => !at.pathname.startsWith("/login")), page.click('main button[type="submit"], form button[type="submit"]')]);
}
