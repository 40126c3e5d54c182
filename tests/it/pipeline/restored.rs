//! A store that lost what it had confirmed.

use std::time::Duration;

use serde_json::json;
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
