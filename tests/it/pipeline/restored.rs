//! A store that lost what it had confirmed.

use std::time::Duration;

use serde_json::json;
use tenrec::ingest::pipeline::{PipelineHandle, Step};
use tenrec::ingest::spool::Keep;

use super::rig::{Rig, event};

#[tokio::test]
async fn what_a_store_lost_is_stored_again_and_counted_once() {
    let mut rig = Rig::start().await;
    rig.keep = Keep { time: Duration::from_secs(900), max_bytes: 32 << 20, damage: String::new() };
    rig.reopen().await;
    rig.max_events = 4;
    for n in 0..20 {
        rig.append(&[event(n, "e", &format!("id-{}", n % 3), json!({ "$set": { "n": n } }))]).await;
    }
    // A client sends one again.
    rig.append(&[event(7, "e", "id-1", json!({ "$set": { "n": 7 } }))]).await;
    let status = rig.drain().await;
    assert_eq!((status.stored, status.duplicates, status.restored), (20, 1, 0));
    let persons = "SELECT string_agg(properties::text, ' ' ORDER BY id) FROM persons";
    let before: String = rig.pg_value(persons).await;

    // A restart alone looks at nothing again.
    rig.reopen().await;
    let status = rig.drain().await;
    assert_eq!((status.stored, status.duplicates, status.restored), (0, 0, 0));

    // One part is gone, with the first events of two batches.
    rig.ch_execute(
        "DELETE FROM events WHERE toInt64(properties.`$set`.n) IN (1, 4, 5) SETTINGS lightweight_deletes_sync = 2",
    )
    .await;
    assert_eq!(rig.count("SELECT count() FROM events").await, 17);
    rig.keep.damage = "events/broken-on-start_202611_1_1_0".to_owned();
    rig.reopen().await;
    rig.append(&[event(20, "e", "id-2", json!({ "$set": { "n": 20 } }))]).await;
    let status = rig.drain().await;
    assert_eq!((status.stored, status.duplicates, status.restored), (1, 0, 3));
    rig.assert_stored_once(0..=20).await;
    let after: String = rig.pg_value(persons).await;
    assert_eq!(after, before.replace(r#""n": 17"#, r#""n": 20"#), "no person goes back to an earlier value");

    rig.reopen().await;
    assert_eq!(rig.drain().await.restored, 0);
}

/// Two parts, of which the second cannot be read: a full disk leaves such ones, and the engine takes them as whole.
async fn rig_with_a_broken_part() -> Rig {
    let mut rig = Rig::start().await;
    rig.keep = Keep { time: Duration::from_secs(900), max_bytes: 32 << 20, damage: String::new() };
    rig.reopen().await;
    rig.ch_execute("SYSTEM STOP MERGES events").await;
    for numbers in [0..3, 3..6] {
        let events = numbers.map(|n| event(n, "e", "ada", json!({ "$set": { "n": n }, "$session_id": "s" })));
        rig.append(&events.collect::<Vec<_>>()).await;
        rig.drain().await;
    }
    let parts = "SELECT path FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active
                 ORDER BY name DESC";
    let path = rig.rows(parts).await[0]["path"].as_str().unwrap().to_owned();
    for marks in ["data.cmrk4", "skp_idx_uuid_bloom.cmrk4"] {
        std::fs::OpenOptions::new().write(true).truncate(true).open(format!("{path}{marks}")).unwrap();
    }
    for cache in ["MARK", "INDEX MARK"] {
        rig.ch_execute(&format!("SYSTEM DROP {cache} CACHE")).await;
    }
    rig
}

#[tokio::test]
async fn what_was_in_a_part_that_cannot_be_read_is_stored_again_at_once_and_what_waits_after_it() {
    let mut rig = rig_with_a_broken_part().await;
    rig.max_events = 4;
    // A client sends one again that is in the broken part.
    for n in [4].into_iter().chain(6..60) {
        rig.append(&[event(n, "e", "ada", json!({ "$set": { "n": n }, "$session_id": "s" }))]).await;
    }
    let status = rig.drain().await;
    assert_eq!((status.stored, status.duplicates, status.restored), (54, 1, 3));
    rig.assert_stored_once(0..60).await;
    assert_eq!(rig.ledger().await, "duplicate=1 received=61 stored=60");
    let number = "SELECT properties->>'n' FROM persons";
    assert_eq!(rig.pg_value::<String>(number).await, "59", "no person goes back to an earlier value");
    assert_eq!(rig.count("SELECT sum(events) FROM (SELECT argMax(events, version) AS events FROM sessions)").await, 60);
    let broken = rig.clickhouse.list_broken_parts().await.unwrap();
    assert_eq!(broken.len(), 1, "{broken:?}");

    // The next start knows of the damage and that all was looked at.
    rig.keep.damage = broken.join(" ");
    rig.reopen().await;
    rig.append(&[event(60, "e", "ada", json!({}))]).await;
    let status = rig.drain().await;
    assert_eq!((status.stored, status.restored), (1, 0));
}

#[tokio::test]
async fn a_death_right_after_a_part_was_put_aside_loses_nothing() {
    let mut rig = rig_with_a_broken_part().await;
    rig.append(&[event(6, "e", "ada", json!({}))]).await;
    rig.crash_before(Step::Identity).await;
    rig.keep.damage = rig.clickhouse.list_broken_parts().await.unwrap().join(" ");
    rig.reopen().await;
    let status = rig.drain().await;
    assert_eq!((status.stored, status.restored), (1, 3));
    rig.assert_stored_once(0..7).await;
}

#[tokio::test]
async fn what_an_engine_puts_aside_as_it_is_started_anew_is_stored_again() {
    let mut rig = rig_with_a_broken_part().await;
    rig.append(&[event(6, "e", "ada", json!({}))]).await;
    let proxy = rig.proxy.clone();
    proxy.set_closed(true);
    for statement in ["DETACH TABLE events SYNC", "ATTACH TABLE events"] {
        rig.ch_execute(statement).await;
    }
    let back = async |handle: &PipelineHandle| {
        while handle.status().retries == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        proxy.set_closed(false);
    };
    let status = rig.drain_while(back).await;
    assert_eq!((status.stored, status.restored), (1, 3));
    rig.assert_stored_once(0..7).await;
}

#[tokio::test]
async fn damaged_parts_are_found_by_their_names() {
    let rig = Rig::start().await;
    assert_eq!(rig.clickhouse.list_broken_parts().await.unwrap(), Vec::<String>::new());
    let rows = rig
        .rows("SELECT data_paths[1] AS path FROM system.tables WHERE database = currentDatabase() AND name = 'events'");
    let path = rows.await[0]["path"].as_str().unwrap().to_owned();
    // As the engine leaves one that it cannot read when it starts.
    std::fs::create_dir_all(format!("{path}/detached/broken-on-start_202611_1_1_0")).unwrap();
    std::fs::create_dir_all(format!("{path}/detached/202611_2_2_0")).unwrap();
    assert_eq!(rig.clickhouse.list_broken_parts().await.unwrap(), ["events/broken-on-start_202611_1_1_0"]);
}
