//! Whose events are, as a query tells it.

use serde_json::{Value, json};

use super::rig::{PERSONS, Rig, event, resolve};

fn personless() -> Value {
    json!({ "$process_person_profile": false, "$browser": "Firefox", "$set": { "never": 1 }, "$initial_x": 1 })
}

impl Rig {
    /// Which distinct ids are one person, as queries see it.
    pub async fn people(&self) -> Vec<String> {
        let sql = format!(
            "SELECT arrayStringConcat(arraySort(groupUniqArray(distinct_id)), '+') AS ids FROM ({PERSONS}) GROUP BY person ORDER BY ids"
        );
        self.rows(&sql).await.iter().map(|row| row["ids"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn identify_joins_earlier_anonymous_events_at_once() {
    let mut rig = Rig::start().await;
    rig.append(&[event(1, "$pageview", "anon", personless()), event(2, "$pageview", "other", personless())]).await;
    rig.drain().await;
    assert_eq!(rig.pg_value::<i64>("SELECT count(*) FROM persons").await, 0);
    assert_eq!(rig.people().await, ["anon", "other"]);
    let rows = rig.rows("SELECT * FROM events WHERE distinct_id = 'anon'").await;
    assert_eq!(rows[0]["person_properties"], json!({}));
    assert!(rows[0]["properties"].get("$set").is_none() && rows[0]["properties"].get("$initial_x").is_none());

    rig.append(&[event(3, "$identify", "ada", json!({ "$anon_distinct_id": "anon", "$set": { "email": "a@b.c" } }))])
        .await;
    rig.drain().await;
    assert_eq!(rig.people().await, ["ada+anon", "other"]);

    // A second device, and then two people who turn out to be one.
    rig.append(&[event(4, "$pageview", "phone", personless())]).await;
    rig.append(&[event(5, "$identify", "ada", json!({ "$anon_distinct_id": "phone" }))]).await;
    rig.append(&[event(6, "$identify", "ada@work", json!({ "$anon_distinct_id": "laptop" }))]).await;
    rig.drain().await;
    assert_eq!(rig.people().await, ["ada+anon+phone", "ada@work", "other"]);
    rig.append(&[event(7, "$merge_dangerously", "ada@work", json!({ "alias": "ada" }))]).await;
    rig.drain().await;
    assert_eq!(rig.people().await, ["ada+ada@work+anon+phone", "other"]);
    assert_eq!(rig.pg_value::<i64>("SELECT count(*) FROM persons").await, 1);
    assert_eq!(rig.pg_value::<String>("SELECT properties ->> 'email' FROM persons").await, "a@b.c");
}

#[tokio::test]
async fn events_keep_what_was_known_when_they_happened() {
    let mut rig = Rig::start().await;
    rig.append(&[
        event(1, "e", "ada", json!({ "$set": { "plan": "free" } })),
        event(2, "e", "ada", json!({})),
        event(3, "$set", "ada", json!({ "$set": { "plan": "pro" }, "$set_once": { "first": true } })),
        event(4, "e", "ada", json!({ "$unset": ["plan"] })),
    ])
    .await;
    rig.drain().await;
    let rows = rig.rows("SELECT person_properties AS p FROM events ORDER BY timestamp").await;
    let known: Vec<_> = rows.iter().map(|row| row["p"].clone()).collect();
    let expected = [
        json!({ "plan": "free" }),
        json!({ "plan": "free" }),
        json!({ "plan": "pro", "first": true }),
        json!({ "first": true }),
    ];
    assert_eq!(known, expected);
}

#[tokio::test]
async fn two_pipelines_on_one_project_make_one_person_of_one_id() {
    let mut rig = Rig::start().await;
    let stores = crate::support::SharedStores::get();
    let name: String = rig.pg_value("SELECT current_database()::text").await;
    let identity = || tenrec::identity::Identity::new(tenrec::storage::pg::Pg::new(stores.pg_options(&name), 2));
    let (one, two) = (identity(), identity());
    let properties = tenrec::model::Properties::default();
    let subjects: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|id| tenrec::identity::Subject {
            project_id: rig.project,
            uuid: uuid::Uuid::nil(),
            event: "e",
            distinct_id: id,
            timestamp: super::rig::now(),
            properties: &properties,
        })
        .collect();
    for _ in 0..5 {
        let (a, b) = tokio::join!(resolve(&one, &subjects), resolve(&two, &subjects));
        assert_eq!(a.resolved, b.resolved);
    }
    assert_eq!(rig.pg_value::<i64>("SELECT count(*) FROM persons").await, 4);
    rig.drain().await;
}
