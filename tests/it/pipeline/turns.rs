//! Who may look up and insert, and when.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use tenrec::storage::ch::EventRow;
use tenrec::storage::ch::event_blocks;

use super::rig::{Rig, event};
use crate::support::SharedStores;

const SOON: Duration = Duration::from_millis(200);

#[tokio::test]
async fn one_has_the_turn_and_the_next_gets_it_in_the_order_of_asking() {
    let rig = Rig::start().await;
    let (mut one, mut two) = (rig.pg.storing_turn(), rig.pg.storing_turn());
    one.take().await.unwrap();
    one.take().await.expect("it is held already");
    assert!(tokio::time::timeout(SOON, two.take()).await.is_err(), "both have it");
    // Who gave up waiting has not got it afterwards, either.
    assert!(two.confirm().await.is_err());
    let ((), taken) = tokio::join!(one.release(), two.take());
    taken.unwrap();
    assert!(one.confirm().await.is_err(), "it was given back");
    assert!(tokio::time::timeout(SOON, one.take()).await.is_err());
    two.confirm().await.unwrap();
    two.release().await;
    one.take().await.unwrap();
}

#[tokio::test]
async fn a_turn_is_lost_with_its_connection_and_that_is_noticed() {
    let rig = Rig::start().await;
    let (mut one, mut two) = (rig.pg.storing_turn(), rig.pg.storing_turn());
    one.take().await.unwrap();
    let ended: i64 = rig
        .pg_value(
            "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid)
             WHERE a.datname = current_database() AND l.locktype = 'advisory' AND l.granted",
        )
        .await;
    assert_eq!(ended, 1);
    two.take().await.unwrap();
    assert!(one.confirm().await.is_err());
    two.release().await;
    one.take().await.expect("another connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_waits_for_inserts_that_run_whoever_sent_them() {
    let mut rig = Rig::start().await;
    let twice = event(1, "tick", "u", json!({}));
    rig.append(std::slice::from_ref(&twice)).await;
    // One that is under way with the same event, as an instance leaves it that dies.
    let client = SharedStores::get().ch_client(rig.name());
    let columns = "project_id, event, timestamp, uuid, distinct_id, inserted_by";
    let mut insert = client
        .insert_formatted_with(format!("INSERT INTO events ({columns}) FORMAT JSONEachRow"))
        .with_setting("query_id", "tenrec-00000000000000ff-1");
    let row = json!({"project_id": 1, "event": "tick", "timestamp": "2026-11-01 12:00:01", "uuid": twice.uuid, "distinct_id": "u", "inserted_by": 255});
    insert.send(Bytes::from(row.to_string())).await.unwrap();
    let begun = Instant::now();
    while rig.clickhouse.inserts_running("tenrec-").await.unwrap().count == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "the insert does not run");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let status = rig
        .drain_while(async |handle| {
            tokio::time::sleep(3 * SOON).await;
            assert_eq!((handle.status().stored, handle.status().duplicates), (0, 0), "it did not wait");
            insert.end().await.unwrap();
        })
        .await;
    assert_eq!((status.stored, status.duplicates), (0, 1));
    rig.assert_stored_once([1]).await;
}

#[tokio::test]
async fn an_insert_that_comes_too_late_is_refused_whole() {
    let rig = Rig::start().await;
    let late = event(1, "tick", "u", json!({}));
    let row = EventRow {
        project_id: late.project_id,
        event: &late.event,
        timestamp: late.timestamp,
        person_id: tenrec::model::PersonId::from_row(1),
        uuid: late.uuid,
        distinct_id: &late.distinct_id,
        received_at: late.received_at,
        inserted_by: 7,
        properties: &late.properties,
        person_properties: None,
    };
    let now = rig.clickhouse.inserts_running("tenrec-").await.unwrap().server_ms;
    let block = &event_blocks([row])[0];
    let insert = async |until: i64| {
        let name = format!("tenrec-0000000000000007-0-0000abcd-until-{until}");
        rig.clickhouse.insert_events(&name, block).await
    };
    let error = insert(now - 1).await.unwrap_err();
    assert!(tenrec::storage::ch::comes_too_late(&error), "{error}");
    rig.assert_stored_once([]).await;
    insert(now + 60_000).await.unwrap();
    rig.assert_stored_once([1]).await;
}
