// Checks `tenrec engine` with ClickHouse's own Node client: URL and password as arguments.
import assert from "node:assert/strict";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";

const [url, password] = process.argv.slice(2);
const log = { level: ClickHouseLogLevel.OFF };
const connect = (options) => createClient({ url, username: "default", password, log, ...options });

async function checkFormats(client) {
  await client.command({
    query: "CREATE TABLE events (id UInt64, name String, at DateTime64(3, 'UTC'), tags Array(String)) ENGINE = MergeTree ORDER BY id",
  });
  const rows = [
    { id: "1", name: "it's\t\n\nhere", at: "2026-03-04 05:06:07.089", tags: ["a", "b'c"] },
    { id: "2", name: "żółć", at: "2026-03-04 05:06:07.089", tags: [] },
  ];
  const inserted = await client.insert({ table: "events", values: rows, format: "JSONEachRow" });
  assert.equal(inserted.summary?.written_rows, "2");
  const all = "SELECT * FROM events ORDER BY id";
  const asStrings = { output_format_json_quote_64bit_integers: 1 };
  assert.deepEqual(await (await client.query({ query: all, format: "JSONEachRow", clickhouse_settings: asStrings })).json(), rows);
  const json = await (await client.query({ query: all, format: "JSON", clickhouse_settings: asStrings })).json();
  assert.deepEqual(json.data, rows);
  assert.equal(json.rows, 2);
  const compact = await (await client.query({ query: "SELECT id FROM events ORDER BY id", format: "JSONCompactEachRow" })).json();
  assert.deepEqual(compact.map(String), ["1", "2"]);
  const csv = await client.query({ query: "SELECT id, name FROM events WHERE id = 2", format: "CSVWithNames" });
  assert.equal(await csv.text(), '"id","name"\n2,"żółć"\n');
  assert.equal(csv.response_headers["x-clickhouse-format"], "CSVWithNames");
}

async function checkParameters(client) {
  const text = "x' OR 1=1 -- \\ \t \n {a:String}";
  const list = ["a'b", "c\\d", "e,f"];
  const result = await client.query({
    query: "SELECT {text:String} AS text, {list:Array(String)} AS list, {number:Int32} AS number",
    query_params: { text, list, number: -7 },
    format: "JSONEachRow",
  });
  assert.deepEqual(await result.json(), [{ text, list, number: -7 }]);
}

async function checkErrors(client) {
  for (const [query, code] of [["SELECT * FROM absent", "60"], ["SELECT )", "62"]]) {
    await assert.rejects(client.query({ query }), (error) => error.code === code);
  }
  const { query_id } = await client.command({ query: "SELECT 1", query_id: "named-by-client" });
  assert.equal(query_id, "named-by-client");
}

async function checkLarge(client) {
  await client.command({ query: "CREATE TABLE large (n UInt64, text String) ENGINE = MergeTree ORDER BY n" });
  async function* values() {
    for (let n = 0; n < 100_000; n++) yield { n, text: "\n\n" };
  }
  const { Readable } = await import("node:stream");
  await client.insert({ table: "large", values: Readable.from(values(), { objectMode: true }), format: "JSONEachRow" });
  const counted = await client.query({ query: "SELECT count() AS n, countIf(text = '\\n\\n') AS same FROM large", format: "JSONEachRow" });
  assert.deepEqual((await counted.json()).map(({ n, same }) => [Number(n), Number(same)]), [[100_000, 100_000]]);

  const result = await client.query({ query: "SELECT number, toString(number) FROM numbers(2000000)", format: "JSONCompactEachRow" });
  let count = 0;
  for await (const rows of result.stream()) count += rows.length;
  assert.equal(count, 2_000_000);

  const failing = async () => {
    const late = await client.query({
      query: "SELECT throwIf(number = 1500000), toString(number) FROM numbers(2000000)",
      format: "JSONCompactEachRow",
    });
    for await (const _ of late.stream());
  };
  await assert.rejects(failing, "a result that failed midway looked complete");
}

const stranger = connect({ password: "wrong" });
await assert.rejects(stranger.query({ query: "SELECT 1" }), (error) => error.code === "516");
await stranger.close();

const first = connect();
assert.equal((await first.ping()).success, true);
await first.command({ query: "CREATE DATABASE clients_node" });
await first.close();
for (const compressed of [false, true]) {
  const client = connect({ database: "clients_node", compression: { request: compressed, response: compressed } });
  await checkFormats(client);
  await checkParameters(client);
  await checkErrors(client);
  await checkLarge(client);
  await client.command({ query: "DROP TABLE events" });
  await client.command({ query: "DROP TABLE large" });
  await client.close();
}
console.log("@clickhouse/client passed");
