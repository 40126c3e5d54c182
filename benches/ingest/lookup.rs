//! What it costs to ask which of 10,000 events are stored already, as the table grows.

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use tenrec::model::ProjectId;
use tenrec::storage::ch::{ClickHouse, ClickHouseAddress};
use uuid::Uuid;

use crate::Bench;
use crate::engine::Engine;
use crate::processes::{Part, Tenrec};
use crate::report::{note, number, row, section};

const UUIDS: usize = 10_000;
const TIMES: u32 = 10;
/// Rows are put in by the million.
const STEP: u64 = 1_000_000;

pub fn run(bench: &Bench, tenrec: &Tenrec, engine: &Engine, sizes: &[u64]) -> Result<()> {
    section(&format!("Look-up of {} uuids, none of them stored: CPU of the engine for each", number(UUIDS as f64)));
    let address = ClickHouseAddress::Socket { path: engine.socket.clone(), database: "tenrec".to_owned() };
    let clickhouse = ClickHouse::new(&address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // All of one month, up to its last second: the dearest case.
    let end: Timestamp = "2026-10-31T23:59:59Z".parse()?;
    let spans = [
        ("of one hour", SignedDuration::from_hours(1)),
        ("of five days", SignedDuration::from_hours(120)),
        ("of the whole month", SignedDuration::from_hours(24 * 30)),
    ];
    let mut rows = 0;
    for &size in sizes {
        while rows < size {
            let many = STEP.min(size - rows);
            engine.run(&format!(
                "INSERT INTO events (project_id, event, timestamp, person_id, uuid, distinct_id, received_at, inserted_by) \
                 SELECT 1, ['$pageview', '$pageview', '$autocapture', '$pageleave', 'signed up'][1 + number % 5], \
                 toDateTime64('2026-10-31 23:59:59', 6, 'UTC') - toIntervalSecond(cityHash64(number, {rows}) % 2592000) AS timestamp, \
                 cityHash64(number) % 100000, generateUUIDv4(), toString(cityHash64(number) % 100000), timestamp, {rows} \
                 FROM numbers({many}) SETTINGS max_insert_threads = 1"
            ))?;
            rows += many;
        }
        engine.await_merges()?;
        let stored = engine.number("SELECT count() FROM events")?;
        ensure!(stored == size as f64, "{stored} rows are stored, not {size}");
        for (name, span) in spans {
            let from = end.saturating_sub(span)?;
            let before = tenrec.cpu();
            for _ in 0..TIMES {
                let uuids: Vec<Uuid> = (0..UUIDS).map(|_| Uuid::new_v4()).collect();
                let (from, to) = (from.saturating_sub(SignedDuration::from_hours(24))?, end);
                let found = runtime.block_on(clickhouse.find_stored(&[ProjectId::new(1)], &uuids, from, to))?;
                ensure!(found.is_empty(), "a new uuid was stored before");
            }
            let ms = (&tenrec.cpu() - &before).of(Part::Engine) * 1e3 / f64::from(TIMES);
            row(&format!("{} rows stored, events {name}", number(size as f64)), &format!("{} ms", number(ms)));
        }
        let index = engine.text(
            "SELECT formatReadableSize(sum(data_compressed_bytes)) FROM system.data_skipping_indices \
             WHERE database = 'tenrec' AND table = 'events' AND name = 'uuid_bloom'",
        )?;
        note(&format!("the index of uuids takes {index}; the machine has {} cores", bench.cores));
    }
    Ok(())
}
