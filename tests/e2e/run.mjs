// The end-to-end test: from the printed link to a chart, in a real browser, with the real posthog-js.
//
//   TENREC=target/debug/tenrec CHROMIUM=/usr/bin/chromium node tests/e2e/run.mjs
//
// The areas go in order, each on what those before it left. Everything that is started is also stopped. Screenshots are
// left in tests/e2e/artifacts/.
import { launchBrowser, startTenrec } from "./lib.mjs";
import { newWorld } from "./world.mjs";
import end from "./areas/end.mjs";
import events from "./areas/events.mjs";
import everyPage from "./areas/every_page.mjs";
import ingestion from "./areas/ingestion.mjs";
import insights from "./areas/insights.mjs";
import merges from "./areas/merges.mjs";
import people from "./areas/people.mjs";
import privacy from "./areas/privacy.mjs";
import sessions from "./areas/sessions.mjs";
import start from "./areas/start.mjs";
import traffic from "./areas/traffic.mjs";
import visit from "./areas/visit.mjs";

const areas = [
  ["From the printed link to a project", start],
  ["A visit to a site of two pages", visit],
  ["What the dashboard shows of it", events],
  ["The session that it was", sessions],
  ["A chart of it", insights],
  ["What became of every event", ingestion],
  ["Bots beside people", traffic],
  ["People and groups", people],
  ["Who is whom", merges],
  ["Exported, erased, opted out, without cookies", privacy],
  ["Every page, wide and narrow, light and dark", everyPage],
  ["The end, and the start after it", end],
];

const world = await newWorld();
const began = performance.now();
try {
  world.tenrec = await startTenrec();
  world.browser = await launchBrowser();
  for (const [title, area] of areas) {
    console.log(title);
    await area(world);
  }
} catch (error) {
  world.failed += 1;
  console.log(`  FAIL  the test itself\n        ${error.stack}`);
} finally {
  await world.browser?.close();
  await world.site?.stop();
  const end = await world.tenrec?.stop();
  if (end?.left?.length) {
    world.failed += 1;
    console.log(`  FAIL  left over: ${JSON.stringify(end.left)}`);
  }
  await world.tenrec?.remove();
}
console.log(`\n${world.passed} passed, ${world.failed} failed (${((performance.now() - began) / 1000).toFixed(0)} s)`);
process.exitCode = world.failed === 0 ? 0 : 1;
