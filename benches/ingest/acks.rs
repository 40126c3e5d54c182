//! Acknowledgement alone: how many events a second of CPU makes durable and answers.
//!
//! The engine stands still meanwhile (SIGSTOP), so the pipeline waits in its first look-up and costs nothing; what is left
//! is what the acknowledgement needs: HTTP, parsing, enrichment, the spool and its syncs.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::Bench;
use crate::events::{Request, Stream};
use crate::load::{Window, closed_loop, quantile};
use crate::processes::{PROJECT_KEY, Tenrec, own_cpu, pin_ourselves};
use crate::report::{self, Goal, goal, note, number, row, section};

/// Events of a request, connections, what to call it, and what a CPU-second should acknowledge.
const KINDS: [(u64, usize, &str, Option<f64>); 3] = [
    (1, 128, "single events", Some(20_000.0)),
    (50, 64, "batches of 50", Some(120_000.0)),
    (500, 16, "batches of 500", None),
];
/// Different events sent again and again, with new uuids.
const POOL_EVENTS: u64 = 20_000;

pub fn run(bench: &Bench) -> Result<()> {
    for cores in [1, 2] {
        if cores > bench.cores {
            continue;
        }
        let is_alone = cores < bench.cores && pin_ourselves(&format!("{cores}-{}", bench.cores - 1));
        let whose = if is_alone { "the generator on another" } else { "shared with the generator" };
        section(&format!(
            "Acknowledged, on {cores} core{}, {whose}; the engine stands still",
            if cores == 1 { "" } else { "s" }
        ));
        let outcome = on(bench, &if cores == 1 { "0".to_owned() } else { format!("0-{}", cores - 1) });
        pin_ourselves(&format!("0-{}", bench.cores - 1));
        outcome?;
    }
    Ok(())
}

fn on(bench: &Bench, cores: &str) -> Result<()> {
    let tenrec = Tenrec::start(&bench.program, (bench.cores > 1).then_some(cores))?;
    tenrec.signal_engine(Signal::SIGSTOP)?;
    let mut used = 0;
    for (events, connections, name, least) in KINDS {
        let mut stream = Stream::new(bench.shape(events, POOL_EVENTS));
        let pool: Vec<Request> = (0..POOL_EVENTS / events)
            .map(|_| {
                let mut request = Request::default();
                stream.request(events, &mut request);
                request
            })
            .collect();
        let mut next = pool.iter().cycle();
        let mut source = |request: &mut Request| {
            request.copy_from(next.next().expect("a cycle has no end"));
            request.renew(&mut used);
            true
        };
        let (mut cpu, mut threads, mut own) = (Vec::new(), Vec::new(), Vec::new());
        let window = Window::Timed { warm: Duration::from_millis(700), measured: bench.seconds };
        let answered = closed_loop(tenrec.address, connections, window, &mut source, || {
            cpu.push(tenrec.cpu());
            threads.push(tenrec.threads());
            own.push(own_cpu());
        })?;
        let spent = &cpu[1] - &cpu[0];
        let per_cpu_second = answered.events as f64 / spent.all();
        row(&format!("{name}, {connections} connections: acknowledged"), &format!("{} /s", number(answered.rate())));
        let what = format!("{name}: per CPU-second of Tenrec's processes");
        match least {
            Some(least) => goal(&what, per_cpu_second, "", Goal::AtLeast(least)),
            None => row(&what, &number(per_cpu_second)),
        }
        let latency = |part| format!("{} ms", number(quantile(&answered.latencies_ms, part)));
        row(&format!("{name}: p50, p99"), &format!("{}, {}", latency(0.5), latency(0.99)));
        let bytes: usize = pool.iter().map(|request| request.bytes.len()).sum();
        let writer: f64 = threads[1]
            .iter()
            .map(|(name, s)| s - threads[0].get(name).copied().unwrap_or(0.0))
            .zip(threads[1].keys())
            .filter(|(_, name)| name.contains("spool"))
            .map(|(s, _)| s)
            .sum();
        report::note(&format!(
            "{:.0} bytes an event; of the CPU {:.0} % is the spool's writer; cores busy: Tenrec {:.2}, generator {:.2}",
            bytes as f64 / POOL_EVENTS as f64,
            100.0 * writer / spent.all(),
            spent.all() / answered.seconds,
            (own[1] - own[0]) / answered.seconds,
        ));
    }
    complain(&tenrec);
    Ok(())
}

/// Warnings make a measurement doubtful: shows them.
pub fn complain(tenrec: &Tenrec) {
    let complaints = tenrec.complaints();
    for line in complaints.iter().take(5) {
        note(&format!("Tenrec said: {line}"));
    }
    if complaints.len() > 5 {
        note(&format!("… and {} more", complaints.len() - 5));
    }
}

impl Bench {
    /// A stream of so many events over the last five days; streams of other seeds have other uuids.
    pub fn shape(&self, seed: u64, events: u64) -> crate::events::Shape {
        const HOUR_MS: i64 = 3_600_000;
        let to_ms = self.clock.now().as_millisecond() - HOUR_MS;
        crate::events::Shape {
            key: PROJECT_KEY.to_owned(),
            seed,
            events,
            identified_percent: self.identified_percent,
            identify_every: 0,
            from_ms: to_ms - 5 * 24 * HOUR_MS,
            to_ms,
        }
    }
}
