//! What ClickHouse is told of people, and the rows about them that must hang together in Postgres.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tenrec::identity::{Identity, Resolved, Subject};
use tenrec::model::{PersonId, Properties};
use tenrec::storage::pg::{Pg, RecentPersons, WrittenPersons};
use uuid::Uuid;

use super::rig::{Rig, event, now, object, resolve};
use crate::support::SharedStores;

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
async fn what_one_statement_changes_of_many_people_is_noted_in_few_rows_and_all_mirrored() {
    let rig = Rig::start().await;
    rig.pg_execute(
        "INSERT INTO persons (project_id, uuid, properties, created_at, last_seen_at)
         SELECT 1, gen_random_uuid(), jsonb_build_object('name', n::text), now(), now() FROM generate_series(1, 2600) AS n",
    )
    .await
    .unwrap();
    rig.pg_execute(
        "INSERT INTO person_distinct_ids (project_id, distinct_id, person_id) SELECT 1, 'id-' || id, id FROM persons",
    )
    .await
    .unwrap();
    rig.pg_execute("INSERT INTO person_overrides (project_id, from_id, into_id) SELECT 1, id + 9000, id FROM persons")
        .await
        .unwrap();
    // Seen later is not a change, another name is.
    rig.pg_execute("UPDATE persons SET last_seen_at = now() + interval '1 hour'").await.unwrap();
    rig.pg_execute("UPDATE persons SET properties = '{\"name\": \"last\"}' WHERE properties ->> 'name' = '2600'")
        .await
        .unwrap();
    let noted =
        "SELECT format('%s %s', (SELECT count(*) FROM person_changes), (SELECT count(*) FROM override_changes))";
    assert_eq!(rig.pg_value::<String>(noted).await, "13 6");

    Identity::new(rig.pg.clone()).mirror(&rig.clickhouse, &WrittenPersons::default()).await.unwrap();
    assert_eq!(rig.pg_value::<String>(noted).await, "0 0");
    let mirrored = "SELECT (SELECT count() FROM persons FINAL) AS people, \
                    (SELECT countIf(person > 0) FROM person_distinct_ids FINAL) AS ids, \
                    (SELECT uniqExact(from_id) FROM person_overrides) AS overrides, \
                    (SELECT count() FROM persons FINAL WHERE properties.name::String IN ('2600', 'last')) AS renamed";
    assert_eq!(rig.rows(mirrored).await, [json!({ "people": 2600, "ids": 2600, "overrides": 2600, "renamed": 1 })]);
}

#[tokio::test]
async fn what_was_noted_row_by_row_is_mirrored_after_the_migration() {
    let stores = tokio::task::spawn_blocking(SharedStores::get).await.unwrap();
    let name = stores.fresh_name();
    stores.create_empty_pg(&name).await;
    let mut connection = PgConnection::connect_with(&stores.pg_options(&name)).await.unwrap();
    let mut migrations: Vec<_> =
        fs::read_dir("migrations/postgres").unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    for path in migrations {
        if path.ends_with("0022_changes_by_statement.sql") {
            let before =
                "INSERT INTO person_changes (project_id, person_id, distinct_id) VALUES (1, 7, NULL), (1, NULL, 'ada');
                          INSERT INTO override_changes (project_id, from_id) VALUES (1, 8)";
            sqlx::raw_sql(before).execute(&mut connection).await.unwrap();
        }
        let sql = fs::read_to_string(&path).unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_or_else(|e| panic!("{path:?}: {e}"));
    }
    connection.close().await.unwrap();
    let pg = Pg::new(stores.pg_options(&name), 2);
    let changes = pg.list_person_changes(10, &WrittenPersons::default()).await.unwrap();
    assert_eq!(changes.persons.iter().map(|person| person.id).collect::<Vec<_>>(), [PersonId::from_row(7)]);
    assert_eq!(changes.distinct_ids.iter().map(|id| &id.distinct_id).collect::<Vec<_>>(), ["ada"]);
    assert_eq!((changes.seqs.len(), changes.is_cut), (2, false));
    assert_eq!(pg.list_override_changes(10).await.unwrap().seqs.len(), 1);
    pg.close().await;
    stores.drop_databases(&name).await;
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
