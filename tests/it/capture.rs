//! Capture, through its door: what SDKs send, and what they hear.

use std::time::Duration;

use base64::Engine as _;
use http::{Method, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tenrec::ingest::enrich::Enricher;
use tenrec::ingest::spool::{BatchLimits, Spool, SpoolConfig};
use tenrec::ingest::{AcceptedEvent, CaptureError, CaptureRequest, Door};
use tenrec::model::{Clock, ProjectId};

use crate::fixtures::{self, is_capture, recordings};
use crate::support::{TestApp, gzip};

const KEY: &str = "phc_test";

/// Makes a project with this key.
pub async fn create_project(app: &TestApp, key: &str) {
    app.pg_execute(&format!(
        "WITH owner AS (
             INSERT INTO organizations (id, name, created_at) VALUES (gen_random_uuid(), 'Test', now()) RETURNING id
         )
         INSERT INTO projects (organization_id, name, api_key, time_zone, created_at)
         SELECT id, 'Test', '{key}', 'UTC', now() FROM owner"
    ))
    .await;
}

async fn app_with_project() -> TestApp {
    let app = TestApp::start().await;
    create_project(&app, KEY).await;
    app
}

fn event(name: &str) -> Value {
    json!({"event": name, "distinct_id": "u", "api_key": KEY})
}

#[tokio::test]
async fn every_path_takes_events_with_and_without_slash_and_never_redirects() {
    let app = app_with_project().await;
    for path in ["/e", "/i/v0/e", "/batch", "/capture", "/track", "/engage"] {
        for path in [path.to_owned(), format!("{path}/"), format!("{path}/?compression=gzip-js&_=1795226342176")] {
            let before = app.state().intake.position();
            let reply = app.post(&path, "text/plain", gzip(event("x").to_string().as_bytes())).await;
            assert_eq!(reply.assert_ok().text(), r#"{"status":"Ok"}"#, "{path}");
            assert_eq!(reply.header("content-type"), "application/json", "{path}");
            assert_eq!(app.state().intake.position(), before + 1, "{path}");
        }
        app.send(app.request(Method::PUT, path).body(Full::default()).unwrap()).await.assert_status(405);
    }
    let data = base64::engine::general_purpose::URL_SAFE.encode(event("by GET").to_string());
    app.get(&format!("/e/?data={data}&ip=1")).await.assert_ok();
    assert!(app.get("/metrics").await.text().contains("tenrec_events_accepted_total"));
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let app = TestApp::builder().config(|config| config.limits.max_body_bytes = 10_000).start().await;
    create_project(&app, KEY).await;
    let large = format!("{{\"event\":\"{}\"}}", "x".repeat(20_000));
    let before = app.state().intake.position();
    for (body, status, code) in [
        (String::new(), 400, "empty_body"),
        ("hello, world".to_owned(), 400, "invalid_json"),
        ("{\"event\":".to_owned(), 400, "invalid_json"),
        (json!({"event": "x", "distinct_id": "u"}).to_string(), 401, "missing_api_key"),
        (json!({"event": "x", "distinct_id": "u", "api_key": "phc_unknown"}).to_string(), 401, "invalid_api_key"),
        (json!({"event": "x", "distinct_id": "u", "api_key": "phx_personal"}).to_string(), 401, "invalid_api_key"),
        (json!([event("x"), {"event": "x", "api_key": "phc_other"}]).to_string(), 401, "several_api_keys"),
        (json!({"api_key": KEY, "batch": []}).to_string(), 400, "empty_batch"),
        (json!({"api_key": KEY, "event": "x"}).to_string(), 400, "missing_distinct_id"),
        (json!({"api_key": KEY, "batch": [{"distinct_id": "u"}, 3]}).to_string(), 400, "missing_event_name"),
        (large, 413, "payload_too_large"),
    ] {
        let shown = body.chars().take(80).collect::<String>();
        let reply = app.post("/batch/", "application/json", body).await;
        reply.assert_status(status);
        let answer = reply.json();
        assert_eq!(answer["code"], code, "{shown}");
        assert!(answer["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{shown}: {answer}");
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{shown}");
    }
    let bomb = gzip(format!("[{}", " ".repeat(1 << 20)).as_bytes());
    app.post("/e/", "text/plain", bomb).await.assert_status(413);
    assert_eq!(app.state().intake.position(), before + 2, "two requests of a known project are noted for the ledger");
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 0, "nothing of this was accepted");
}

#[tokio::test]
async fn one_bad_event_of_a_batch_costs_only_itself() {
    let app = app_with_project().await;
    let batch = json!({"api_key": KEY, "batch": [event("good"), {"event": "x"}, "odd", event("also good")]});
    let reply = app.post_json("/batch/", &batch).await;
    let answer = reply.assert_ok().json();
    assert_eq!(answer["status"], "Ok");
    assert_eq!(answer["rejected"][0]["index"], 1);
    assert_eq!(answer["rejected"][0]["code"], "missing_distinct_id");
    assert_eq!(answer["rejected"][1]["code"], "not_an_object");
    // Nothing but what is not kept is still no mistake of the sender's.
    let snapshot = json!([{"event": "$snapshot", "distinct_id": "u", "api_key": KEY}]);
    app.post_json("/e/", &snapshot).await.assert_ok();
    let metrics = app.get("/metrics").await;
    for reason in ["missing_distinct_id", "not_an_object", "recording"] {
        assert!(metrics.text().contains(&format!("tenrec_events_rejected_total{{reason=\"{reason}\"}}")), "{reason}");
    }
}

#[tokio::test]
async fn any_site_may_send_and_read_the_answer() {
    let app = app_with_project().await;
    let ask = |method: Method, path: &str| {
        app.request(method, path)
            .header(header::ORIGIN, "https://shop.example.test")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-encoding,content-type,x-own")
    };
    for path in ["/e/", "/i/v0/e", "/batch/", "/flags/?v=2", "/s/", "/static/array.js", "/array/phc_test/config"] {
        let preflight = app.send(ask(Method::OPTIONS, path).body(Full::default()).unwrap()).await;
        preflight.assert_ok();
        assert_eq!(preflight.header("access-control-allow-origin"), "https://shop.example.test", "{path}");
        assert_eq!(preflight.header("access-control-allow-credentials"), "true");
        assert_eq!(preflight.header("access-control-allow-methods"), "GET, POST, OPTIONS");
        assert_eq!(preflight.header("access-control-allow-headers"), "content-encoding,content-type,x-own");
        assert_eq!(preflight.header("access-control-expose-headers"), "retry-after");
        assert!(!preflight.header("access-control-max-age").is_empty());
    }
    for (body, status) in [(event("x").to_string(), 200), ("nonsense!".to_owned(), 400)] {
        let reply = app.send(ask(Method::POST, "/e/").body(Full::from(body)).unwrap()).await;
        reply.assert_status(status);
        assert_eq!(reply.header("access-control-allow-origin"), "https://shop.example.test");
    }
    assert_eq!(app.get("/healthz").await.header("access-control-allow-origin"), "", "only what SDKs call is open");
}

#[tokio::test]
async fn a_project_made_later_is_found_and_a_deleted_one_forgotten() {
    let app = TestApp::start().await;
    app.post_json("/e/", &event("too early")).await.assert_status(401);
    create_project(&app, KEY).await;
    app.clock.advance(Duration::from_secs(6));
    app.post_json("/e/", &event("now")).await.assert_ok();
    app.pg_execute("DELETE FROM projects").await;
    app.post_json("/e/", &event("still remembered")).await.assert_ok();
    app.clock.advance(Duration::from_secs(61));
    app.post_json("/e/", &event("too late")).await.assert_status(401);
}

#[tokio::test]
async fn a_full_spool_is_answered_with_a_time_to_come_back() {
    let app = TestApp::builder().config(|config| config.limits.spool_max_mb = 0).start().await;
    create_project(&app, KEY).await;
    let reply = app.post_json("/e/", &event("x")).await;
    reply.assert_status(503);
    assert_eq!(reply.header("retry-after"), "5");
    assert_eq!(reply.json()["code"], "unavailable");
}

/// Visitors without cookies are rejected unless the project takes them: `privacy::cookieless` sends this one.
fn is_cookieless(recording: &fixtures::Recording) -> bool {
    recording.name.contains("js-cookieless")
}

#[tokio::test]
async fn every_recorded_event_arrives_in_the_store_once() {
    let app = TestApp::start().await;
    create_project(&app, fixtures::KEY).await;
    let limits = tenrec::config::Config::defaults().limits;
    let mut named = std::collections::HashSet::new();
    let mut unnamed = 0;
    for recording in recordings().iter().filter(|r| is_capture(r) && !is_cookieless(r)) {
        let sent = &recording.request;
        let path = recording.path.strip_prefix("/ph").unwrap_or(&recording.path);
        let mut request = app.request(recording.method.parse().unwrap(), &format!("{path}?{}", sent.query));
        for (name, value) in [("content-type", &sent.content_type), ("content-encoding", &sent.content_encoding)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let reply = app.send(request.body(Full::from(sent.body.clone())).unwrap()).await;
        assert_eq!(
            reply.assert_ok().text().contains("rejected"),
            recording.name.contains("$snapshot"),
            "{}",
            recording.name
        );
        // The clock stands: a reading of the same request gives other uuids only to events that have none.
        let read = || sent.read(&limits).unwrap().check(ProjectId::new(1), &app.clock, &limits).accepted;
        for (one, other) in read().into_iter().zip(read()) {
            if one.uuid == other.uuid {
                named.insert(one.uuid);
            } else {
                unnamed += 1;
            }
        }
    }
    app.flush().await;
    let stored = app.ch_count("SELECT count() FROM events").await;
    assert_eq!(stored, named.len() as u64 + unnamed, "{} with a uuid and {unnamed} without", named.len());
    let rows = app.ch_rows("SELECT `$elements_chain` AS chain FROM events WHERE event = '$dead_click' LIMIT 1").await;
    assert!(rows[0]["chain"].as_str().is_some_and(|chain| chain.starts_with("button")), "{rows:?}");
}

#[tokio::test]
async fn odd_values_are_stored_and_cost_their_neighbours_nothing() {
    let app = app_with_project().await;
    let odd = [
        r#""nan":NaN,"inf":[-Infinity,1]"#.to_owned(),
        r#""half":"\ud83d","pair":"\ud83d\ude00""#.to_owned(),
        r#""big":123456789012345678901234567890,"small":-9223372036854775809,"most":18446744073709551615"#.to_owned(),
        r#""far":1e400,"close":1e-400,"float":1e300"#.to_owned(),
        r#""twice":1,"twice":{"a":2}"#.to_owned(),
        r#""a.b":1,"a":{"b":2},"a%2Eb":3"#.to_owned(),
        r#""":1,"in":{"":{"":2}},"nul\u0000":"x\u0000y""#.to_owned(),
        r#""browser":{"x":1},"$browser":{"x":1},"$screen_width":"wide","$is_identified":"yes""#.to_owned(),
        format!(r#""deep":{}1{}"#, "[".repeat(300), "]".repeat(300)),
        format!(r#""wide":[{}0]"#, "0,".repeat(5000)),
        format!(r#""long":"{}""#, "é".repeat(100_000)),
        format!(r#""{}":1"#, "k".repeat(1000)),
        (0..3000).map(|n| format!(r#""k{n}":{n}"#)).collect::<Vec<_>>().join(","),
        r#""same":1"#.to_owned(),
        r#""same":"text""#.to_owned(),
        r#""same":{"a":[1,"x",{"b":null}]}"#.to_owned(),
        r#""same":[]"#.to_owned(),
    ];
    for (place, properties) in odd.iter().enumerate() {
        let event = format!(r#"{{"event":"odd {place}","distinct_id":"u","properties":{{{properties}}}}}"#);
        let neighbour = r#"{"event":"neighbour","distinct_id":"u","properties":{"ok":true}}"#;
        let batch = format!(r#"{{"api_key":"{KEY}","batch":[{neighbour},{event},{neighbour}]}}"#);
        let reply = app.post("/batch/", "application/json", batch).await;
        assert_eq!(reply.assert_ok().text(), r#"{"status":"Ok"}"#, "{}", &properties[..properties.len().min(80)]);
    }
    let mut broken =
        format!(r#"[{{"api_key":"{KEY}","event":"bytes","distinct_id":"u","properties":{{"a":""#).into_bytes();
    broken.extend_from_slice(b"\xff\xc3\"}}]");
    app.post("/e/", "application/json", broken).await.assert_ok();
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events WHERE event = 'neighbour'").await, 2 * odd.len() as u64);
    assert_eq!(app.ch_count("SELECT uniq(event) FROM events WHERE event LIKE 'odd %'").await, odd.len() as u64);
    let properties = async |event: &str| {
        let rows = app
            .ch_rows(&format!(
                "SELECT properties FROM events WHERE event = '{event}' SETTINGS json_type_escape_dots_in_keys = 1"
            ))
            .await;
        rows[0]["properties"].clone()
    };
    assert_eq!(properties("odd 1").await, json!({"half": "\u{fffd}", "pair": "😀"}));
    assert_eq!(properties("odd 2").await["big"], "123456789012345678901234567890");
    assert_eq!(properties("odd 2").await["most"], u64::MAX);
    assert_eq!(properties("odd 3").await["far"], "1e400");
    assert_eq!(properties("odd 4").await, json!({"twice": {"a": 2}}));
    assert_eq!(properties("odd 5").await, json!({"a.b": 1, "a": {"b": 2}}));
    assert_eq!(properties("odd 6").await, json!({"": 1, "in": {"": {"": 2}}, "nul": "xy"}));
    assert_eq!(properties("odd 10").await["$truncated"], json!(["long"]));
    assert_eq!(properties("bytes").await, json!({"a": "\u{fffd}\u{fffd}"}));
}

/// A door of its own in front of a spool of its own, on the test's Postgres.
async fn door(
    app: &TestApp,
    clock: &Clock,
    dir: &std::path::Path,
) -> (Door, Spool, tenrec::ingest::spool::SpoolReader) {
    let config = SpoolConfig::new(dir.to_owned(), 1 << 30);
    let (spool, reader) = Spool::open(&config).expect("the spool opens");
    let limits = tenrec::config::Config::defaults().limits;
    (Door::new(app.state().pg.clone(), clock.clone(), limits, spool.clone()), spool, reader)
}

#[tokio::test]
async fn what_is_acknowledged_stands_in_the_spool_event_for_event() {
    let app = TestApp::start().await;
    create_project(&app, fixtures::KEY).await;
    let dir = tempfile::tempdir().expect("a directory");
    let (door, spool, reader) = door(&app, &app.clock, dir.path()).await;
    let limits = tenrec::config::Config::defaults().limits;
    let mut expected: Vec<AcceptedEvent> = Vec::new();
    for recording in recordings().iter().filter(|r| is_capture(r) && !is_cookieless(r)) {
        let read = recording.request.read(&limits).expect("a recorded request can be read");
        let project = door.find_project(read.key()).await.expect("the project exists");
        let mut checked = read.check(project, &app.clock, &limits);
        Enricher::default().enrich(&mut checked.accepted, &recording.request.origin);
        expected.extend(checked.accepted);
        door.accept(recording.request.clone()).await.unwrap_or_else(|e| panic!("{}: {e}", recording.name));
    }
    let mut stored = Vec::new();
    let some = BatchLimits { events: 100, bytes: 1 << 20 };
    while let Some(batch) = reader.next_or_none(some).await.expect("the spool can be read") {
        stored.extend(batch.events);
        reader.stored(batch.last_seq).await.expect("the cursor moves");
    }
    spool.close().await;
    assert_eq!(stored.len(), expected.len());
    for (mut stored, expected) in stored.into_iter().zip(expected) {
        if expected.uuid.get_version_num() == 7 && stored.uuid != expected.uuid {
            // Made at the door, once for each reading.
            stored.uuid = expected.uuid;
        }
        assert_eq!(stored, expected);
    }
}

#[tokio::test]
async fn while_postgres_is_away_known_projects_are_served_and_others_asked_to_wait() {
    let app = app_with_project().await;
    let dir = tempfile::tempdir().expect("a directory");
    let (door, _spool, _reader) = door(&app, &app.clock, dir.path()).await;
    let request = |key: &str| CaptureRequest {
        body: json!({"event": "x", "distinct_id": "u", "api_key": key}).to_string().into(),
        ..CaptureRequest::default()
    };
    assert_eq!(door.accept(request(KEY)).await.expect("accepted").events, 1);
    app.state().pg.close().await;
    app.clock.advance(Duration::from_secs(600));
    assert_eq!(door.accept(request(KEY)).await.expect("accepted").events, 1);
    assert!(matches!(door.accept(request("phc_new")).await, Err(CaptureError::Unavailable)));
}
