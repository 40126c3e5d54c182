//! The judge itself: it must see every kind of wrong, or the other tests prove nothing.

use std::collections::BTreeMap;

use crate::drivers::Load;
use crate::lz64;
use crate::oracle::Oracle;
use crate::plan::seed;
use crate::rng::Rng;
use crate::wire::Form;
use crate::world::{SharedDatabase, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_judge_sees_what_is_lost_doubled_altered_and_invented() {
    let shared = SharedDatabase::create().await;
    let proxy = crate::proxy::Proxy::start(shared.socket.clone(), Rng::new(0)).await;
    let world = World::start_on(&shared, &proxy.url(&shared.name)).await;
    let (stores, oracle) = (world.stores(), Oracle::new("self", Rng::of(seed(), "self")));
    stores.set_merges(false).await;
    let events = oracle.issue(20);
    for (event, form) in events.chunks(2).zip([Form::V1, Form::V0, Form::Lz64, Form::Batch].into_iter().cycle()) {
        Load::send(&world.target, &oracle, event, form).await.assert_no_errors();
    }
    stores.wait_until_quiet(std::slice::from_ref(&world.target), &oracle).await;
    assert_eq!(stores.judge(&oracle).await, 22, "those, and two that show that it is quiet");

    let [lost, doubled, altered, renamed] = [0, 1, 2, 3].map(|at| events[at].uuid);
    let copy = |change: &str, uuid| {
        format!("INSERT INTO events SELECT * REPLACE ({change}) FROM events AS e WHERE e.uuid = '{uuid}'")
    };
    let remove = |uuid| format!("ALTER TABLE events DELETE WHERE uuid = '{uuid}' SETTINGS mutations_sync = 2");
    for statement in [
        copy("generateUUIDv4() AS uuid", doubled),
        copy("event AS event", doubled),
        copy("concat(distinct_id, '0') AS distinct_id, person_id + 1 AS person_id", altered),
        format!(
            "ALTER TABLE events DELETE WHERE uuid = '{altered}' AND NOT endsWith(distinct_id, '0') SETTINGS mutations_sync = 2"
        ),
        copy("timestamp - INTERVAL 5 MINUTE AS timestamp, toDateTime64(0, 3) AS received_at", renamed),
        format!(
            "ALTER TABLE events DELETE WHERE uuid = '{renamed}' AND received_at > toDateTime64(1, 3) SETTINGS mutations_sync = 2"
        ),
        remove(lost),
    ] {
        stores.execute(&statement).await;
    }
    let expected = [("altered", 2), ("lost", 1), ("never sent", 1), ("stored twice", 1)];
    assert_eq!(stores.findings(&oracle).await, BTreeMap::from(expected));
}

#[test]
fn what_is_packed_as_lz64_unpacks() {
    use tenrec::ingest::UnpackLimits;
    use tenrec::ingest::decode::{Encoded, decode};
    let mut rng = Rng::new(1);
    for length in 1..200 {
        let text: String = (0..length).map(|_| *rng.pick(&['a', 'b', '"', '猫', '🦀', 'ÿ'])).collect();
        let json = serde_json::json!([text]).to_string();
        let packed = lz64::compress(&json);
        let request = Encoded { query: "compression=lz64", body: packed.as_bytes(), ..Encoded::default() };
        assert_eq!(std::str::from_utf8(&decode(&request, UnpackLimits::up_to(1 << 20)).unwrap()), Ok(json.as_str()));
    }
}
