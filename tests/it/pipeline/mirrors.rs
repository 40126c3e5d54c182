//! People and groups as the mirror in ClickHouse holds them.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use tenrec::model::PersonId;
use tenrec::storage::ch::{MirroredGroup, MirroredPerson, MirroredState};
use uuid::Uuid;

use super::rig::{Rig, now, object};
use super::round_trip::{any_json, any_key, told, with_original_keys};

fn person(rig: &Rig, number: i64, properties: Option<Map<String, Value>>) -> MirroredPerson {
    let uuid = Uuid::from_u128(number.unsigned_abs().into());
    let state = |properties: Map<_, _>| MirroredState {
        uuid,
        properties: properties.into(),
        is_identified: number == 1,
        created_at: now(),
    };
    MirroredPerson {
        project_id: rig.project,
        id: PersonId::from_row(number),
        state: properties.map(state),
        version: 7 + number.unsigned_abs(),
    }
}

#[tokio::test]
async fn of_people_who_are_gone_the_mirror_knows_only_that() {
    let rig = Rig::start().await;
    let came =
        object(json!({ "$initial_referrer": "https://www.google.com/", "$initial_referring_domain": "www.google.com",
                              "$initial_gclid": "x", "a.b": [{ "c": 1 }] }));
    rig.clickhouse
        .insert_mirrored_persons(&[
            person(&rig, 1, Some(came)),
            person(&rig, 2, None),
            person(&rig, 3, Some(Map::new())),
        ])
        .await
        .unwrap();
    let sql = "SELECT * EXCEPT (project_id, created_at), created_at = toDateTime64(0, 6) AS is_at_zero \
               FROM persons WHERE project_id != 0 ORDER BY number";
    let nobody = "00000000-0000-0000-0000-000000000000";
    let row = |number: i64, uuid: &str, words: [&str; 2], properties: Value, is_deleted: bool| {
        json!({
            "number": number, "uuid": uuid, "is_identified": number == 1, "initial_channel_type": words[0],
            "initial_referring_domain_type": words[1], "properties": properties, "version": 7 + number,
            "is_deleted": is_deleted, "is_at_zero": u8::from(is_deleted),
        })
    };
    let came = json!({ "$initial_referrer": "https://www.google.com/", "$initial_referring_domain": "www.google.com",
                       "$initial_gclid": "x", "a.b": [{ "c": 1 }] });
    assert_eq!(
        rig.rows(sql).await,
        [
            row(1, "00000000-0000-0000-0000-000000000001", ["Paid Search", "Search"], came, false),
            row(2, nobody, ["", ""], json!({}), true),
            row(3, "00000000-0000-0000-0000-000000000003", ["Other", ""], json!({}), false),
        ]
    );
    let since = rig.count("SELECT toUnixTimestamp64Micro(created_at) FROM persons WHERE number = 1").await;
    assert_eq!(since, now().as_microsecond().unsigned_abs());
}

#[tokio::test]
async fn of_groups_that_are_gone_the_mirror_knows_only_that() {
    let rig = Rig::start().await;
    let group = |key: &str, state| MirroredGroup {
        project_id: rig.project,
        type_index: 4,
        key: key.to_owned(),
        state,
        version: 9,
    };
    let properties = object(json!({ "seats": 3, "plan": { "name": "pro" } }));
    let groups = [group("acme", Some((properties, now()))), group("gone", None)];
    rig.clickhouse.insert_mirrored_groups(&groups).await.unwrap();
    let sql = "SELECT type_index, key, toUnixTimestamp64Micro(created_at) AS since, properties, version, is_deleted \
               FROM groups ORDER BY key";
    let row = |key: &str, since: i64, properties: Value, is_deleted: bool| json!({ "type_index": 4, "key": key, "since": since, "properties": properties, "version": 9, "is_deleted": is_deleted });
    assert_eq!(
        rig.rows(sql).await,
        [
            row("acme", now().as_microsecond(), json!({ "seats": 3, "plan": { "name": "pro" } }), false),
            row("gone", 0, json!({}), true),
        ]
    );
}

#[tokio::test]
async fn any_properties_of_a_person_survive() {
    let mut runner = TestRunner::deterministic();
    let objects = prop::collection::hash_map(any_key(), any_json(), 0..8);
    let rig = Rig::start().await;
    let persons: Vec<_> = (1..=400)
        .map(|n| person(&rig, n, Some(objects.new_tree(&mut runner).unwrap().current().into_iter().collect())))
        .collect();
    rig.clickhouse.insert_mirrored_persons(&persons).await.unwrap();
    let rows = rig.rows("SELECT properties FROM persons ORDER BY number").await;
    assert_eq!(rows.len(), persons.len());
    for (row, person) in rows.iter().zip(&persons) {
        let found = with_original_keys(row["properties"].as_object().unwrap());
        assert_eq!(told(&found), told(&person.state.as_ref().unwrap().properties), "{person:?}");
    }
}
