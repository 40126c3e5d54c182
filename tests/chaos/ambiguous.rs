//! R7: a proxy before ClickHouse that carries inserts out and loses the answers, delays them, and answers 500.
//!
//! Events are spread over twelve months, so that every batch makes a dozen inserts, of which some meet a fault.

use std::time::Duration;

use crate::drivers::{Load, LoadOptions};
use crate::oracle::Oracle;
use crate::plan::{by_size, rounds};
use crate::proxy::{Fault, Proxy};
use crate::rng::Rng;
use crate::world::{SharedDatabase, World};

#[tokio::test(flavor = "multi_thread")]
async fn r7_inserts_of_unknown_outcome_are_neither_lost_nor_doubled() {
    use Fault::{DelayAfter, DelayBefore, DropAnswer, DropRequest, ErrorAfter, ErrorBefore};
    let shared = SharedDatabase::create().await;
    let proxy = Proxy::start(shared.socket.clone(), Rng::of(crate::plan::seed(), "proxy")).await;
    let world = World::start_on(&shared, &proxy.url(&shared.name)).await;
    let (stores, mut rows) = (world.stores(), 0);
    let kinds: [&[Fault]; 3] = [
        &[DropAnswer],
        &[ErrorBefore, ErrorAfter],
        &[DropAnswer, ErrorAfter, ErrorBefore, DropRequest, DelayBefore, DelayAfter],
    ];
    for mut round in rounds("r7", 3, 12, 240) {
        let oracle = Oracle::new(&round.name, Rng::new(round.rng.next())).over_months(12);
        stores.set_merges(round.number % 3 == 2).await;
        let (kinds, delay) = (kinds[round.number as usize % kinds.len()], by_size(500, 5000, 5000));
        let load = Load::start(
            std::slice::from_ref(&world.target),
            &oracle,
            LoadOptions { rate: 1000, ..LoadOptions::default() },
        );
        proxy.set_faults(kinds, by_size(25, 50, 50), 10, delay);
        tokio::time::sleep(Duration::from_secs(by_size(3, 10, 10))).await;
        let report = load.stop().await;
        // What is left of the backlog goes through the same proxy.
        tokio::time::sleep(Duration::from_secs(by_size(1, 5, 5))).await;
        proxy.set_honest();
        report.assert_all_accepted();
        let drained = stores.wait_until_quiet(std::slice::from_ref(&world.target), &oracle).await;
        rows += stores.judge(&oracle).await;
        let (inserts, faulty) = proxy.counts();
        println!("R7: {inserts} inserts, {faulty} statements met a fault; {rows} events; drained in {drained:.0?}");
    }
    assert_eq!(stores.count_events().await, rows, "rows of all rounds");
    let (inserts, faulty) = proxy.counts();
    assert!(faulty > 0, "no fault happened in {inserts} inserts");
}

/// An insert may sit in a proxy while its connection is gone already: nobody can see it run, and it is carried out after the
/// look-up that found nothing.
#[tokio::test(flavor = "multi_thread")]
async fn r7_an_insert_that_a_proxy_carries_out_late_counts_once() {
    let shared = SharedDatabase::create().await;
    let proxy = Proxy::start(shared.socket.clone(), Rng::of(crate::plan::seed(), "late")).await;
    let world = World::start_on(&shared, &proxy.url(&shared.name)).await;
    let (stores, mut rows) = (world.stores(), 0);
    for mut round in rounds("r7-late", 1, 3, 30) {
        let oracle = Oracle::new(&round.name, Rng::new(round.rng.next()));
        stores.set_merges(false).await;
        let targets = std::slice::from_ref(&world.target);
        let load = Load::start(targets, &oracle, LoadOptions { rate: 500, ..LoadOptions::default() });
        proxy.set_faults(&[Fault::CarryOutLate], 50, 0, 2000);
        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.set_honest();
        load.stop().await.assert_all_accepted();
        stores.wait_until_quiet(targets, &oracle).await;
        // Longer than the proxy waits at most.
        tokio::time::sleep(Duration::from_secs(3)).await;
        rows += stores.judge(&oracle).await;
    }
    assert_eq!(stores.count_events().await, rows, "rows of all rounds");
}
