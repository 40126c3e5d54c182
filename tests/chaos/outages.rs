//! R6 and R9: a store is away or stands still, and comes back.
//!
//! Senders must not notice: every request is answered with 200. How slow the answers become, how much memory Tenrec takes
//! and how long the backlog takes is printed.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use nix::sys::signal::Signal;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::drivers::{Load, LoadOptions, Target, percentile};
use crate::oracle::Oracle;
use crate::plan::{Round, by_size, rounds};
use crate::proxy::Proxy;
use crate::rng::Rng;
use crate::support::children_of;
use crate::wire::{Form, KEY};
use crate::world::{ENGINE, POSTGRES, SharedDatabase, World, signal};

/// How the time before the fault lasts, and the fault.
fn before() -> Duration {
    Duration::from_secs(by_size(2, 10, 30))
}

fn away() -> Duration {
    Duration::from_secs(by_size(5, 60, 600))
}

/// Load before, during and after an outage; then quiet and judgement. Gives the number of rows.
async fn play(world: &World, round: &mut Round, what: &str, away: Duration, outage: impl AsyncFnOnce()) -> u64 {
    let oracle = Oracle::new(&round.name, Rng::new(round.rng.next()));
    let (stores, targets) = (world.stores(), std::slice::from_ref(&world.target));
    stores.set_merges(round.number % 3 == 2).await;
    // The key is known from here on.
    Load::send(&world.target, &oracle, &oracle.issue(1), Form::Single).await.assert_all_accepted();
    let load = Load::start(targets, &oracle, LoadOptions { rate: 1500, max_batch: 100, ..LoadOptions::default() });
    tokio::time::sleep(before()).await;
    let memory = resident_mb(world.tenrec().pid());
    let began = Instant::now();
    outage().await;
    let ended = Instant::now();
    let grown = resident_mb(world.tenrec().pid()).saturating_sub(memory);
    let report = load.stop().await;
    let drained = stores.wait_until_quiet(targets, &oracle).await;
    let p99 = |when: &dyn Fn(Instant) -> bool| report.latency(0.99, when);
    println!(
        "{what} for {away:.0?}: {:.0} events/s, capture p99 {:.1?} before, {:.1?} during; +{grown} MB; drained in {drained:.1?}",
        report.events_per_second(),
        p99(&|at| at < began),
        p99(&|at| at >= began && at < ended),
    );
    report.assert_no_errors();
    report.assert_all_accepted();
    stores.judge(&oracle).await
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_capture_goes_on_while_the_engine_stands_still() {
    let (world, mut rows) = (World::start().await, 0);
    for mut round in rounds("r6-stop", 1, 1, 2) {
        rows += play(&world, &mut round, "R6 SIGSTOP of the engine", away(), async || {
            let engine = world.child(ENGINE).await;
            signal(engine, Signal::SIGSTOP);
            tokio::time::sleep(away()).await;
            signal(engine, Signal::SIGCONT);
        })
        .await;
    }
    assert_eq!(world.stores().count_events().await, rows, "rows of all rounds");
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_capture_goes_on_while_the_port_of_clickhouse_is_closed() {
    let shared = SharedDatabase::create().await;
    let proxy = Proxy::start(shared.socket.clone(), Rng::new(0)).await;
    let (world, mut rows) = (World::start_on(&shared, &proxy.url(&shared.name)).await, 0);
    for mut round in rounds("r6-port", 1, 1, 2) {
        rows += play(&world, &mut round, "R6 closed port of ClickHouse", away(), async || {
            proxy.close();
            tokio::time::sleep(away()).await;
            proxy.open().await;
        })
        .await;
    }
    assert_eq!(world.stores().count_events().await, rows, "rows of all rounds");
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_neither_capture_nor_flags_notice_that_postgres_is_away() {
    let (world, mut rows) = (World::start().await, 0);
    for mut round in rounds("r9", 2, 4, 40) {
        let flags = Prober::start(&world.target);
        let is_kill = round.number % 2 == 0;
        let (what, time) =
            if is_kill { ("R9 kill -9 of Postgres", before()) } else { ("R9 SIGSTOP of Postgres", away()) };
        rows += play(&world, &mut round, what, time, async || {
            if is_kill {
                world.kill_child(POSTGRES).await;
                tokio::time::sleep(before()).await;
                return;
            }
            let postmaster = world.child(POSTGRES).await;
            // The one that makes new processes stands still first.
            let mut all = vec![postmaster];
            signal(postmaster, Signal::SIGSTOP);
            all.extend(children_of(postmaster));
            for pid in &all {
                signal(*pid, Signal::SIGSTOP);
            }
            tokio::time::sleep(away()).await;
            for pid in all.iter().rev() {
                signal(*pid, Signal::SIGCONT);
            }
        })
        .await;
        flags.conclude(what).await;
    }
    assert_eq!(world.stores().count_events().await, rows, "rows of all rounds");
}

/// Asks for flags, again and again.
struct Prober {
    stop: CancellationToken,
    asked: tokio::task::JoinHandle<Vec<(u16, Duration)>>,
}

impl Prober {
    fn start(target: &Target) -> Self {
        let (stop, target) = (CancellationToken::new(), target.clone());
        let stopped = stop.clone();
        let asked = TaskTracker::new().spawn(async move {
            let http: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
            let mut answers = Vec::new();
            while !stopped.is_cancelled() {
                let body = format!(r#"{{"api_key":"{KEY}","distinct_id":"ada"}}"#);
                let request = Request::post(format!("{}/flags/?v=2", target.get()))
                    .header("content-type", "application/json")
                    .body(Full::from(body))
                    .unwrap();
                let started = Instant::now();
                let status = http.request(request).await.map_or(0, |answer| answer.status().as_u16());
                answers.push((status, started.elapsed()));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answers
        });
        Self { stop, asked }
    }

    async fn conclude(self, what: &str) {
        self.stop.cancel();
        let answers = self.asked.await.unwrap();
        let times = answers.iter().map(|(_, took)| *took).collect();
        println!("{what}: {} answers to /flags/, p99 {:.1?}", answers.len(), percentile(times, 0.99));
        let other: Vec<_> = answers.iter().filter(|(status, _)| *status != 200).collect();
        assert!(other.is_empty(), "{} answers are no 200: {other:?}", other.len());
    }
}

/// Memory of a process.
fn resident_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    kilobytes.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
