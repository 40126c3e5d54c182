// Events that no visitor of a site sends: with mistakes, twice, late, by bots. One of each fate that an event can have.
import { randomUUID } from "node:crypto";

/** User agents of the bots, with the class that each must get. */
const bots = [
  ["Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)", "ai_crawler"],
  ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "search_crawler"],
  ["curl/8.5.0", "script"],
];

/** Posts them in one batch, and returns what later questions need. */
export async function sendOddEvents(url, key) {
  const uuid = randomUUID();
  const stored = { event: "sent by hand", distinct_id: "hand-1", uuid, properties: { reason: "to be found again" } };
  const rejected = [
    { event: "broken by hand", distinct_id: "hand-2", uuid: "not-a-uuid", properties: { colour: "green" } },
    { event: "nobody's event", properties: { colour: "blue" } },
    { distinct_id: "hand-3", properties: {} },
    { event: "odd properties", distinct_id: "hand-4", properties: ["a", "list"] },
    { event: "$snapshot", distinct_id: "hand-5", properties: { $snapshot_data: [] } },
    "no object at all",
  ];
  // Merges persons, and says that it must not have one.
  const quarantined = { event: "$identify", distinct_id: "hand-6", properties: { $process_person_profile: false, $anon_distinct_id: "hand-7" } };
  const late = { event: "sent late", distinct_id: "hand-8", timestamp: "2026-01-02T03:04:05Z" };
  const robots = bots.map(([agent, name]) => ({
    event: "shop crawled", distinct_id: `robot-${name}`,
    properties: { $lib: "web", $raw_user_agent: agent, $session_id: randomUUID(), $current_url: "https://teapots.example/robots", $pathname: "/robots" },
  }));
  const batch = [stored, stored, ...rejected, quarantined, late, ...robots];
  const answer = await fetch(`${url}/batch/`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ api_key: key, batch }),
  });
  if (answer.status !== 200) throw new Error(`odd events: ${answer.status} ${await answer.text()}`);
  return { uuid, received: batch.length, rejected: rejected.length, robots: robots.length, classes: bots.map(([, name]) => name) };
}
