//! What the machine itself can do, in the same run: syncs of its disk, and the engine's own insert of the same rows.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::engine::Engine;
use crate::load::quantile;
use crate::processes::{Part, Tenrec};
use crate::report::{Goal, goal, note, number, row, section};
use crate::stored::Stored;

/// Settings of the pipeline's inserts that matter for their cost.
pub const INSERT: [(&str, &str); 5] = [
    ("async_insert", "0"),
    ("insert_deduplicate", "0"),
    ("optimize_on_insert", "0"),
    ("max_insert_threads", "1"),
    ("max_insert_block_size", "1000000"),
];

/// What an append with `fdatasync` after it takes, median in ms.
pub struct Syncs {
    /// Of 1 KiB, one right after the other.
    pub small: f64,
    /// Of 64 KiB, as much as a batch of 50 events, one every 10 ms: a disk and a core that rested take longer.
    pub paced: f64,
}

/// Appends to one file with `fdatasync` after each.
pub fn disk(dir: &Path) -> Result<Syncs> {
    section("Floor: the disk, append and fdatasync");
    let mut medians = [f64::NAN; 3];
    let kinds = [(64 << 10, "64 KiB", 0), (1 << 10, "1 KiB", 0), (64 << 10, "64 KiB, every 10 ms", 10)];
    for ((bytes, name, pause_ms), p50) in kinds.into_iter().zip(&mut medians) {
        let path = dir.join("sync-floor");
        let mut file = File::create(&path)?;
        let piece = vec![0x5a; bytes];
        let mut took = Vec::new();
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(1500) {
            std::thread::sleep(Duration::from_millis(pause_ms));
            let began = Instant::now();
            file.write_all(&piece)?;
            file.sync_data()?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let rate = took.len() as f64 / started.elapsed().as_secs_f64();
        took.sort_by(f64::total_cmp);
        *p50 = quantile(&took, 0.5);
        let text = format!("{} ms, {} ms, {} /s", number(*p50), number(quantile(&took, 0.99)), number(rate));
        row(&format!("{name}: p50, p99, rate"), &text);
        std::fs::remove_file(&path)?;
    }
    let [_, small, paced] = medians;
    Ok(Syncs { small, paced })
}

/// The stored rows, as the engine's own Native blocks, one for each insert that the pipeline made.
pub fn native_blocks(engine: &Engine, table: &str) -> Result<Vec<Vec<u8>>> {
    let inserts = engine.text(
        "SELECT inserted_by, toYYYYMM(timestamp) AS month FROM events GROUP BY inserted_by, month ORDER BY min(received_at), month",
    )?;
    inserts
        .lines()
        .map(|line| {
            let (batch, month) = line.split_once('\t').unwrap_or((line, "0"));
            // In the order of arrival: sorting is part of an insert's work.
            engine.run(&format!(
                "SELECT * FROM {table} WHERE inserted_by = {batch} AND toYYYYMM(timestamp) = {month} \
                 ORDER BY received_at, cityHash64(uuid) FORMAT Native"
            ))
        })
        .collect()
}

/// CPU of the engine alone for the same rows.
pub fn insert(tenrec: &Tenrec, engine: &Engine, stored: &Stored) -> Result<()> {
    section("Floor: the engine's own insert of the same rows, Native, in the pipeline's blocks");
    let blocks = native_blocks(engine, "events")?;
    let each = |seconds: f64| seconds * 1e6 / stored.events as f64;
    let mut alone = f64::NAN;
    let mut merged = f64::NAN;
    for with_merges in [false, true] {
        engine.run("CREATE TABLE floor AS events")?;
        if !with_merges {
            engine.run("SYSTEM STOP MERGES floor")?;
        }
        let before = tenrec.cpu();
        for block in &blocks {
            engine.send("INSERT INTO floor FORMAT Native", &INSERT, block)?;
        }
        if with_merges {
            engine.await_merges()?;
        }
        let cpu = each((&tenrec.cpu() - &before).of(Part::Engine));
        *(if with_merges { &mut merged } else { &mut alone }) = cpu;
        let rows = engine.number("SELECT count() FROM floor")?;
        ensure!(rows == stored.events as f64, "{rows} of {} rows arrived", stored.events);
        engine.run("DROP TABLE floor SYNC")?;
    }
    row("CPU per event: insert alone", &format!("{} µs", number(alone)));
    row("CPU per event: insert and merges", &format!("{} µs", number(merged)));
    let ours = each(stored.cpu.all());
    goal("Tenrec end to end ÷ this, merges in both", ours / merged, "", Goal::AtMost(3.0));
    row("the engine's part of it ÷ this, merges in both", &number(each(stored.cpu.of(Part::Engine)) / merged));
    note(&format!("{} inserts, rows in the order of arrival", blocks.len()));
    Ok(())
}
