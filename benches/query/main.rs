//! Measures questions: `make bench-query` asks each kind of insight of a running server, and beside it, on the same engine and
//! the same events, the floor and the field's layouts. It starts Tenrec's release binary with both embedded stores.
//!
//!     cargo bench --bench query                                 all, on three million events
//!     cargo bench --bench query -- --events 1000000 funnel      those whose name has this word, on fewer
//!     cargo bench --bench query -- --data DIR --hold            uses the data in DIR again if it is there, and stays up
//!                                                               after the table, for statements sent by hand
//!
//! TENREC names another program than the release build.
//!
//! - **ours**: the question as anybody sends it, through `POST /api/projects/:id/query/`, with no answer kept from before.
//! - **floor**: a scan of our own table that reads just the columns the question needs, of just the events it is about, and
//!   does nothing with them.
//! - **text**, **json**: the question as the field's products write it, in their layouts at their best ([`field`]).
//!
//! The CPU is the engine's alone, from /proc, and what Tenrec's own process adds stands beside it. Files are cached; what the
//! engine remembers of conditions is thrown away before each run. It fails only if answers differ.

#[path = "../ingest/engine.rs"]
mod engine;
mod events;
mod field;
mod measure;
#[path = "../ingest/processes.rs"]
#[expect(dead_code, reason = "the benchmark of ingest needs more of it")]
mod processes;
mod questions;
#[path = "../ingest/report.rs"]
#[expect(dead_code, reason = "the benchmark of ingest needs more of it")]
mod report;
mod server;
mod table;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;

use engine::Engine;
use events::World;
use processes::{Tenrec, end_with_us};
use server::Server;

#[derive(Debug, Parser)]
struct Args {
    /// Only questions with one of these words in their names; nothing named: all.
    words: Vec<String>,
    /// How many events there are.
    #[arg(long, default_value_t = 3_000_000)]
    events: u64,
    /// What the events are made from: the same makes the same.
    #[arg(long, default_value_t = 26)]
    seed: u64,
    /// How often all take their turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the data stays; if it is there from before it is used again.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Whether to stay up after the table until asked to end.
    #[arg(long)]
    hold: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    end_with_us();
    let program = std::env::var_os("TENREC").map_or_else(|| PathBuf::from("target/release/tenrec"), PathBuf::from);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let world = World { events: args.events, seed: args.seed };
    if let Some(data) = &args.data {
        std::fs::create_dir_all(data)?;
    }
    let tenrec = Tenrec::start_in(&program, None, args.data.as_deref())?;
    let engine = Engine { socket: tenrec.engine_socket.clone() };
    println!(
        "Tenrec's questions: {} events of {} people, seed {}, {cores} cores",
        report::number(world.events as f64),
        report::number(world.people() as f64),
        world.seed
    );
    let started = Instant::now();
    let server = Server::sign_in(tenrec.address)?;
    if engine.number("SELECT count() FROM system.tables WHERE database = 'tenrec' AND name = 'field_json'")? == 0.0 {
        // Through the door, before the range that is asked about: so the project knows its properties and their types.
        server.capture(&serde_json::from_str(&engine.text(&world.sample())?)?)?;
        while engine.number("SELECT count() FROM events")? == 0.0 {
            std::thread::sleep(Duration::from_millis(100));
        }
        field::load(&world, &engine)?;
    }
    field::check(&world, &engine)?;
    report::note(&format!("loaded in {:.0} s", started.elapsed().as_secs_f64()));
    for name in ["events", "field_text", "field_json"] {
        let (bytes, _) = engine.bytes(name)?;
        report::row(&format!("{name}: bytes an event"), &report::number(bytes / world.events as f64));
    }
    let asked: Vec<_> = questions::all()
        .into_iter()
        .filter(|question| args.words.is_empty() || args.words.iter().any(|word| question.name.contains(word.as_str())))
        .collect();
    table::run(&tenrec, &engine, &server, &asked, args.rounds.max(1))?;
    report::note(&format!("{:.0} s in all", started.elapsed().as_secs_f64()));
    if args.hold {
        println!("\nIt stays up: {}", tenrec.engine_socket.display());
        loop {
            std::thread::park();
        }
    }
    Ok(())
}
