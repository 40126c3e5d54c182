//! Measures the path of an event: `make bench-ingest` prints one table, figures beside goals, floors of the same machine in
//! the same run. It starts Tenrec's release binary with both embedded stores and sends over loopback.
//!
//!     cargo bench --bench ingest                        all parts but the last two
//!     cargo bench --bench ingest -- acks                some: floors, acks, stored (with disk, memory, insert floor), people, open
//!     cargo bench --bench ingest -- layouts             variants of the table, the same rows in each
//!     cargo bench --bench ingest -- lookup              finding events that are stored already, in a large table
//!     TENREC=path cargo bench --bench ingest -- --events 1000000
//!
//! It reports; it fails only if an event is lost or counted twice. CPU is that of all of Tenrec's processes, from /proc;
//! ratios within a run are what counts, as other load on the machine shifts absolute figures.

mod acks;
mod engine;
mod events;
mod floors;
mod layouts;
mod load;
mod lookup;
mod people;
mod processes;
mod report;
mod steady;
mod stored;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use tenrec::model::Clock;

use engine::Engine;
use processes::{Tenrec, end_with_us};

#[derive(Debug, Parser)]
struct Args {
    /// What to measure; nothing named: all.
    parts: Vec<Part>,
    /// Events of the end-to-end part.
    #[arg(long, default_value_t = 300_000)]
    events: u64,
    /// Of a hundred people, so many are identified.
    #[arg(long, default_value_t = 40)]
    identified: u64,
    /// How long each kind of acknowledgement is measured.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How long the open loop lasts.
    #[arg(long, default_value_t = 20)]
    open_seconds: u64,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Syncs of the disk.
    Floors,
    /// Acknowledgement alone.
    Acks,
    /// End to end, memory, disk, and the engine's own insert.
    Stored,
    /// What identity costs.
    People,
    /// Even load: latency and visibility.
    Open,
    /// Variants of the table; only if named.
    Layouts,
    /// The look-up of events that may be stored already; only if named.
    Lookup,
}

/// How many rows are stored when look-ups are measured.
const LOOKUP_ROWS: &[u64] = &[3_000_000, 10_000_000];

/// What every part needs to know.
pub struct Bench {
    program: PathBuf,
    cores: usize,
    clock: Clock,
    events: u64,
    identified_percent: u64,
    seconds: Duration,
    open_seconds: Duration,
}

fn main() -> Result<()> {
    let args = Args::parse();
    end_with_us();
    let bench = Bench {
        program: std::env::var_os("TENREC").map_or_else(|| PathBuf::from("target/release/tenrec"), PathBuf::from),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        clock: Clock::system(),
        events: args.events,
        identified_percent: args.identified,
        seconds: Duration::from_secs(args.seconds.max(1)),
        open_seconds: Duration::from_secs(args.open_seconds.max(1)),
    };
    let wants = |part| match part {
        Part::Layouts | Part::Lookup => args.parts.contains(&part),
        _ => args.parts.is_empty() || args.parts.contains(&part),
    };
    println!("Tenrec's ingest, {} cores, {} of 100 people identified", bench.cores, bench.identified_percent);
    let mut syncs = floors::Syncs { small: f64::NAN, paced: f64::NAN };
    if wants(Part::Floors) || wants(Part::Open) {
        syncs = floors::disk(tempfile::tempdir()?.path())?;
    }
    if wants(Part::Acks) {
        acks::run(&bench)?;
    }
    if wants(Part::Stored) || wants(Part::Open) {
        let tenrec = Tenrec::start(&bench.program, None)?;
        let engine = Engine { socket: tenrec.engine_socket.clone() };
        let mut events = 0;
        if wants(Part::Stored) {
            let stored = stored::run(&bench, &tenrec, &engine)?;
            stored::disk(&engine, stored.events)?;
            floors::insert(&tenrec, &engine, &stored)?;
            events = stored.events;
        }
        if wants(Part::Open) {
            steady::run(&bench, &tenrec, &engine, &syncs, events)?;
        }
        acks::complain(&tenrec);
    }
    if wants(Part::People) {
        people::run(&bench)?;
    }
    if wants(Part::Layouts) {
        let tenrec = Tenrec::start(&bench.program, None)?;
        let engine = Engine { socket: tenrec.engine_socket.clone() };
        stored::fill(&bench, &tenrec, &engine)?;
        layouts::run(&tenrec, &engine, bench.events)?;
    }
    if wants(Part::Lookup) {
        let tenrec = Tenrec::start(&bench.program, None)?;
        let engine = Engine { socket: tenrec.engine_socket.clone() };
        lookup::run(&bench, &tenrec, &engine, LOOKUP_ROWS)?;
    }
    Ok(())
}
