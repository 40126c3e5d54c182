//! `TENREC_ACK=store`: 200 means that both stores have the events, and nothing is kept on disk.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenrec::config::Ack;
use tokio_util::task::TaskTracker;

use crate::capture::create_project;
use crate::support::{TestApp, TestAppBuilder, eventually};

const KEY: &str = "phc_ack_store";

fn builder() -> TestAppBuilder {
    TestApp::builder().config(|config| config.stores.ack = Ack::Store)
}

/// Events with uuids of their own, as SDKs send them.
fn batch(first: u32, events: u32) -> Value {
    let events: Vec<_> = (first..first + events)
        .map(|n| {
            let uuid = format!("01930000-0000-7000-8000-{n:012}");
            json!({"event": "tick", "distinct_id": format!("user-{}", n % 7), "uuid": uuid, "properties": {"n": n}})
        })
        .collect();
    json!({"api_key": KEY, "batch": events})
}

async fn count(app: &TestApp) -> (u64, u64) {
    let rows = app.ch_rows("SELECT count() AS rows, uniqExact(uuid) AS events FROM events").await;
    (rows[0]["rows"].as_u64().unwrap(), rows[0]["events"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_means_that_a_query_finds_the_events_and_no_spool_is_made() {
    let app = builder().start().await;
    create_project(&app, KEY).await;
    app.post_json("/batch/", &batch(0, 50)).await.assert_ok();
    assert_eq!(count(&app).await, (50, 50));
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM persons").await, 7);
    // Half of it once more.
    app.post_json("/batch/", &batch(25, 50)).await.assert_ok();
    assert_eq!(count(&app).await, (75, 75));
    assert!(!app.data_dir().join("spool").exists());

    let ready = app.get("/readyz").await;
    let parts = json!({"status": "ready", "postgres": "up", "clickhouse": "up"});
    assert_eq!(ready.assert_ok().json(), parts);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_send_at_once_are_stored_together() {
    let app = builder().start().await;
    create_project(&app, KEY).await;
    let bodies: Vec<Value> = (0..100).map(|n| batch(n * 3, 3)).collect();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| app.post_json("/batch/", body))).await;
    for answer in answers {
        answer.assert_ok();
    }
    assert_eq!(count(&app).await, (300, 300));
    let batches = app.ch_count("SELECT uniqExact(inserted_by) FROM events").await;
    assert!(batches <= 50, "{batches} batches for 100 requests");
    // Nothing more happens at the end or at the next start.
    let mut app = app;
    app.restart().await;
    assert_eq!(count(&app).await, (300, 300));
    assert!(!app.data_dir().join("spool").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_nothing_is_acknowledged_and_who_sends_again_counts_once() {
    let app = builder().behind_proxy().start().await;
    create_project(&app, KEY).await;
    app.post_json("/batch/", &batch(0, 10)).await.assert_ok();

    app.proxy().set_closed(true);
    let refused = app.post_json("/batch/", &batch(10, 10)).await;
    assert_eq!(refused.assert_status(503).json()["code"], "unavailable");
    assert_eq!(refused.header("retry-after"), "5");
    // Now that it is known that a store is away, there is no waiting; memory does not grow.
    let asked = Instant::now();
    for _ in 0..20 {
        app.post_json("/batch/", &batch(20, 10)).await.assert_status(503);
    }
    assert!(asked.elapsed() < Duration::from_secs(60), "each of them waited");
    let ready = app.get("/readyz").await;
    assert_eq!(ready.assert_status(503).json()["clickhouse"], "down");
    app.proxy().set_closed(false);

    let sent_again = async |body: &Value| {
        eventually("it is accepted again", async || {
            app.post_json("/batch/", body).await.status.is_success().then_some(())
        })
        .await;
    };
    sent_again(&batch(10, 10)).await;
    assert_eq!(count(&app).await, (20, 20), "those of the first try and of the second are the same");
    sent_again(&batch(20, 10)).await;
    assert_eq!(count(&app).await, (30, 30));
    app.get("/readyz").await.assert_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_the_store_loses_nothing_and_doubles_nothing() {
    let app = builder().behind_proxy().start().await;
    create_project(&app, KEY).await;
    app.proxy().drop_answers(2);
    app.post_json("/batch/", &batch(0, 10)).await.assert_ok();
    app.post_json("/batch/", &batch(10, 10)).await.assert_ok();
    assert_eq!(app.proxy().dropped(), 2, "the test did what it says");
    assert_eq!(count(&app).await, (20, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_while_a_store_is_away_answers_all_who_wait() {
    let mut app = builder().behind_proxy().start().await;
    create_project(&app, KEY).await;
    app.post_json("/batch/", &batch(0, 1)).await.assert_ok();
    app.proxy().set_closed(true);
    let url = app.url("/batch/");
    let before = app.state().intake.position();
    let waiting = TaskTracker::new().spawn(async move {
        let request = http::Request::post(url).header("content-type", "application/json");
        crate::support::Reply::of(request.body(http_body_util::Full::from(batch(1, 5).to_string())).unwrap()).await
    });
    eventually("the request waits", async || (app.state().intake.position() > before).then_some(())).await;
    app.stop().await;
    waiting.await.unwrap().assert_status(503);
    assert_eq!(count(&app).await, (1, 1));
    app.proxy().set_closed(false);
    app.restart().await;
    app.post_json("/batch/", &batch(1, 5)).await.assert_ok();
    assert_eq!(count(&app).await, (6, 6));
}
