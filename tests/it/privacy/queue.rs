//! Several erasures at once.

use std::time::Duration;

use serde_json::json;

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
