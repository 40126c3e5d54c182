//! Compares what the stores hold with what was promised.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use crate::drivers::{Load, Target};
use crate::oracle::{Fate, Issued, Oracle, hash, plan_of};
use crate::wire::Form;

/// A clock of a sender is corrected by how long its request was under way.
const UNDER_WAY_AT_MOST_MICROS: i64 = 90_000_000;
/// Quiet is waited for so long; only a test that hangs gets there.
const QUIET_WITHIN: Duration = Duration::from_secs(240);

/// Both stores, asked directly and not through Tenrec.
#[derive(Clone)]
pub struct Stores {
    pub ch: clickhouse::Client,
    pub pg: PgConnectOptions,
}

#[derive(Deserialize)]
struct StoredEvent {
    uuid: Uuid,
    event: String,
    distinct_id: String,
    at: i64,
    person_id: u64,
    properties: Map<String, Value>,
}

impl Stores {
    /// Runs a statement in ClickHouse, waiting for it to come back if it must.
    pub async fn execute(&self, sql: &str) {
        let started = Instant::now();
        while let Err(error) = self.ch.query_raw(sql).execute().await {
            assert!(started.elapsed() < QUIET_WITHIN, "{sql}: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether parts of the table of events may be merged. A merge would hide an event that was inserted twice the same.
    pub async fn set_merges(&self, are_on: bool) {
        let bytes = if are_on { 150_u64 << 30 } else { 1 };
        self.execute(&format!(
            "ALTER TABLE events MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = {bytes}, \
             max_bytes_to_merge_at_min_space_in_pool = {bytes}"
        ))
        .await;
    }

    /// How many rows there are.
    pub async fn count_events(&self) -> u64 {
        self.ch.query_raw("SELECT count() FROM events").fetch_one().await.unwrap()
    }

    /// Two more events through each server, one after the other. The first comes behind all that was accepted; but a batch
    /// may be stored in several inserts, in any order, so only when the second is stored is the batch of the first done.
    /// Gives how long that took.
    pub async fn wait_until_quiet(&self, targets: &[Target], oracle: &Oracle) -> Duration {
        let started = Instant::now();
        for target in targets.iter().flat_map(|target| [target, target]) {
            let last = oracle.issue(1);
            Load::send(target, oracle, &last, Form::V0).await.assert_no_errors();
            let sql = format!("SELECT count() FROM events WHERE uuid = '{}'", last[0].uuid);
            while !matches!(self.ch.query_raw(&sql).fetch_one::<u64>().await, Ok(1..)) {
                assert!(started.elapsed() < QUIET_WITHIN, "what was accepted is not stored");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        started.elapsed()
    }

    /// All rows of a round.
    async fn stored(&self, prefix: &str) -> Vec<StoredEvent> {
        let client = self
            .ch
            .clone()
            .with_setting("output_format_json_quote_64bit_integers", "0")
            .with_setting("json_type_escape_dots_in_keys", "1");
        let sql = format!(
            "SELECT uuid, event, distinct_id, toUnixTimestamp64Micro(timestamp) AS at, person_id, properties
             FROM events WHERE startsWith(distinct_id, '{prefix}')"
        );
        let mut bytes = client.query_raw(&sql).fetch_bytes("JSONEachRow").unwrap();
        let text = bytes.collect().await.unwrap();
        text.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(line)))
            })
            .collect()
    }

    /// Fails the test unless every event of the round that was promised is stored once as it was sent, none is stored
    /// twice, and none that was never sent or was refused is there; and unless Postgres says of every person what their
    /// events say. Gives the number of rows.
    pub async fn judge(&self, oracle: &Oracle) -> u64 {
        let (issued, rows) = (oracle.issued(), self.stored(&oracle.prefix()).await);
        let wrong = compare(&issued, &rows);
        let promised = oracle.count(Fate::Promised);
        let counts: BTreeMap<_, _> = wrong.iter().map(|(what, which)| (what, which.len())).collect();
        let some: BTreeMap<_, _> = wrong.iter().map(|(what, which)| (what, &which[..which.len().min(5)])).collect();
        assert!(
            wrong.is_empty(),
            "of {promised} promised events in {} rows: {counts:?}, such as {some:#?}",
            rows.len()
        );
        self.judge_persons(oracle, &issued, &rows).await;
        rows.len() as u64
    }

    /// What is wrong with the rows of the round, and with how many.
    pub async fn findings(&self, oracle: &Oracle) -> BTreeMap<&'static str, usize> {
        let wrong = compare(&oracle.issued(), &self.stored(&oracle.prefix()).await);
        wrong.into_iter().map(|(what, which)| (what, which.len())).collect()
    }

    async fn judge_persons(&self, oracle: &Oracle, issued: &HashMap<Uuid, Issued>, rows: &[StoredEvent]) {
        let mut pg = PgConnection::connect_with(&self.pg).await.unwrap();
        let of_round = "starts_with(d.distinct_id, $1)";
        let sql = format!(
            "SELECT d.distinct_id, d.person_id, p.properties ->> 'plan'
             FROM person_distinct_ids AS d JOIN persons AS p ON p.id = d.person_id WHERE {of_round}"
        );
        let known = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(oracle.prefix()).fetch_all(&mut pg).await.unwrap();
        let known: HashMap<String, (i64, Option<String>)> =
            known.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        let overrides = sqlx::query("SELECT from_id, into_id FROM person_overrides").fetch_all(&mut pg).await.unwrap();
        let overrides: HashMap<i64, i64> = overrides.iter().map(|row| (row.get(0), row.get(1))).collect();
        pg.close().await.unwrap();

        let mut expected = BTreeSet::new();
        for row in rows {
            let sent = &issued[&row.uuid];
            if !sent.has_profile {
                continue;
            }
            expected.insert(row.distinct_id.as_str());
            expected.extend(sent.anonymous_id.as_deref());
            let (person, plan) = &known[&row.distinct_id];
            let on_row = row.person_id.cast_signed();
            let of_row = overrides.get(&on_row).copied().unwrap_or(on_row);
            assert_eq!(of_row, *person, "{} belongs to another person than {}", row.uuid, row.distinct_id);
            if let Some(anonymous) = &sent.anonymous_id {
                assert_eq!(known[anonymous].0, *person, "{anonymous} was identified as {}", row.distinct_id);
            }
            if row.properties.get("$set").is_some_and(|set| set.get("plan").is_some()) {
                assert_eq!(*plan, Some(plan_of(&row.distinct_id)), "{}", row.distinct_id);
            }
        }
        let found: BTreeSet<&str> = known.keys().map(String::as_str).collect();
        assert_eq!(found, expected, "distinct ids in Postgres, and those of stored events");
    }
}

/// What is wrong with the rows, by kind of wrong.
fn compare(issued: &HashMap<Uuid, Issued>, rows: &[StoredEvent]) -> BTreeMap<&'static str, Vec<String>> {
    let mut wrong: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for row in rows {
        let mut found = |what, detail: &str| wrong.entry(what).or_default().push(format!("{} {detail}", row.uuid));
        if !seen.insert(row.uuid) {
            found("stored twice", &format!("{:?}", issued.get(&row.uuid).map(|issued| issued.fate)));
        }
        match issued.get(&row.uuid) {
            None => found("never sent", &row.event),
            Some(issued) if issued.fate == Fate::Refused => found("stored though refused", &row.event),
            Some(issued) if !row.is_as(issued) => found("altered", &format!("{:?} at {}", row.properties, row.at)),
            Some(_) => {}
        }
    }
    for (uuid, issued) in issued {
        if issued.fate == Fate::Promised && !seen.contains(uuid) {
            wrong.entry("lost").or_default().push(format!("{uuid} of {} at {:?}", issued.distinct_id, issued.at));
        }
    }
    wrong
}

impl StoredEvent {
    /// Whether it says what was sent: in the hash it carries, and by itself.
    fn is_as(&self, issued: &Issued) -> bool {
        let properties = unescaped(&self.properties);
        let is_on_time = issued.at.is_none_or(|at| (self.at - at).abs() <= UNDER_WAY_AT_MOST_MICROS);
        let own_hash = hash(&self.event, &self.distinct_id, &properties);
        is_on_time && own_hash == issued.hash && properties.get("hash").and_then(Value::as_str) == Some(&issued.hash)
    }
}

/// Keys as they were sent: ClickHouse writes a dot in them as `%2E`.
fn unescaped(properties: &Map<String, Value>) -> Map<String, Value> {
    let value = |value: &Value| match value {
        Value::Object(inner) => Value::Object(unescaped(inner)),
        other => other.clone(),
    };
    properties.iter().map(|(key, inner)| (key.replace("%2E", "."), value(inner))).collect()
}
