//! What ClickHouse is told of people, and the rows about them that must hang together in Postgres.

use std::time::Duration;

use serde_json::{Value, json};
use tenrec::identity::{Identity, Resolved, Subject};
use tenrec::model::Properties;
use tenrec::storage::pg::{RecentPersons, WrittenPersons};
use uuid::Uuid;

use super::rig::{Rig, event, now, object, resolve};

const MIRRORED: &str = "SELECT properties FROM persons FINAL WHERE NOT is_deleted ORDER BY properties.name::String";

async fn set_name(rig: &Rig, identity: &Identity, uuid: u128, id: &str, name: &str) -> WrittenPersons {
    let properties: Properties = object(json!({ "$set": { "name": name } })).into();
    resolve(identity, &[subject(rig, uuid, id, &properties)]).await.written
}

fn subject<'a>(rig: &Rig, uuid: u128, distinct_id: &'a str, properties: &'a Properties) -> Subject<'a> {
    let (project_id, uuid) = (rig.project, Uuid::from_u128(uuid));
    Subject { project_id, uuid, event: "$set", distinct_id, timestamp: now(), properties }
}

#[tokio::test]
async fn what_was_just_written_is_mirrored_unless_somebody_changed_it_since() {
    let rig = Rig::start().await;
    let identity = Identity::new(rig.pg.clone());
    let mut written = WrittenPersons::default();
    for (uuid, id) in [(1, "ada"), (2, "bob")] {
        written = set_name(&rig, &identity, uuid, id, id).await;
    }
    // By another instance, and by one that takes people away.
    set_name(&rig, &identity, 3, "bob", "Robert").await;
    identity.mirror(&rig.clickhouse, &written).await.unwrap();
    let names = async || -> Vec<Value> {
        rig.rows(MIRRORED).await.iter().map(|row| row["properties"]["name"].clone()).collect()
    };
    assert_eq!(names().await, ["Robert", "ada"]);

    let written = set_name(&rig, &identity, 4, "ada", "Ada").await;
    identity.mirror(&rig.clickhouse, &written).await.unwrap();
    assert_eq!(names().await, ["Ada", "Robert"]);
    let written = set_name(&rig, &identity, 5, "ada", "Countess").await;
    rig.pg_execute("DELETE FROM persons WHERE properties ->> 'name' = 'Countess'").await.unwrap();
    identity.mirror(&rig.clickhouse, &written).await.unwrap();
    assert_eq!(names().await, ["Robert"]);
}

#[tokio::test]
async fn people_that_are_held_change_for_nobody_else_and_are_let_go_unchanged() {
    let rig = Rig::start().await;
    let identity = Identity::new(rig.pg.clone());
    let properties: Properties = object(json!({ "$set": { "name": "held" } })).into();
    let subjects = [subject(&rig, 1, "ada", &properties)];
    let held = identity.hold(&subjects, &mut RecentPersons::default()).await.unwrap();
    let (resolution, decision) = held.decide(&subjects);
    assert_eq!(resolution.resolved.len(), 1);
    let other = set_name(&rig, &identity, 2, "ada", "other");
    let mut other = std::pin::pin!(other);
    tokio::time::timeout(Duration::from_millis(300), &mut other).await.expect_err("the people are held");
    drop(decision);
    other.await;
    assert_eq!(rig.pg_value::<String>("SELECT string_agg(properties ->> 'name', ' ') FROM persons").await, "other");
}

#[tokio::test]
async fn what_is_known_of_people_is_read_again_once_somebody_changed_it() {
    let rig = Rig::start().await;
    let identity = Identity::new(rig.pg.clone());
    let mut recent = RecentPersons::default();
    let none = Properties::default();
    let subjects = ["ada", "bob"].map(|id| Subject { event: "seen", ..subject(&rig, 9, id, &none) });
    let names = async |recent: &mut RecentPersons| {
        let (resolution, _) = identity.hold(&subjects, recent).await.unwrap().decide(&subjects);
        let name = |resolved: &Resolved| match resolved {
            Resolved::Person { properties: Some(properties), .. } => properties["name"].clone(),
            other => panic!("{other:?}"),
        };
        resolution.resolved.iter().map(name).collect::<Vec<Value>>()
    };
    recent.learn(&set_name(&rig, &identity, 1, "ada", "Ada").await);
    set_name(&rig, &identity, 2, "bob", "Bob").await;
    assert_eq!(names(&mut recent).await, ["Ada", "Bob"]);
    // Nobody does this; it shows what is read.
    rig.pg_execute("UPDATE persons SET properties = '{\"name\": \"unseen\"}'").await.unwrap();
    assert_eq!(names(&mut recent).await, ["Ada", "Bob"]);
    assert_eq!(names(&mut RecentPersons::default()).await, ["unseen", "unseen"]);
    set_name(&rig, &identity, 3, "ada", "Countess").await;
    assert_eq!(names(&mut recent).await, ["Countess", "Bob"]);
    recent.learn(&set_name(&rig, &identity, 4, "bob", "Robert").await);
    assert_eq!(names(&mut recent).await, ["Countess", "Robert"]);
    recent.forget();
    assert_eq!(names(&mut recent).await, ["Countess", "Robert"]);
}

#[tokio::test]
async fn rows_about_people_name_projects_and_people_that_exist_and_go_with_them() {
    let mut rig = Rig::start().await;
    for (table, columns, values) in [
        ("persons", "uuid, created_at, last_seen_at", "gen_random_uuid(), now(), now()"),
        ("person_distinct_ids", "distinct_id, person_id", "'x', 1"),
        ("person_overrides", "from_id, into_id", "1, 2"),
        (
            "person_merges",
            "happened_at, other_distinct_id, target_distinct_id, other_number, target_number",
            "now(), 'a', 'b', 1, 2",
        ),
    ] {
        let sql = format!(
            "INSERT INTO {table} (project_id, {columns}) SELECT p, {values} FROM UNNEST('{{1,77}}'::integer[]) AS p"
        );
        let error = rig.pg_execute(&sql).await.unwrap_err().to_string();
        assert!(error.contains("is not there"), "{table}: {error}");
    }
    let error =
        rig.pg_execute("INSERT INTO person_distinct_ids (project_id, distinct_id, person_id) VALUES (1, 'x', 77)");
    assert!(error.await.unwrap_err().to_string().contains("a person that is not there"));

    rig.append(&[
        event(1, "e", "anon", json!({ "$process_person_profile": false })),
        event(2, "$identify", "ada", json!({ "$anon_distinct_id": "anon" })),
        event(3, "$identify", "bob", json!({ "$anon_distinct_id": "phone" })),
    ])
    .await;
    rig.drain().await;
    let counts =
        "SELECT format('%s %s %s %s', (SELECT count(*) FROM persons), (SELECT count(*) FROM person_distinct_ids),
                                (SELECT count(*) FROM person_overrides), (SELECT count(*) FROM person_merges))";
    assert_eq!(rig.pg_value::<String>(counts).await, "2 4 4 2");
    let error = rig.pg_execute("UPDATE person_distinct_ids SET person_id = 99 WHERE distinct_id = 'ada'").await;
    assert!(error.unwrap_err().to_string().contains("a person that is not there"));
    rig.pg_execute(
        "DELETE FROM persons WHERE id = (SELECT person_id FROM person_distinct_ids WHERE distinct_id = 'ada')",
    )
    .await
    .unwrap();
    assert_eq!(rig.pg_value::<String>(counts).await, "1 2 4 2");
    rig.pg_execute("DELETE FROM projects").await.unwrap();
    assert_eq!(rig.pg_value::<String>(counts).await, "0 0 0 0");
}
