// What the areas of the end-to-end test share: who is in it, how wide windows are, and the count of what holds.
import { join } from "node:path";
import { mkdir, rm } from "node:fs/promises";

export const owner = { name: "Ada Owner", email: "ada@example.com", password: "correct horse battery staple", organization: "Teapots Ltd", project: "Teapot shop" };
export const visitor = { id: "user-42", email: "visitor@example.com", plan: "gold" };
export const WIDE = { width: 1280, height: 900 };
export const NARROW = { width: 390, height: 844 };

const artifacts = "tests/e2e/artifacts";

/** A world with nothing in it yet; areas add what later ones need (`dashboard`, `site`, `project`, …). */
export async function newWorld() {
  await rm(artifacts, { recursive: true, force: true });
  await mkdir(artifacts, { recursive: true });
  // The visit's page views are two; who sends more adds them.
  const world = { passed: 0, failed: 0, problems: [], pageviews: 2, check, shoot, eventNames };
  return world;

  /** One statement that must hold. What builds on it is still tried after it failed. */
  async function check(claim, prove) {
    try {
      await prove();
      world.passed += 1;
      console.log(`  ok    ${claim}`);
    } catch (error) {
      world.failed += 1;
      console.log(`  FAIL  ${claim}\n        ${String(error.message ?? error).replaceAll("\n", "\n        ")}`);
      await shoot(world.dashboard, `failed-${world.failed}`).catch(() => {});
    }
  }

  async function shoot(page, name) {
    if (page && !page.isClosed()) await page.screenshot({ path: join(artifacts, `${name}.png`), fullPage: true });
  }

  /** The labels of the events that the dashboard lists. */
  async function eventNames() {
    return (await world.dashboard.locator(".event-name").allTextContents()).map((name) => name.trim());
  }
}
