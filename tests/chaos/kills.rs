//! R1 to R3: kill -9, under load.

use std::time::Duration;

use crate::drivers::{Load, LoadOptions, percentile};
use crate::oracle::{Fate, Oracle};
use crate::plan::{Round, rounds};
use crate::rng::Rng;
use crate::world::{ENGINE, World};

/// Figures of all rounds of a test.
#[derive(Default)]
struct Figures {
    ready: Vec<Duration>,
    drained: Vec<Duration>,
    events: u64,
    rates: Vec<f64>,
}

impl Figures {
    fn print(&self, name: &str) {
        let longest = |times: &[Duration]| times.iter().max().copied().unwrap_or_default();
        let rate = self.rates.iter().sum::<f64>() / self.rates.len().max(1) as f64;
        println!(
            "{name}: {} rounds, {} events at {rate:.0}/s while killing; ready again p95 {:.0?}, most {:.0?}; drained in most {:.0?}",
            self.drained.len(),
            self.events,
            percentile(self.ready.clone(), 0.95),
            longest(&self.ready),
            longest(&self.drained),
        );
    }
}

/// Some time that load runs.
async fn a_while(rng: &mut Rng, least: u64, most: u64) {
    tokio::time::sleep(Duration::from_millis(rng.between(least, most))).await;
}

/// One round: load, a fault in the midst of it, more load, quiet, judgement.
async fn play(
    world: &mut World,
    round: &mut Round,
    figures: &mut Figures,
    fault: impl AsyncFnOnce(&mut World, &mut Rng) -> Option<Duration>,
) -> crate::drivers::Report {
    let oracle = Oracle::new(&round.name, Rng::new(round.rng.next()));
    // Every third round has merges, and so what a kill does to them.
    world.stores().set_merges(round.number % 3 == 2).await;
    let load = Load::start(std::slice::from_ref(&world.target), &oracle, LoadOptions::default());
    a_while(&mut round.rng, 200, 1500).await;
    figures.ready.extend(fault(world, &mut round.rng).await);
    a_while(&mut round.rng, 100, 800).await;
    let report = load.stop().await;
    report.assert_no_errors();
    figures.rates.push(report.events_per_second());
    let stores = world.stores();
    figures.drained.push(stores.wait_until_quiet(std::slice::from_ref(&world.target), &oracle).await);
    assert!(oracle.count(Fate::Promised) > 0);
    figures.events += stores.judge(&oracle).await;
    report
}

/// What is stored of earlier rounds is still stored once, whatever was done to the stores since; and after all that, Tenrec
/// ends in order.
async fn conclude(mut world: World, figures: &Figures, name: &str) {
    figures.print(name);
    assert_eq!(world.stores().count_events().await, figures.events, "rows of all rounds");
    world.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_killing_tenrec_under_load_loses_and_doubles_nothing() {
    let mut world = World::start().await;
    let mut figures = Figures::default();
    for mut round in rounds("r1", 3, 30, 500) {
        play(&mut world, &mut round, &mut figures, async |world, rng| {
            world.kill();
            // Sometimes its senders try for a while before it is back.
            if rng.percent(30) {
                a_while(rng, 50, 500).await;
            }
            Some(world.restart().await)
        })
        .await;
    }
    conclude(world, &figures, "R1 kill -9 of Tenrec").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_killing_the_engine_is_not_seen_by_senders() {
    let mut world = World::start().await;
    let mut figures = Figures::default();
    for mut round in rounds("r2", 2, 30, 500) {
        let report = play(&mut world, &mut round, &mut figures, async |world, rng| {
            for _ in 0..rng.between(1, 2) {
                world.kill_child(ENGINE).await;
                a_while(rng, 0, 400).await;
            }
            None
        })
        .await;
        report.assert_all_accepted();
    }
    conclude(world, &figures, "R2 kill -9 of the engine").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_killing_everything_at_one_instant_loses_and_doubles_nothing() {
    let mut world = World::start().await;
    let mut figures = Figures::default();
    for mut round in rounds("r3", 2, 10, 200) {
        play(&mut world, &mut round, &mut figures, async |world, _| {
            world.kill_group();
            Some(world.restart().await)
        })
        .await;
    }
    conclude(world, &figures, "R3 kill -9 of Tenrec, engine and Postgres").await;
}
