//! Events that are sent again, at once or days later, count once.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tenrec::model::Clock;
use uuid::Uuid;

use crate::capture::create_project;
use crate::support::TestApp;

const KEY: &str = "phc_again";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Half an hour before a month's end.
fn begin() -> Timestamp {
    "2026-10-31T23:30:00Z".parse().unwrap()
}

fn v7(number: u32) -> Uuid {
    let made = u128::from(begin().as_millisecond().unsigned_abs());
    Uuid::from_u128(made << 80 | 0x7000_8000_0000_0000_0000 | u128::from(number))
}

fn v4(number: u32) -> Uuid {
    Uuid::from_u128(0x7f0f_d2b1_5b0e_4b0a_9b0a_0000_0000_0000 + u128::from(number))
}

/// Requests of one event each, sent at this moment by clients that do it in their own way.
fn requests(now: Timestamp) -> Vec<(&'static str, Value)> {
    let made = begin() - Duration::from_secs(2);
    let request = |uuid: Uuid, event: Value, batch: Value| {
        let mut whole = json!({"event": "tick", "distinct_id": "u", "uuid": uuid, "properties": {}});
        whole.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        let mut body = json!({"api_key": KEY, "batch": [whole]});
        body.as_object_mut().unwrap().extend(batch.as_object().unwrap().clone());
        body
    };
    let ahead = Duration::from_secs(3 * 3600);
    vec![
        ("a time", request(v4(1), json!({"timestamp": made}), json!({}))),
        ("a corrected time", request(v4(2), json!({"timestamp": made}), json!({"sent_at": now}))),
        ("an old request", request(v4(3), json!({"timestamp": made}), json!({"sent_at": begin()}))),
        ("an old request, uuid v7", request(v7(4), json!({"timestamp": made}), json!({"sent_at": begin()}))),
        ("a clock ahead", request(v4(5), json!({"timestamp": made + ahead}), json!({"sent_at": now + ahead}))),
        (
            "a clock set back since",
            request(v4(6), json!({"timestamp": made + ahead}), json!({"sent_at": now.max(begin() + ahead)})),
        ),
        ("history", request(v4(7), json!({"timestamp": made - 90 * DAY}), json!({"historical_migration": true}))),
        (
            "old history",
            request(
                v4(8),
                json!({"timestamp": made - 90 * DAY}),
                json!({"historical_migration": true, "sent_at": begin()}),
            ),
        ),
        (
            "history as it is",
            request(
                v4(9),
                json!({"timestamp": made - 90 * DAY, "properties": {"$ignore_sent_at": true}}),
                json!({"historical_migration": true, "sent_at": now}),
            ),
        ),
        ("no time", request(v4(10), json!({}), json!({}))),
        ("no time, sent", request(v4(11), json!({}), json!({"sent_at": begin()}))),
        ("no time, uuid v7", request(v7(12), json!({}), json!({}))),
        ("an offset, uuid v7", request(v7(13), json!({"offset": 2000}), json!({}))),
    ]
}

/// The clock goes from the first sending to the last by these steps, over the end of the month.
async fn count_once(steps: &[Duration], is_counted: impl Fn(&str) -> bool) {
    let clock = Clock::frozen(begin());
    let app = TestApp::builder().clock(clock.clone()).start().await;
    create_project(&app, KEY).await;
    let mut sent = 0;
    for step in [Duration::ZERO].iter().chain(steps) {
        clock.advance(*step);
        for (_, request) in requests(clock.now()).iter().filter(|(name, _)| is_counted(name)) {
            app.post_json("/batch/", request).await.assert_ok();
            sent += 1;
        }
        app.flush().await;
        let rows = app.ch_rows("SELECT toString(uuid) AS uuid, count() AS rows, groupArray(toString(timestamp)) AS times FROM events GROUP BY uuid HAVING rows > 1").await;
        let now = clock.now();
        assert!(rows.is_empty(), "{step:?} later, at {now}: {rows:?}");
        // A merge may have hidden what the pipeline has not.
        let (stored, duplicates) = (app.state().pipeline.status().stored, app.state().pipeline.status().duplicates);
        let events = requests(now).iter().filter(|(name, _)| is_counted(name)).count() as u64;
        assert_eq!((stored, duplicates), (events, sent - events), "{step:?} later, at {now}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_sent_again_until_days_later_counts_once() {
    count_once(&[Duration::ZERO, MINUTE, HOUR, 25 * HOUR, 3 * DAY], |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_tells_when_it_was_made_counts_once_for_a_month() {
    count_once(&[29 * DAY], |name| !matches!(name, "no time" | "no time, sent")).await;
}
