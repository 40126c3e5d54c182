//! Two Tenrecs on the same stores: what is sent to both at the same moment is one event.

use std::time::Duration;

use crate::drivers::{Load, LoadOptions};
use crate::oracle::Oracle;
use crate::plan::rounds;
use crate::rng::Rng;
use crate::world::{SharedDatabase, World};

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_count_an_event_once_that_is_sent_to_both() {
    let shared = SharedDatabase::create().await;
    let url = crate::proxy::Proxy::start(shared.socket.clone(), Rng::new(0)).await.url(&shared.name);
    let (one, two) = (World::start_on(&shared, &url).await, World::start_on(&shared, &url).await);
    let (stores, targets, mut rows) = (one.stores(), [one.target.clone(), two.target.clone()], 0);
    for mut round in rounds("two", 2, 10, 100) {
        let oracle = Oracle::new(&round.name, Rng::new(round.rng.next()));
        stores.set_merges(false).await;
        let options = LoadOptions { rate: 1000, max_batch: 100, doubled_percent: 50, ..LoadOptions::default() };
        let load = Load::start(&targets, &oracle, options);
        tokio::time::sleep(Duration::from_secs(3)).await;
        load.stop().await.assert_all_accepted();
        stores.wait_until_quiet(&targets, &oracle).await;
        rows += stores.judge(&oracle).await;
    }
    assert_eq!(stores.count_events().await, rows, "rows of all rounds");
}
