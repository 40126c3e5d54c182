//! An even load: how soon an event is acknowledged, and how soon a query sees it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::Bench;
use crate::engine::Engine;
use crate::events::{Request, Stream, head};
use crate::floors::Syncs;
use crate::load::{Window, closed_loop, open_loop, quantile};
use crate::processes::{PROJECT_KEY, Tenrec};
use crate::report::{Goal, cpu_per_event, goal, note, number, row, section};
use crate::stored::await_rows;

const PER_SECOND: u64 = 5_000;
const BATCH: u64 = 50;
const PROBE_EVERY: Duration = Duration::from_millis(170);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const POOL: usize = 400;

/// `syncs`: what one sync of the disk takes. `stored`: how many events are there already.
pub fn run(bench: &Bench, tenrec: &Tenrec, engine: &Engine, syncs: &Syncs, stored: u64) -> Result<()> {
    let requests = usize::try_from(bench.open_seconds.as_secs() * PER_SECOND / BATCH)?;
    section(&format!(
        "Open loop: {} events a second in batches of {BATCH}, {} s",
        number(PER_SECOND as f64),
        bench.open_seconds.as_secs()
    ));
    let mut stream = Stream::new(bench.shape(1_000, requests as u64 * BATCH));
    let pool: Vec<Request> = (0..POOL)
        .map(|_| {
            let mut request = Request::default();
            stream.request(BATCH, &mut request);
            request
        })
        .collect();
    let make = |number: usize, request: &mut Request| {
        request.copy_from(&pool[number % POOL]);
        request.renew(&mut (number as u64 * BATCH + (1 << 40)));
    };
    let before = tenrec.cpu();
    let is_over = AtomicBool::new(false);
    let acknowledged = Mutex::new(HashMap::new());
    let (latencies, seen) = std::thread::scope(|scope| {
        let probes = scope.spawn(|| send_probes(tenrec, &is_over, &acknowledged));
        let looks = scope.spawn(|| look_for_probes(engine, &is_over, &acknowledged));
        let every = Duration::from_secs(1) * u32::try_from(BATCH)? / u32::try_from(PER_SECOND)?;
        let latencies = open_loop(tenrec.address, requests, every, &make);
        is_over.store(true, Ordering::Relaxed);
        probes.join().expect("it does not panic")?;
        let seen = looks.join().expect("it does not panic")?;
        anyhow::Ok((latencies?, seen))
    })?;
    let sent = latencies.len() as u64 * BATCH + seen.len() as u64;
    await_rows(engine, stored + sent)?;
    engine.await_merges()?;
    let cpu = &tenrec.cpu() - &before;

    let p50 = quantile(&latencies, 0.5);
    goal("acknowledged after, p50, in syncs of the disk", p50 / syncs.small, "", Goal::AtMost(3.0));
    row("  in syncs of as many bytes in this rhythm", &number(p50 / syncs.paced));
    row("  in ms", &format!("{} ms", number(p50)));
    goal("acknowledged after, p99", quantile(&latencies, 0.99), "ms", Goal::AtMost(50.0));
    row("visible to queries after the answer, p50", &format!("{} s", number(quantile(&seen, 0.5))));
    goal("visible to queries after the answer, p95", quantile(&seen, 0.95), "s", Goal::AtMost(1.5));
    row(
        "CPU per event, merges and the looks for probes included",
        &format!("{} µs", number(cpu.all() * 1e6 / sent as f64)),
    );
    cpu_per_event(&cpu, sent);
    note(&format!(
        "{} probes, looked for every {} ms; latency counts from when a request was due",
        seen.len(),
        LOOK_EVERY.as_millis()
    ));
    Ok(())
}

/// Events of their own name, one after the other; notes when each was acknowledged.
fn send_probes(tenrec: &Tenrec, is_over: &AtomicBool, acknowledged: &Mutex<HashMap<String, Instant>>) -> Result<()> {
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        let id = format!("probe-{number}");
        number += 1;
        let body = format!(
            r#"{{"api_key":"{PROJECT_KEY}","event":"bench probe","distinct_id":"{id}","properties":{{"$process_person_profile":false}}}}"#
        );
        let mut once = true;
        closed_loop(
            tenrec.address,
            1,
            Window::All,
            &mut |request| {
                request.bytes.clear();
                head("/i/v0/e/", body.len(), &mut request.bytes);
                request.bytes.extend_from_slice(body.as_bytes());
                std::mem::take(&mut once)
            },
            || {},
        )?;
        acknowledged.lock().expect("no holder panics").insert(id, Instant::now());
        std::thread::sleep(PROBE_EVERY);
    }
    Ok(())
}

/// Seconds from each probe's acknowledgement until a query saw it, in order.
fn look_for_probes(
    engine: &Engine,
    is_over: &AtomicBool,
    acknowledged: &Mutex<HashMap<String, Instant>>,
) -> Result<Vec<f64>> {
    let mut seen: HashMap<String, Instant> = HashMap::new();
    let mut ended = None;
    loop {
        let found = engine.text("SELECT distinct_id FROM events WHERE event = 'bench probe'")?;
        let now = Instant::now();
        for id in found.lines() {
            seen.entry(id.to_owned()).or_insert(now);
        }
        if is_over.load(Ordering::Relaxed) {
            let since = *ended.get_or_insert(now);
            let acknowledged = acknowledged.lock().expect("no holder panics");
            // The last one may be on its way yet.
            if now.duration_since(since) > 2 * PROBE_EVERY && acknowledged.keys().all(|id| seen.contains_key(id)) {
                let lags = acknowledged.iter().map(|(id, at)| seen[id].saturating_duration_since(*at).as_secs_f64());
                let mut lags: Vec<f64> = lags.collect();
                lags.sort_by(f64::total_cmp);
                return Ok(lags);
            }
            ensure!(now.duration_since(since) < Duration::from_secs(60), "probes are not to be seen");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
