//! A job that is cut off between any two steps goes on at the next start, and its receipt is right and signed.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use sqlx::Connection;
use tenrec::model::ProjectId;
use tenrec::privacy::{Privacy, SignedReceipt, verify};
use tenrec::storage::pg::{ErasureRow, ErasureStep, SubjectName};

use crate::support::TestApp;

/// Takes a step. Files alone are waited for.
async fn advance(privacy: &Privacy, row: &mut ErasureRow) {
    for _ in 0..600 {
        if privacy.advance_once(row).await.unwrap() {
            return;
        }
        assert_eq!(row.step, ErasureStep::Scrub, "{row:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not come on: {row:?}");
}

#[tokio::test]
async fn a_job_cut_off_between_any_steps_is_finished_at_the_next_start() {
    for steps in 0..=3 {
        let mut app = TestApp::start().await;
        let owner = app.set_up().await;
        app.hurry_old_parts().await;
        let session = json!({ "$session_id": "s", "$set": { "email": "ada@example.com" } });
        app.send_events(&owner, &[("e", "ada", session), ("e", "bob", json!({}))]).await;
        // Whoever holds this lock works on erasures: the worker does not.
        let mut turn = app.pg_pool().acquire().await.unwrap().detach();
        sqlx::raw_sql("SELECT pg_advisory_lock(x'7e5e0013'::bigint)").execute(&mut turn).await.unwrap();
        let privacy = app.state().privacy().clone();
        let project = ProjectId::new(owner.project.try_into().unwrap());
        let name = SubjectName::DistinctId("ada".to_owned());
        let mut row = privacy.erase(project, &name, "Ada", false).await.unwrap().unwrap();
        for _ in 0..steps {
            advance(&privacy, &mut row).await;
        }
        // As far as it came, done again from the row that was saved before the last step: a crash right before the save.
        app.stop().await;
        turn.close().await.unwrap();
        app.clock.advance(std::time::Duration::from_secs(16 * 60));
        app.restart().await;
        let erasure = app.erased(&owner, &row.id.to_string()).await;
        assert_eq!(app.ch_count("SELECT count() FROM events").await, 1, "bob's, after {steps} steps");
        assert_eq!(app.ch_count("SELECT count() FROM sessions").await, 0);
        let events = erasure["stores"].as_array().unwrap().iter().find(|count| count["store"] == "clickhouse.events");
        assert_eq!(events, Some(&json!({ "store": "clickhouse.events", "before": 1, "after": 0 })), "{steps} steps");

        let path = format!("/privacy/erasures/{}/receipt/", row.id);
        let receipt = app.api(&owner, Method::GET, &path, Value::Null).await.assert_ok().json();
        let signed: SignedReceipt = serde_json::from_value(receipt.clone()).unwrap();
        assert!(verify(&signed));
        let text: Value = serde_json::from_str(&signed.receipt).unwrap();
        assert_eq!((text["requested_by"].as_str(), text["stores"].clone()), (Some("Ada"), erasure["stores"].clone()));
        for (receipt, is_valid) in [
            (receipt.clone(), true),
            (
                json!({ "receipt": signed.receipt.replace("Ada", "Eve"), "algorithm": "Ed25519",
                     "public_key": signed.public_key, "signature": signed.signature }),
                false,
            ),
        ] {
            let request = app
                .request(Method::POST, "/api/privacy/verify_receipt/")
                .header("authorization", format!("Bearer {}", owner.personal_key))
                .header("content-type", "application/json");
            let body = http_body_util::Full::from(receipt.to_string());
            let reply = app.send(request.body(body).unwrap()).await;
            assert_eq!(reply.assert_ok().json()["valid"], is_valid);
        }
    }
}

#[tokio::test]
async fn what_an_erased_id_does_later_is_not_left_over() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    app.hurry_old_parts().await;
    app.send_events(&owner, &[("e", "ada", json!({})), ("e", "bob", json!({}))]).await;
    let id = app.erase(&owner, &app.person_uuid("ada").await).await;
    app.erasure_at(&owner, &id, |erasure| erasure["step"] == "wait").await;
    // The spool keeps what came before for a while; what she does now stays there when that is gone.
    app.clock.advance(Duration::from_secs(16 * 60));
    let now = app.clock.now().to_string();
    let back = json!([{ "event": "back", "distinct_id": "ada", "timestamp": now, "uuid": app.clock.new_uuid() }]);
    app.post_json("/batch/", &json!({ "api_key": owner.api_key, "batch": back })).await.assert_ok();
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events WHERE event = 'back'").await, 1);
    let erasure = app.erased(&owner, &id).await;
    let counts = erasure["stores"].as_array().unwrap();
    let spool = counts.iter().find(|count| count["store"] == "spool.events").unwrap();
    assert_eq!((spool["before"].as_u64() > Some(0), &spool["after"]), (true, &json!(0)), "{erasure}");
    assert_eq!(app.ch_count("SELECT count() FROM events WHERE event = 'back'").await, 1);
}

#[tokio::test]
async fn another_instance_takes_a_job_over_without_the_spool_of_the_first() {
    let mut app = TestApp::start().await;
    let owner = app.set_up().await;
    app.hurry_old_parts().await;
    for _ in 0..20 {
        app.send_events(&owner, &[("e", "ada", json!({}))]).await;
    }
    let mut turn = app.pg_pool().acquire().await.unwrap().detach();
    sqlx::raw_sql("SELECT pg_advisory_lock(x'7e5e0013'::bigint)").execute(&mut turn).await.unwrap();
    let privacy = app.state().privacy().clone();
    let project = ProjectId::new(owner.project.try_into().unwrap());
    let name = SubjectName::DistinctId("ada".to_owned());
    let mut row = privacy.erase(project, &name, "Ada", false).await.unwrap().unwrap();
    advance(&privacy, &mut row).await;
    app.stop().await;
    turn.close().await.unwrap();
    // Another machine: its spool is empty, and its numbers start anew.
    std::fs::remove_dir_all(app.data_dir().join("spool")).unwrap();
    app.restart().await;
    let erasure = app.erased(&owner, &row.id.to_string()).await;
    let events = erasure["stores"].as_array().unwrap().iter().find(|count| count["store"] == "clickhouse.events");
    assert_eq!(events, Some(&json!({ "store": "clickhouse.events", "before": 20, "after": 0 })));
}
