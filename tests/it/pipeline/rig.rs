//! A spool and a pipeline on fresh databases, without the server around them.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tenrec::identity::{Identity, Resolution, Subject};
use tenrec::ingest::pipeline::{Pipeline, PipelineConfig, PipelineHandle, PipelineParts, PipelineStatus, Step};
use tenrec::ingest::spool::{Keep, Spool, SpoolConfig, SpoolReader};
use tenrec::ingest::{AcceptedEvent, Arrivals, RejectedEvent};
use tenrec::model::{Clock, ProjectId};
use tenrec::storage::ch::{ClickHouse, ClickHouseAddress};
use tenrec::storage::pg::{Pg, RecentPersons};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::proxy::Proxy;
use crate::support::SharedStores;

pub struct Rig {
    name: String,
    dir: PathBuf,
    /// The spool of the node that works now.
    spool_dir: PathBuf,
    clock: Clock,
    pub pg: Pg,
    pub pool: PgPool,
    pub clickhouse: ClickHouse,
    /// Between the pipeline and ClickHouse.
    pub proxy: Proxy,
    pub project: ProjectId,
    spool: Spool,
    reader: Option<SpoolReader>,
    pub max_events: usize,
    /// For the next opening of the spool.
    pub keep: Keep,
}

/// What a query gives: the person with overrides taken into account, for each number on an event row.
pub const PERSONS: &str = "
    SELECT distinct_id, if(o.into_id = 0, e.person_id, o.into_id) AS person
    FROM events AS e
    LEFT JOIN (
        SELECT from_id, argMax(into_id, version) AS into_id FROM person_overrides WHERE project_id = 1 GROUP BY from_id
    ) AS o ON o.from_id = e.person_id";

pub fn now() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

/// An event of project 1, a second after the other for each number.
pub fn event(number: u32, name: &str, distinct_id: &str, properties: Value) -> AcceptedEvent {
    AcceptedEvent {
        project_id: ProjectId::new(1),
        uuid: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number)),
        event: name.to_owned(),
        distinct_id: distinct_id.to_owned(),
        timestamp: now() + Duration::from_secs(number.into()),
        received_at: now(),
        properties: object(properties).into(),
    }
}

pub fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// What the pipeline asks of identity, one after the other.
pub async fn resolve(identity: &Identity, subjects: &[Subject<'_>]) -> Resolution {
    let (resolution, decision) = identity.hold(subjects, &mut RecentPersons::default()).await.unwrap().decide(subjects);
    decision.store().await.unwrap();
    resolution
}

impl Rig {
    pub async fn start() -> Self {
        let stores = tokio::task::spawn_blocking(SharedStores::get).await.unwrap();
        let name = stores.fresh_name();
        stores.create_databases(&name).await;
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(stores.pg_options(&name));
        sqlx::raw_sql(
            "INSERT INTO organizations (id, name, created_at) VALUES (gen_random_uuid(), 'o', now());
             INSERT INTO projects (organization_id, name, api_key, time_zone, created_at)
             SELECT id, 'p', 'phc_test', 'UTC', now() FROM organizations",
        )
        .execute(&pool)
        .await
        .unwrap();
        let ClickHouseAddress::Socket { path, database } = stores.ch_address(&name) else { panic!("a socket") };
        let dir = stores.fresh_dir(&name);
        let proxy = Proxy::start(&dir.join("proxy.sock"), path);
        let clickhouse = ClickHouse::new(&ClickHouseAddress::Socket { path: dir.join("proxy.sock"), database });
        let spool_dir = dir.join("spool");
        let (spool, reader) = open_spool(&spool_dir, Keep::default());
        Self {
            pg: Pg::new(stores.pg_options(&name), 4),
            name,
            dir,
            spool_dir,
            clock: Clock::frozen(now()),
            pool,
            clickhouse,
            proxy,
            project: ProjectId::new(1),
            spool,
            reader: Some(reader),
            max_events: 10_000,
            keep: Keep::default(),
        }
    }

    /// Of its databases.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As capture does it: each call is one frame of the spool.
    pub async fn append(&self, events: &[AcceptedEvent]) {
        self.spool.append(&events.to_vec().into()).await.unwrap();
    }

    /// As capture does it with a request of which some was refused.
    pub async fn append_with(&self, events: &[AcceptedEvent], rejected: &[RejectedEvent]) {
        self.spool.append(&Arrivals { events: events.to_vec(), rejected: rejected.to_vec() }).await.unwrap();
    }

    /// The ledger of project 1 in a line, without the hours.
    pub async fn ledger(&self) -> String {
        self.pg_value(
            "SELECT coalesce(string_agg(line, ' ' ORDER BY line), '') FROM (
                 SELECT outcome || CASE reason WHEN '' THEN '' ELSE ':' || reason END || '=' || sum(events) AS line
                 FROM ingest_ledger WHERE project_id = 1 GROUP BY outcome, reason
             ) AS lines",
        )
        .await
    }

    /// Removes every segment and the cursor, as somebody does who wants an empty spool and keeps the rest.
    pub async fn empty_spool(&mut self) {
        self.reader = None;
        self.spool.close().await;
        for entry in std::fs::read_dir(&self.spool_dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "seg") || path.ends_with("cursor") {
                std::fs::remove_file(path).unwrap();
            }
        }
        let (spool, reader) = open_spool(&self.spool_dir, self.keep.clone());
        (self.spool, self.reader) = (spool, Some(reader));
    }

    /// Stores all that is in the spool, then ends the process that did it.
    pub async fn drain(&mut self) -> PipelineStatus {
        self.run(None, async |_| ()).await
    }

    /// Dies right before this step of the first batch.
    pub async fn crash_before(&mut self, step: Step) {
        self.run(Some(step), async |_| ()).await;
    }

    /// Stores all that is in the spool while something else happens.
    pub async fn drain_while(&mut self, meanwhile: impl AsyncFnOnce(&PipelineHandle)) -> PipelineStatus {
        self.run(None, meanwhile).await
    }

    async fn run(&mut self, crash: Option<Step>, meanwhile: impl AsyncFnOnce(&PipelineHandle)) -> PipelineStatus {
        let reader = self.reader.take().unwrap();
        let parts = PipelineParts {
            reader: reader.into(),
            pg: self.pg.clone(),
            clickhouse: self.clickhouse.clone(),
            clock: self.clock.clone(),
        };
        let mut config = PipelineConfig::new(self.dir.join("quarantine"));
        config.interval = Duration::ZERO;
        config.max_events = self.max_events;
        let (mut pipeline, handle) = Pipeline::new(config, parts);
        if let Some(step) = crash {
            pipeline = pipeline.crash_before(step);
        }
        let shutdown = CancellationToken::new();
        let done = async {
            meanwhile(&handle).await;
            let all_stored = handle.stored_up_to(self.spool.position()).await;
            assert_eq!(all_stored, crash.is_none());
            shutdown.cancel();
        };
        let all = async { tokio::join!(pipeline.run(shutdown.clone()), done) };
        tokio::time::timeout(Duration::from_secs(90), all)
            .await
            .unwrap_or_else(|_| panic!("the spool did not drain: {:?}", handle.status()));
        let status = handle.status();
        self.reopen().await;
        status
    }

    /// Ends the process that holds the spool and starts another.
    pub async fn reopen(&mut self) {
        self.reader = None;
        self.spool.close().await;
        let (spool, reader) = open_spool(&self.spool_dir, self.keep.clone());
        (self.spool, self.reader) = (spool, Some(reader));
    }

    /// Goes on as another node of the same Tenrec, with a spool of its own.
    pub async fn switch_node(&mut self, name: &str) {
        self.spool_dir = self.dir.join(name);
        self.reopen().await;
    }

    /// Restores the cursor of an empty spool: everything that is still in it comes again.
    pub async fn lose_cursor(&mut self) {
        std::fs::remove_file(self.spool_dir.join("cursor")).unwrap();
        self.reopen().await;
    }

    /// Lines of the quarantine.
    pub fn quarantine(&self) -> Vec<Value> {
        let Ok(files) = std::fs::read_dir(self.dir.join("quarantine")) else { return Vec::new() };
        let texts = files.map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap());
        texts.flat_map(|t| t.lines().map(|l| serde_json::from_str(l).unwrap()).collect::<Vec<_>>()).collect()
    }

    /// Rows of ClickHouse as JSON objects.
    pub async fn rows(&self, sql: &str) -> Vec<Value> {
        let client = SharedStores::get()
            .ch_client(&self.name)
            .with_setting("output_format_json_quote_64bit_integers", "0")
            .with_setting("json_type_escape_dots_in_keys", "1");
        let mut bytes = client.query_raw(sql).fetch_bytes("JSONEachRow").unwrap_or_else(|e| panic!("{sql}: {e}"));
        let text = bytes.collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        std::str::from_utf8(&text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one number that a query gives.
    pub async fn count(&self, sql: &str) -> u64 {
        let rows = self.rows(sql).await;
        rows[0].as_object().unwrap().values().next().unwrap().as_u64().unwrap()
    }

    /// Runs a statement in ClickHouse.
    pub async fn ch_execute(&self, sql: &str) {
        SharedStores::get().ch_client(&self.name).query_raw(sql).execute().await.unwrap();
    }

    /// One value from Postgres.
    pub async fn pg_value<T>(&self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// Changes something in Postgres.
    pub async fn pg_execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.map(drop)
    }

    /// Every stored uuid is there once, and these are they.
    pub async fn assert_stored_once(&self, numbers: impl IntoIterator<Item = u32>) {
        let rows = self.rows("SELECT toString(uuid) AS uuid FROM events ORDER BY uuid").await;
        let mut found: Vec<Uuid> = rows.iter().map(|row| row["uuid"].as_str().unwrap().parse().unwrap()).collect();
        let mut expected: Vec<Uuid> =
            numbers.into_iter().map(|n| event(n, "", "", serde_json::json!({})).uuid).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let name = self.name.clone();
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(SharedStores::get().drop_databases(&name));
        });
        let cleaned = cleaner.join();
        assert!(std::thread::panicking() || cleaned.is_ok(), "could not drop the test's databases");
    }
}

fn open_spool(dir: &std::path::Path, keep: Keep) -> (Spool, SpoolReader) {
    Spool::open(&SpoolConfig { keep, ..SpoolConfig::new(dir.to_owned(), 64 << 20) }).unwrap()
}
