//! What identity costs: a stream of which every tenth event says who somebody is, against one in which nobody does.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::Bench;
use crate::engine::Engine;
use crate::events::{Request, Shape, Stream};
use crate::load::{Window, closed_loop};
use crate::processes::Tenrec;
use crate::report::{Goal, cpu_per_event, goal, note, number, row, section};
use crate::stored::await_rows;

const BATCH: u64 = 50;
const CONNECTIONS: usize = 16;

/// The whole part of the table. The streams go in turns, and their times are added up: the machine's speed changes from
/// one minute to the next.
pub fn run(bench: &Bench) -> Result<()> {
    section(&format!(
        "Identity, {} events in batches of {BATCH}, each stream twice and on a server of its own",
        number(bench.events as f64)
    ));
    let nobody = || stored_in(bench, "nobody is identified", 0);
    let every_tenth = || stored_in(bench, "every tenth event is $identify", 10);
    let first = nobody()?;
    let identified = every_tenth()? + every_tenth()?;
    let anonymous = first + nobody()?;
    goal(
        "identified ÷ anonymous, events stored a second",
        anonymous.as_secs_f64() / identified.as_secs_f64(),
        "",
        Goal::AtLeast(0.7),
    );
    note("Postgres is asked four times a batch, however many events: begin with the lock, read, write, commit");
    Ok(())
}

/// How long it takes until all are stored and queryable.
fn stored_in(bench: &Bench, what: &str, identify_every: u64) -> Result<Duration> {
    let tenrec = Tenrec::start(&bench.program, None)?;
    let engine = Engine { socket: tenrec.engine_socket.clone() };
    let shape = Shape { identified_percent: 0, identify_every, ..bench.shape(7, bench.events) };
    let mut stream = Stream::new(shape);
    let mut left = bench.events;
    let mut source = |request: &mut Request| {
        let take = left.min(BATCH);
        left -= take;
        if take > 0 {
            stream.request(take, request);
        }
        take > 0
    };
    let (before, started) = (tenrec.cpu(), Instant::now());
    closed_loop(tenrec.address, CONNECTIONS, Window::All, &mut source, || {})?;
    await_rows(&engine, bench.events)?;
    let took = started.elapsed();
    row(what, &format!("{} /s", number(bench.events as f64 / took.as_secs_f64())));
    cpu_per_event(&(&tenrec.cpu() - &before), bench.events);
    let inserts = engine.number("SELECT uniqExact(inserted_by) FROM events")?;
    row("  events a batch", &number(bench.events as f64 / inserts));
    let people = engine.number("SELECT count() FROM events WHERE event = '$identify'")?;
    let expected = bench.events.checked_div(identify_every).unwrap_or(0);
    ensure!(people == expected as f64, "{people} events identify somebody, and not {expected}");
    Ok(took)
}
