//! Capture v1, through its door: what server SDKs send in headers and body, and what they hear of each event.

use std::io::Write;

use http::Method;
use http_body_util::Full;
use serde_json::{Value, json};
use tenrec::config::Config;
use tenrec::ingest::enrich::Origin;
use tenrec::ingest::v1::V1Request;
use tenrec::model::{Clock, ProjectId};

use crate::capture::create_project;
use crate::fixtures::{self, Recording, recordings};
use crate::support::{Reply, TestApp};

const PATH: &str = "/i/v1/analytics/events";
const UUID: &str = "01a1fbc5-56ec-700b-a097-8e6145c0d1af";

fn is_v1(recording: &Recording) -> bool {
    recording.method == "POST" && recording.path.trim_end_matches('/') == PATH
}

/// What a good request says in its headers.
fn headers() -> Vec<(&'static str, String)> {
    vec![
        ("authorization", format!("Bearer {}", fixtures::KEY)),
        ("content-type", "application/json; charset=utf-8".to_owned()),
        ("user-agent", "posthog-node/5.70.0".to_owned()),
        ("posthog-sdk-info", "posthog-node/5.70.0".to_owned()),
        ("posthog-attempt", "1".to_owned()),
        ("posthog-request-id", UUID.to_owned()),
        ("posthog-request-timestamp", "2026-11-01T12:00:00Z".to_owned()),
    ]
}

async fn send(app: &TestApp, path: &str, headers: &[(&str, String)], body: Vec<u8>) -> Reply {
    let request = headers.iter().fold(app.request(Method::POST, path), |r, (name, value)| r.header(*name, value));
    app.send(request.body(Full::from(body)).unwrap()).await
}

fn event(fields: Value) -> Value {
    let mut event = json!({"event": "x", "uuid": UUID, "distinct_id": "u", "timestamp": "2026-11-01T11:00:00Z"});
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

fn batch(events: &[Value]) -> Vec<u8> {
    json!({"created_at": "2026-11-01T12:00:00Z", "batch": events}).to_string().into_bytes()
}

async fn app_with_project() -> TestApp {
    let app = TestApp::start().await;
    create_project(&app, fixtures::KEY).await;
    app
}

#[tokio::test]
async fn every_recorded_request_becomes_exactly_its_rows() {
    let clock = Clock::frozen("2026-11-21T02:00:00Z".parse().unwrap());
    let app = TestApp::builder().clock(clock.clone()).start().await;
    create_project(&app, fixtures::KEY).await;
    let mut sent = std::collections::BTreeMap::new();
    let mut requests = 0;
    for recording in recordings().iter().filter(|r| is_v1(r)) {
        let headers: Vec<_> = recording
            .headers
            .iter()
            .filter(|(name, _)| !["host", "connection", "content-length"].contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap().to_owned()))
            .collect();
        let path = if requests % 2 == 0 { PATH.to_owned() } else { format!("{PATH}/") };
        let reply = send(&app, &path, &headers, recording.request.body.to_vec()).await;
        let results = reply.assert_ok().json();
        let body = recording.decoded.as_ref().unwrap();
        let events = body["batch"].as_array().unwrap();
        assert_eq!(results["results"].as_object().unwrap().len(), events.len(), "{}", recording.name);
        for event in events {
            let uuid = event["uuid"].as_str().unwrap();
            assert_eq!(results["results"][uuid], json!({"result": "ok", "details": null}), "{}", recording.name);
            // The recorder asked for one event again; here it was accepted at once, and what came first stays.
            sent.entry(uuid.to_owned()).or_insert_with(|| (event.clone(), recording.headers.clone()));
        }
        requests += 1;
    }
    assert!(requests >= 20, "only {requests} requests were found");
    app.flush().await;
    let rows = app
        .ch_rows(
            "SELECT toString(uuid) AS id, event, distinct_id, toUnixTimestamp64Micro(timestamp) AS at,
                 `$lib` AS lib, `$lib_version` AS lib_version, `$session_id` AS session
             FROM events",
        )
        .await;
    assert_eq!(rows.len(), sent.len());
    for row in rows {
        let (event, headers) = &sent[row["id"].as_str().unwrap()];
        assert_eq!(row["event"], event["event"]);
        assert_eq!(row["distinct_id"], event["distinct_id"], "{event}");
        let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let skew = clock.now().duration_since(time(&headers["posthog-request-timestamp"]));
        assert_eq!(row["at"], (time(&event["timestamp"]) + skew).as_microsecond(), "{event}");
        let (lib, version) = headers["posthog-sdk-info"].as_str().unwrap().rsplit_once('/').unwrap();
        assert_eq!((row["lib"].as_str(), row["lib_version"].as_str()), (Some(lib), Some(version)), "{row}");
        assert_eq!(row["session"].as_str().unwrap_or_default(), event["session_id"].as_str().unwrap_or_default());
    }
}

#[test]
fn every_recorded_event_is_accepted_with_exactly_its_properties() {
    let mut compared = 0;
    for recording in recordings().iter().filter(|r| is_v1(r)) {
        let header = |name: &str| recording.headers[name].as_str().unwrap();
        let sent_at: jiff::Timestamp = header("posthog-request-timestamp").parse().unwrap();
        let (lib, version) = header("posthog-sdk-info").rsplit_once('/').unwrap();
        let request = V1Request {
            key: fixtures::KEY.parse().unwrap(),
            sdk_info: header("posthog-sdk-info").to_owned(),
            sent_at,
            content_encoding: recording.request.content_encoding.clone(),
            body: recording.request.body.clone(),
            is_ai: false,
            origin: Origin::default(),
        };
        let clock = Clock::frozen(recording.received_at);
        let checked = request.check(ProjectId::new(1), &clock, &Config::defaults().limits);
        let checked = checked.unwrap_or_else(|e| panic!("{}: {e}", recording.name));
        let events = recording.decoded.as_ref().unwrap()["batch"].as_array().unwrap();
        assert_eq!(checked.accepted.len(), events.len(), "{}", recording.name);
        for (accepted, event) in checked.accepted.into_iter().zip(events) {
            let mut expected = event["properties"].as_object().unwrap().clone();
            if expected.get("distinct_id") == Some(&event["distinct_id"]) {
                expected.remove("distinct_id");
            }
            expected.insert("$lib".to_owned(), lib.into());
            expected.insert("$lib_version".to_owned(), version.into());
            expected.insert("$sent_at".to_owned(), sent_at.to_string().into());
            for (place, property) in [
                (&event["session_id"], "$session_id"),
                (&event["window_id"], "$window_id"),
                (&event["options"]["process_person_profile"], "$process_person_profile"),
            ] {
                if !place.is_null() {
                    expected.insert(property.to_owned(), place.clone());
                }
            }
            assert_eq!(Value::from(accepted.properties), Value::Object(expected), "{}", recording.name);
            compared += 1;
        }
    }
    assert!(compared >= 40, "only {compared} events were compared");
}

#[tokio::test]
async fn every_event_is_answered_for() {
    let app = app_with_project().await;
    for (fields, result, details) in [
        (json!({}), "ok", Value::Null),
        (json!({"event": ""}), "drop", "missing_event_name".into()),
        (json!({"event": "e".repeat(201)}), "drop", "event_name_too_long".into()),
        (json!({"distinct_id": null}), "drop", "missing_distinct_id".into()),
        (json!({"distinct_id": "d".repeat(201)}), "drop", "distinct_id_too_large".into()),
        (json!({"timestamp": "yesterday"}), "drop", "invalid_event_timestamp".into()),
        (json!({"properties": [1]}), "drop", "malformed_event_properties".into()),
        (json!({"options": {"cookieless_mode": "yes"}}), "drop", "invalid_options".into()),
        (json!({"distinct_id": " Anonymous "}), "warning", "person_processing_disabled".into()),
    ] {
        let good = event(json!({"uuid": "01a1fbc5-56ec-700b-a097-000000000000"}));
        let reply = send(&app, PATH, &headers(), batch(&[event(fields.clone()), good.clone()])).await;
        let results = reply.assert_ok().json();
        assert_eq!(results["results"][UUID], json!({"result": result, "details": details}), "{fields}");
        assert_eq!(results["results"][good["uuid"].as_str().unwrap()]["result"], "ok", "{fields}");
    }
}

#[tokio::test]
async fn a_refused_request_has_its_tag() {
    let app = TestApp::builder().config(|config| config.limits.max_body_bytes = 10_000).start().await;
    create_project(&app, fixtures::KEY).await;
    let good = || batch(&[event(json!({}))]);
    let before = app.state().intake.position();
    for (body, status, tag) in [
        (Vec::new(), 400, "empty_body"),
        (batch(&[]), 400, "empty_batch"),
        (b"{}".to_vec(), 400, "invalid_batch"),
        (b"{\"batch\":".to_vec(), 400, "request_parsing_error"),
        (batch(&[event(json!({"uuid": null}))]), 400, "missing_event_uuid"),
        (batch(&[event(json!({"uuid": "x"}))]), 400, "invalid_event_uuid"),
        (batch(&[event(json!({})), event(json!({}))]), 400, "duplicate_event_uuid"),
        (batch(&[event(json!({"properties": {"a": "x".repeat(20_000)}}))]), 413, "payload_too_large"),
    ] {
        let reply = send(&app, PATH, &headers(), body).await;
        assert_eq!(reply.assert_status(status).json()["error"], tag);
    }
    for (name, value, status, tag) in [
        ("authorization", "", 401, "missing_authorization"),
        ("authorization", "Bearer phc_unknown", 401, "invalid_token"),
        ("content-type", "text/plain", 415, "unsupported_media_type"),
        ("content-encoding", "lzma", 415, "unsupported_encoding"),
        ("content-encoding", "gzip, br", 415, "unsupported_encoding"),
        ("posthog-sdk-info", "", 400, "missing_required_headers"),
        ("posthog-attempt", "0", 400, "invalid_header_value"),
        ("posthog-request-id", "1", 400, "invalid_header_value"),
        ("posthog-request-timestamp", "noon", 400, "invalid_header_value"),
    ] {
        let mut headers = headers();
        headers.retain(|(other, _)| *other != name);
        headers.push((name, value.to_owned()));
        let answer = send(&app, PATH, &headers, good()).await.assert_status(status).json();
        assert_eq!(answer["error"], tag, "{name}: {value}");
        assert!(answer["error_description"].as_str().is_some_and(|text| text.len() > 15), "{answer}");
    }
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let mut headers = headers();
        headers.push(("content-encoding", encoding.to_owned()));
        let reply = send(&app, PATH, &headers, b"no such thing at all".to_vec()).await;
        assert_eq!(reply.assert_status(400).json()["error"], "request_decoding_error", "{encoding}");
        let reply = send(&app, PATH, &headers, bomb(encoding)).await;
        assert_eq!(reply.assert_status(413).json()["error"], "payload_too_large", "{encoding}");
    }
    assert_eq!(app.state().intake.position(), before, "nothing of this was accepted");
}

/// Few bytes that become a megabyte and more.
fn bomb(encoding: &str) -> Vec<u8> {
    let zeros = vec![b' '; 1 << 20];
    match encoding {
        "gzip" => {
            let mut into = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            into.write_all(&zeros).unwrap();
            into.finish().unwrap()
        }
        "deflate" => {
            let mut into = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
            into.write_all(&zeros).unwrap();
            into.finish().unwrap()
        }
        // A window of 128 KB, then blocks that each repeat one byte 128 K times (RFC 8878 §3.1.1.2).
        "zstd" => {
            let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];
            for block in 0..16_u32 {
                let header = (128 << 10) << 3 | 1 << 1 | u32::from(block == 15);
                bomb.extend_from_slice(&header.to_le_bytes()[..3]);
                bomb.push(b' ');
            }
            bomb
        }
        // Uncompressed meta-blocks would be no bomb: this is `brotli` of a million spaces.
        _ => BROTLI_SPACES.to_vec(),
    }
}

const BROTLI_SPACES: &[u8] = &[0x5b, 0xff, 0xff, 0x8f, 0x5f, 0x02, 0x24, 0x1e, 0x0b, 0x04, 0x72, 0xef, 0x1f, 0x00];

#[tokio::test]
async fn events_of_language_models_may_be_larger() {
    let app = app_with_project().await;
    let large = || "x".repeat(3 << 20);
    let v0 = |event: &str| {
        let event = json!({"event": event, "distinct_id": "u", "properties": {"$ai_input": large()}});
        json!({"api_key": fixtures::KEY, "batch": [event]})
    };
    app.post_json("/batch/", &v0("$ai_span")).await.assert_status(400);
    for path in ["/i/v0/ai/batch", "/i/v0/ai/batch/"] {
        app.post_json(path, &v0("$ai_span")).await.assert_ok();
    }
    let body = || batch(&[event(json!({"event": "$ai_generation", "properties": {"$ai_input": large()}}))]);
    let result = send(&app, PATH, &headers(), body()).await.assert_ok().json();
    assert_eq!(result["results"][UUID], json!({"result": "drop", "details": "event_too_large"}));
    let result = send(&app, "/i/v1/ai/events", &headers(), body()).await.assert_ok().json();
    assert_eq!(result["results"][UUID]["result"], "ok");
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events WHERE event LIKE '$ai_%'").await, 3);
}

#[tokio::test]
async fn sdks_are_answered_below_a_configured_prefix_too() {
    let app = TestApp::builder().config(|config| config.server.path_prefix = Some("/ph".to_owned())).start().await;
    create_project(&app, fixtures::KEY).await;
    let event = json!({"api_key": fixtures::KEY, "event": "x", "distinct_id": "u"});
    for path in ["/ph/e/", "/ph/i/v0/e", "/ph/batch/", "/e/"] {
        app.post_json(path, &event).await.assert_ok();
    }
    app.get("/ph/static/array.js").await.assert_ok();
    send(&app, &format!("/ph{PATH}"), &headers(), batch(&[self::event(json!({}))])).await.assert_ok();
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 5);
}
