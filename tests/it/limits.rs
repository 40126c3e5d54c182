//! Too much, too often: what capture answers then, and whom it does not concern.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use clap::Args;
use http::Method;
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenrec::config::{Config, EventLimits};
use tenrec::ingest::spool::{BatchLimits, Spool, SpoolConfig};
use tenrec::ingest::{CaptureRequest, Door};

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

#[tokio::test]
async fn what_is_inside_an_event_is_cut_as_the_settings_say_however_it_is_read() {
    let tight = TestApp::builder().config(|config| {
        config.limits.event = EventLimits {
            max_event_properties: 6,
            max_event_values: 5,
            max_key_bytes: 64,
            max_text_bytes: 100,
            max_nesting: 3,
            max_event_ahead_hours: 2,
            max_event_age_days: 30,
        };
    });
    let app = tight.start().await;
    create_project(&app, KEY).await;
    let ahead = app.clock.now() + SignedDuration::from_hours(3);
    let long_ago = app.clock.now() - SignedDuration::from_hours(24 * 31);
    let event = |name: &str, at: Timestamp, more: Value| {
        let mut properties = json!({
            "text": "x".repeat(200),
            "k".repeat(70): 1,
            "deep": [[[[1]]]],
            "wide": [1, 2, 3, 4, 5],
        });
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"event": name, "distinct_id": "u", "timestamp": at, "properties": properties})
    };
    // The first is glanced at and read behind the spool; the address in the second has it read at once.
    for (name, at, more) in [
        ("glanced at", ahead, json!({"a": 1, "b": 2, "c": 3})),
        ("read at once", long_ago, json!({"a": 1, "$ip": "192.0.2.1", "c": 3})),
    ] {
        let body = json!({"api_key": KEY, "batch": [event(name, at, more)]});
        app.post_json("/batch/", &body).await.assert_ok();
    }
    let largest = json!({"api_key": KEY, "batch": [event("of a model", app.clock.now(), json!({}))]});
    app.post_json("/i/v0/ai/batch/", &largest).await.assert_ok();
    app.flush().await;

    let rows =
        app.ch_rows("SELECT event, timestamp = received_at AS is_now, properties FROM events ORDER BY event").await;
    let [glanced, of_a_model, read] = rows.as_slice() else { panic!("{rows:?}") };
    for (row, dropped) in [(glanced, "c"), (read, "c")] {
        let kept = &row["properties"];
        assert_eq!(kept["text"].as_str().map(str::len), Some(100), "{row}");
        assert_eq!(kept["k".repeat(64)], 1, "{row}");
        assert_eq!(kept["deep"], json!([["[[1]]"]]), "{row}");
        assert_eq!(kept["wide"], "[1,2,3,4,5]", "{row}");
        assert_eq!(kept["$truncated"], json!(["k".repeat(64), dropped, "text", "deep", "wide"]), "{row}");
        assert!(kept["$original_timestamp"].is_string(), "{row}");
        assert_eq!(row["is_now"], 1, "{row}");
    }
    assert_eq!(of_a_model["properties"]["text"].as_str().map(str::len), Some(200), "only its whole event is limited");
}

#[tokio::test]
async fn how_much_a_body_unpacks_to_and_how_many_values_it_holds_are_settings() {
    let packed = |text: &str| {
        let mut into = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        into.write_all(text.as_bytes()).unwrap();
        into.finish().unwrap()
    };
    let dense = json!({"api_key": KEY, "event": "e", "distinct_id": "u", "properties": {"a": "x".repeat(2 << 20)}});
    let many = json!({"api_key": KEY, "event": "e", "distinct_id": "u", "properties": {"a": vec![0; 2000]}});
    for (ratio, values, is_taken) in [(10_000, 3000, true), (100, 1000, false)] {
        let set = TestApp::builder().config(move |config| {
            config.limits.max_unpack_ratio = ratio;
            config.limits.max_request_values = values;
            config.limits.max_event_bytes = 4 << 20;
        });
        let app = set.start().await;
        create_project(&app, KEY).await;
        let replies = [
            (app.post("/e/", "text/plain", packed(&dense.to_string())).await, "payload_too_large"),
            (app.post_json("/e/", &many).await, "too_many_values"),
        ];
        for (reply, code) in replies {
            if is_taken {
                reply.assert_ok();
            } else {
                assert_eq!(reply.assert_status(413).json()["code"], code);
            }
        }
        app.flush().await;
    }
}

#[tokio::test]
async fn events_in_the_spool_are_read_under_the_limits_they_were_accepted_under() {
    let app = TestApp::start().await;
    create_project(&app, KEY).await;
    let dir = tempfile::tempdir().unwrap();
    let (spool, reader) = Spool::open(&SpoolConfig::new(dir.path().to_owned(), 1 << 30)).unwrap();
    let mut limits = Config::defaults().limits;
    limits.event.max_text_bytes = 5;
    let door = Door::new(app.state().pg.clone(), app.clock.clone(), limits, spool.clone());
    let body = json!({"api_key": KEY, "event": "e", "distinct_id": "u", "properties": {"a": "123456789"}});
    let request = CaptureRequest { body: body.to_string().into(), ..CaptureRequest::default() };
    door.accept(request).await.unwrap();
    spool.close().await;
    drop(reader);
    // The next start knows nothing of that setting.
    let (_spool, reader) = Spool::open(&SpoolConfig::new(dir.path().to_owned(), 1 << 30)).unwrap();
    let batch = reader.next_or_none(BatchLimits { events: 10, bytes: 1 << 20 }).await.unwrap().unwrap();
    assert_eq!(batch.events[0].properties["a"], "12345");
}

#[test]
fn every_setting_stands_in_the_table_for_people() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, configure) = readme.split_once("\n## Configure\n").expect("there is a chapter");
    let rows: Vec<&str> =
        configure.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with('|')).collect();
    let command = Config::augment_args(clap::Command::new("tenrec"));
    let missing: Vec<_> = command
        .get_arguments()
        .filter_map(|argument| argument.get_env()?.to_str())
        .filter(|name| !rows.iter().any(|row| row.contains(&format!("`{name}`"))))
        .collect();
    assert!(missing.is_empty(), "README's table of settings lacks {missing:?}");
}

/// Sends a request as it is written here and reads the head of the answer.
fn send_raw(app: &TestApp, parts: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    for part in parts {
        stream.write_all(part).unwrap();
    }
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_taken_in_one_piece_or_many_and_one_over_the_limit_hears_so_when_it_is_sent() {
    let app = TestApp::builder().config(|config| config.limits.max_body_bytes = 1 << 20).start().await;
    create_project(&app, KEY).await;
    let head =
        |more: &str| format!("POST /batch/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{more}\r\n\r\n");
    let event = |note: usize| {
        json!({"api_key": KEY, "event": "e", "distinct_id": "u", "properties": {"note": "x".repeat(note)}}).to_string()
    };
    let chunked = |body: &str| {
        let chunks = body
            .as_bytes()
            .chunks(10_000)
            .map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        [chunks.collect::<Vec<_>>().concat(), b"0\r\n\r\n".to_vec()].concat()
    };
    for (size, status) in [(10, 200), (500_000, 200), (1 << 20, 413), (3 << 20, 413)] {
        let body = event(size);
        let told = head(&format!("Content-Length: {}", body.len()));
        let expected = format!("HTTP/1.1 {status} ");
        let answer = send_raw(&app, &[told.as_bytes(), body.as_bytes()]);
        assert!(answer.starts_with(&expected), "{size}: {answer}");
        let answer = send_raw(&app, &[head("Transfer-Encoding: chunked").as_bytes(), &chunked(&body)]);
        assert!(answer.starts_with(&expected), "{size} in chunks: {answer}");
    }
    // Who asks first need not send it.
    let answer = send_raw(&app, &[head("Content-Length: 5000000\r\nExpect: 100-continue").as_bytes()]);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 4);
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
