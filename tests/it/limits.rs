//! Too much, too often: what capture answers then, and whom it does not concern.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use http::Method;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::capture::create_project;
use crate::support::{Reply, TestApp, eventually};

const KEY: &str = "phc_limits";

fn batch(key: &str, events: usize) -> Value {
    let events: Vec<_> = (0..events).map(|n| json!({"event": "e", "distinct_id": format!("u{n}")})).collect();
    json!({"api_key": key, "batch": events})
}

async fn send_v1(app: &TestApp, path: &str) -> Reply {
    let uuid = app.clock.new_uuid();
    let event = json!({"event": "e", "uuid": uuid, "distinct_id": "u", "timestamp": "2026-11-01T12:00:00Z"});
    let request = app
        .request(Method::POST, path)
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .header("user-agent", "posthog-node/5.70.0")
        .header("posthog-sdk-info", "posthog-node/5.70.0")
        .header("posthog-attempt", "1")
        .header("posthog-request-id", uuid.to_string())
        .header("posthog-request-timestamp", "2026-11-01T12:00:00Z");
    let body = json!({"created_at": "2026-11-01T12:00:00Z", "batch": [event]}).to_string();
    app.send(request.body(Full::from(body)).unwrap()).await
}

async fn send_as(app: &TestApp, forwarded_for: &str) -> Reply {
    let request = app
        .request(Method::POST, "/e/")
        .header("content-type", "application/json")
        .header("x-forwarded-for", forwarded_for)
        .header("x-real-ip", forwarded_for);
    app.send(request.body(Full::from(batch(KEY, 1).to_string())).unwrap()).await
}

#[tokio::test]
async fn a_project_over_its_rate_hears_429_on_every_address_until_it_has_waited_and_others_do_not() {
    let limited = TestApp::builder().config(|config| {
        config.limits.events_per_second = 10;
        config.limits.events_burst = 20;
    });
    let app = limited.start().await;
    create_project(&app, KEY).await;
    create_project(&app, "phc_other").await;

    // More than the burst, on a full bucket: passes, and is owed.
    app.post_json("/batch/", &batch(KEY, 50)).await.assert_ok();
    let before = app.state().intake.position();
    for path in ["/e/", "/i/v0/e", "/batch/", "/capture", "/track/", "/i/v0/ai/batch/"] {
        let reply = app.post_json(path, &batch(KEY, 1)).await;
        let error = reply.assert_status(429).json();
        assert_eq!((&error["type"], &error["code"]), (&json!("throttled_error"), &json!("rate_limited")), "{path}");
        // 50 were taken, 20 were there: 30 are owed, and one more is asked for.
        assert_eq!(reply.header("retry-after"), "4", "{path}");
        assert!(error["detail"].as_str().unwrap().contains("4 seconds"), "{error}");
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(reply.header("access-control-expose-headers"), "retry-after", "{path}");
    }
    let update = json!({"$token": KEY, "$distinct_id": "u", "$set": {"a": 1}});
    app.post_json("/engage/", &update).await.assert_status(429);
    for path in ["/i/v1/analytics/events", "/i/v1/ai/events"] {
        let reply = send_v1(&app, path).await;
        assert_eq!(reply.assert_status(429).json()["error"], "rate_limited", "{path}");
        assert_eq!(reply.header("retry-after"), "4", "{path}");
    }
    assert_eq!(app.state().intake.position(), before, "nothing of this was accepted");
    app.post_json("/batch/", &batch("phc_other", 50)).await.assert_ok();
    assert!(app.get("/metrics").await.text().contains("tenrec_events_limited_total "));

    app.clock.advance(Duration::from_secs(4));
    app.post_json("/batch/", &batch(KEY, 1)).await.assert_ok();
    app.clock.advance(Duration::from_secs(1));
    send_v1(&app, "/i/v1/analytics/events").await.assert_ok();
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 102);
}

#[tokio::test]
async fn requests_from_one_address_are_limited_whatever_they_say_of_themselves() {
    let limited = TestApp::builder().config(|config| {
        config.limits.requests_per_second_per_ip = 1;
        config.limits.requests_burst_per_ip = 3;
    });
    let app = limited.start().await;
    create_project(&app, KEY).await;
    for n in 1..=3 {
        send_as(&app, &format!("198.51.100.{n}")).await.assert_ok();
    }
    let reply = send_as(&app, "198.51.100.4").await;
    assert_eq!(reply.assert_status(429).json()["code"], "rate_limited");
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(send_v1(&app, "/i/v1/analytics/events").await.assert_status(429).json()["error"], "rate_limited");
    // What a page needs to work is not capture.
    let flags = json!({"api_key": KEY, "distinct_id": "u"});
    app.post_json("/flags/?v=2", &flags).await.assert_ok();
    app.send(app.request(Method::OPTIONS, "/e/").body(Full::default()).unwrap()).await.assert_ok();
    // A body that is refused unread does not break the connection while it is being sent.
    app.post("/batch/", "application/json", vec![b' '; 8 << 20]).await.assert_status(429);
    app.clock.advance(Duration::from_secs(1));
    send_as(&app, "198.51.100.5").await.assert_ok();
    send_as(&app, "198.51.100.6").await.assert_status(429);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let limited = TestApp::builder().config(|config| {
        config.limits.requests_per_second_per_ip = 1;
        config.limits.requests_burst_per_ip = 1;
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let app = limited.start().await;
    create_project(&app, KEY).await;
    send_as(&app, "198.51.100.1").await.assert_ok();
    send_as(&app, "198.51.100.2").await.assert_ok();
    send_as(&app, "203.0.113.7, 198.51.100.1").await.assert_status(429);
    send_as(&app, "2001:db8:1:2::1").await.assert_ok();
    send_as(&app, "2001:db8:1:2:ffff::9").await.assert_status(429);
}

#[tokio::test]
async fn without_a_setting_nothing_is_limited() {
    let app = TestApp::start().await;
    create_project(&app, KEY).await;
    for _ in 0..20 {
        app.post_json("/batch/", &batch(KEY, 500)).await.assert_ok();
    }
    app.flush().await;
}

#[tokio::test]
async fn one_event_too_large_is_left_out_alone_and_where_larger_ones_are_taken_it_is_taken() {
    let small = TestApp::builder().config(|config| {
        config.limits.max_event_bytes = 2_000;
        config.limits.max_ai_event_bytes = 20_000;
    });
    let app = small.start().await;
    create_project(&app, KEY).await;
    let mut body = batch(KEY, 3);
    body["batch"][1]["properties"] = json!({"note": "x".repeat(5_000)});
    let rejected = app.post_json("/batch/", &body).await.assert_ok().json()["rejected"].clone();
    assert_eq!(rejected.as_array().map(Vec::len), Some(1));
    assert_eq!((&rejected[0]["index"], &rejected[0]["code"]), (&json!(1), &json!("event_too_large")));
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 2);
    let accepted = app.post_json("/i/v0/ai/batch/", &body).await.assert_ok().json();
    assert_eq!(accepted, json!({"status": "Ok"}));
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 5);
}

/// Whether a connection on which a whole request was sent gets an answer.
fn is_answered(stream: &mut TcpStream) -> bool {
    let sent = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut answer = [0; 512];
    sent.is_ok() && stream.read(&mut answer).is_ok_and(|n| answer[..n].starts_with(b"HTTP/1.1 200"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_too_many_connections_gets_no_more_until_one_ends() {
    let app = TestApp::builder().config(|config| config.limits.max_connections_per_ip = 3).start().await;
    let address = app.address();
    let open = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let is_answered = is_answered(&mut stream);
        (stream, is_answered)
    };
    let mut streams: Vec<_> = (0..3).map(|_| open()).collect();
    assert!(streams.iter().all(|(_, is_answered)| *is_answered));
    assert!(!open().1, "a fourth");
    assert!(is_answered(&mut streams[0].0), "those that are open go on");
    drop(streams.pop());
    eventually("there is room again", async || open().1.then_some(())).await;
}
