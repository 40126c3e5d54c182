//! End to end: from the socket to rows that a query sees, merges included.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::Bench;
use crate::engine::Engine;
use crate::events::{Request, Stream};
use crate::load::{Window, closed_loop};
use crate::processes::{Cpu, Part, Peak, Tenrec};
use crate::report::{Goal, cpu_per_event, goal, mib, note, number, row, section};

const BATCH: u64 = 50;
const CONNECTIONS: usize = 16;
/// How long the pipeline may stand still before waiting is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the floors are compared with.
pub struct Stored {
    pub events: u64,
    pub cpu: Cpu,
}

/// Sends so many events as fast as they are accepted, and waits until all are stored and merged.
pub fn fill(bench: &Bench, tenrec: &Tenrec, engine: &Engine) -> Result<(Stored, f64, f64, Peak)> {
    let mut stream = Stream::new(bench.shape(0, bench.events));
    let mut left = bench.events;
    let mut source = |request: &mut Request| {
        let take = left.min(BATCH);
        left -= take;
        if take > 0 {
            stream.request(take, request);
        }
        take > 0
    };
    let before = tenrec.cpu();
    let started = Instant::now();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = Peak::default();
            while !is_over.load(Ordering::Relaxed) {
                peak.see(&tenrec.memory());
                std::thread::sleep(Duration::from_millis(500));
            }
            peak
        });
        let outcome = (|| {
            let accepted = closed_loop(tenrec.address, CONNECTIONS, Window::All, &mut source, || {})?;
            await_rows(engine, bench.events)?;
            let seconds = started.elapsed().as_secs_f64();
            engine.await_merges()?;
            Ok((Stored { events: bench.events, cpu: &tenrec.cpu() - &before }, seconds, accepted.rate()))
        })();
        is_over.store(true, Ordering::Relaxed);
        let peak = watch.join().expect("it does not panic");
        outcome.map(|(stored, seconds, accepted)| (stored, seconds, accepted, peak))
    })
}

/// The whole part of the table.
pub fn run(bench: &Bench, tenrec: &Tenrec, engine: &Engine) -> Result<Stored> {
    section(&format!(
        "End to end, {} events in batches of {BATCH}, all processes on {} cores",
        number(bench.events as f64),
        bench.cores
    ));
    let (stored, seconds, accepted, peak) = fill(bench, tenrec, engine)?;
    row("accepted while sending", &format!("{} /s", number(accepted)));
    let rate = stored.events as f64 / seconds;
    goal("acknowledged and queryable", rate, "/s", Goal::AtLeast(20_000.0));
    let each = stored.cpu.all() * 1e6 / stored.events as f64;
    goal("CPU per event, socket to queryable row, merges included", each, "µs", Goal::AtMost(22.0));
    cpu_per_event(&stored.cpu, stored.events);
    let inserts = engine.number("SELECT uniqExact(inserted_by, toYYYYMM(timestamp)) FROM events")?;
    row("  rows an insert", &number(stored.events as f64 / inserts));
    let distinct = engine.number("SELECT uniqExact(uuid) FROM events")?;
    ensure!(distinct == stored.events as f64, "{distinct} different uuids of {} events", stored.events);
    row("lost, double", "0, 0");

    section("Memory under that load, highest seen");
    for part in [Part::Tenrec, Part::Engine, Part::Postgres] {
        let of = |values: &std::collections::BTreeMap<Part, u64>| mib(values.get(&part).copied().unwrap_or(0));
        let (rss, pss) = (of(&peak.parts.rss_kb), of(&peak.parts.pss_kb));
        match part {
            Part::Tenrec => goal("Tenrec itself, resident", rss, "MiB", Goal::AtMost(256.0)),
            _ => row(&format!("{part:?}, resident"), &format!("{} MiB", number(rss))),
        }
        row("  its share, common pages counted once (PSS)", &format!("{} MiB", number(pss)));
    }
    goal("all processes together, PSS", mib(peak.together_pss_kb), "MiB", Goal::AtMost(1024.0));
    Ok(stored)
}

/// Bytes on disk, before and after everything is merged into one part a month.
pub fn disk(engine: &Engine, events: u64) -> Result<()> {
    section("Disk");
    let (before, _) = engine.bytes("events")?;
    row("bytes an event, as merges left them", &number(before / events as f64));
    engine.run("OPTIMIZE TABLE events FINAL")?;
    engine.await_merges()?;
    let (all, data) = engine.bytes("events")?;
    goal("bytes an event, merged", all / events as f64, "", Goal::AtMost(115.0));
    row("  of these, columns without indexes and marks", &number(data / events as f64));
    let columns = engine.text(
        "SELECT concat(column, ' ', toString(round(sum(column_data_compressed_bytes) / any(total), 1))) FROM ( \
         SELECT column, column_data_compressed_bytes, (SELECT count() FROM events) AS total FROM system.parts_columns \
         WHERE database = 'tenrec' AND table = 'events' AND active) GROUP BY column \
         ORDER BY sum(column_data_compressed_bytes) DESC LIMIT 14",
    )?;
    note(&format!("largest columns: {}", columns.lines().collect::<Vec<_>>().join(", ")));
    Ok(())
}

/// Waits until exactly so many rows are there. Asks rarely while the end is far: each question takes the engine some
/// milliseconds.
///
/// # Errors
/// If there are more, or none comes for a long time.
pub fn await_rows(engine: &Engine, expected: u64) -> Result<()> {
    let (mut last, mut since) = (0.0, Instant::now());
    loop {
        let rows = engine.number("SELECT count() FROM events")?;
        ensure!(rows <= expected as f64, "{rows} rows are stored, and only {expected} events were sent");
        if rows == expected as f64 {
            return Ok(());
        }
        if rows > last {
            (last, since) = (rows, Instant::now());
        }
        ensure!(since.elapsed() < PATIENCE, "{rows} of {expected} events are stored, and no more come");
        std::thread::sleep(Duration::from_millis(if rows < 0.9 * expected as f64 { 500 } else { 50 }));
    }
}
