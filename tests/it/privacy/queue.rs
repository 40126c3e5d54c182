//! Several erasures at once.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::TestApp;

/// The turn of whoever works on erasures.
const TURN: &str = "SELECT pg_advisory_lock(x'7e5e0013'::bigint)";

#[tokio::test]
async fn nobody_is_found_any_longer_because_files_of_others_are_written_anew() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    app.send_events(&owner, &[("e", "ada", json!({})), ("e", "bob", json!({}))]).await;
    let mut turn = app.pg_pool().acquire().await.unwrap().detach();
    sqlx::raw_sql(TURN).execute(&mut turn).await.unwrap();
    let ada = app.erase(&owner, &app.person_uuid("ada").await).await;
    app.clock.advance(Duration::from_secs(1));
    let bob = app.erase(&owner, &app.person_uuid("bob").await).await;
    // Somebody reads for long: no table of people can be written anew meanwhile.
    let mut reading = app.pg_pool().begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE persons IN ACCESS SHARE MODE").execute(&mut *reading).await.unwrap();
    sqlx::Connection::close(turn).await.unwrap();
    app.hidden(&owner, &bob).await;
    let ada = app.hidden(&owner, &ada).await;
    assert_eq!((&ada["step"], &ada["error"]), (&json!("scrub"), &json!(null)), "it was not tried before");
}

#[tokio::test]
async fn a_hundred_erasures_that_wait_for_files_keep_nobody_waiting() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    app.send_events(&owner, &[("e", "ada", json!({})), ("e", "bob", json!({}))]).await;
    let ada = app.erase(&owner, &app.person_uuid("ada").await).await;
    app.erasure_at(&owner, &ada, |erasure| erasure["step"] == "wait").await;
    let waiting = "INSERT INTO erasures SELECT gen_random_uuid(), project_id, subject, requested_by, \
                   requested_at - interval '1 hour', erased_until, keeps_events, step, plan, stores, error, hidden_at \
                   FROM erasures, generate_series(1, 100)";
    sqlx::raw_sql(waiting).execute(app.pg_pool()).await.unwrap();
    let bob = app.erase(&owner, &app.person_uuid("bob").await).await;
    app.hidden(&owner, &bob).await;
}

#[tokio::test]
async fn people_erased_at_once_leave_the_queries_in_one_delete_each_counted_alone() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let people: Vec<String> = (1..=12).map(|n| format!("p{n}")).collect();
    let shared = json!({ "$session_id": "shared" });
    let mut events = vec![("e", "bob", json!({})), ("e", "p1", shared.clone()), ("e", "p2", shared)];
    for (n, person) in people.iter().enumerate() {
        events.extend((0..=n).map(|_| ("e", person.as_str(), json!({}))));
    }
    app.send_events(&owner, &events).await;
    // Deletes that are done are forgotten: none is.
    for table in ["events", "sessions", "persons", "person_distinct_ids"] {
        app.ch_execute(&format!("SYSTEM STOP MERGES {table}")).await;
    }
    let mut turn = app.pg_pool().acquire().await.unwrap().detach();
    sqlx::raw_sql(TURN).execute(&mut turn).await.unwrap();
    let wish = json!({ "distinct_ids": people, "delete_events": true });
    let reply = app.api(&owner, Method::POST, "/persons/bulk_delete/", wish).await.assert_status(202).json();
    sqlx::Connection::close(turn).await.unwrap();
    let count = |erasure: &Value, store: &str, when: &str| {
        let stores = erasure["stores"].as_array().unwrap();
        stores.iter().find(|count| count["store"] == store).unwrap_or_else(|| panic!("{store}"))[when].clone()
    };
    for (erasure, events) in reply["erasures"].as_array().unwrap().iter().zip(1..) {
        let erasure = app.hidden(&owner, erasure["id"].as_str().unwrap()).await;
        // The first two have one more event, in a session that is both's.
        let (events, sessions) = if events <= 2 { (events + 1, 1) } else { (events, 0) };
        for (store, before) in [("events", events), ("sessions", sessions), ("persons", 1), ("person_distinct_ids", 1)]
        {
            let store = format!("clickhouse.{store}");
            let counts = (count(&erasure, &store, "before"), count(&erasure, &store, "after"));
            assert_eq!(counts, (json!(before), json!(0)), "{store} {erasure}");
        }
    }
    assert_eq!(app.ch_rows("SELECT distinct_id FROM events").await, [json!({ "distinct_id": "bob" })]);
    let deletes = "SELECT table, count() AS deletes FROM system.mutations WHERE database = currentDatabase() \
                   AND command LIKE '%_row_exists%' GROUP BY table HAVING deletes > 1";
    assert_eq!(app.ch_rows(deletes).await, Vec::<Value>::new());
    let any = deletes.replace("> 1", "= 1 ORDER BY table");
    assert_eq!(app.ch_rows(&any).await.len(), 4, "the search is blind");
}

#[tokio::test]
async fn whose_notes_are_damaged_keeps_nobody_else_waiting() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    app.send_events(&owner, &[("e", "ada", json!({})), ("e", "bob", json!({})), ("e", "eve", json!({}))]).await;
    let mut turn = app.pg_pool().acquire().await.unwrap().detach();
    sqlx::raw_sql(TURN).execute(&mut turn).await.unwrap();
    let wish = json!({ "distinct_ids": ["ada", "bob", "eve"], "delete_events": true });
    let reply = app.api(&owner, Method::POST, "/persons/bulk_delete/", wish).await.assert_status(202).json();
    let id = |at: usize| reply["erasures"][at]["id"].as_str().unwrap();
    app.pg_execute(&format!("UPDATE erasures SET plan = '[]' WHERE id = '{}'", id(0))).await;
    sqlx::Connection::close(turn).await.unwrap();
    app.hidden(&owner, id(1)).await;
    app.hidden(&owner, id(2)).await;
    assert_eq!(app.ch_rows("SELECT distinct_id FROM events").await, [json!({ "distinct_id": "ada" })]);
}
