//! Requests recorded from the real SDKs: request in, exact events out.
//!
//! What must come out is computed here a second time, plainly, from the decoded form that was recorded beside each request.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tenrec::config::Config;
use tenrec::ingest::{AcceptedEvent, CaptureRequest, Rejection};
use tenrec::model::{Clock, ProjectId};

pub const KEY: &str = "phc_TenrecFixtureProjectToken0000000000000000001";

/// One recorded request.
pub struct Recording {
    /// Folder and file, for messages.
    pub name: String,
    pub method: String,
    pub path: String,
    /// Name and version of the SDK.
    pub sdk: String,
    pub received_at: Timestamp,
    pub headers: Map<String, Value>,
    pub request: CaptureRequest,
    /// The JSON in the body, if it has any.
    pub decoded: Option<Value>,
}

/// A folder of what is shared beside the repository: in `TENREC_SHARED`, or `shared` beside it or two levels up.
pub fn shared_folder(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let given = std::env::var_os("TENREC_SHARED").map(PathBuf::from);
    let places = given.into_iter().chain([root.join("../shared"), root.join("../../shared")]);
    let folders: Vec<_> = places.map(|place| place.join(name)).collect();
    folders.iter().find(|folder| folder.is_dir()).cloned().unwrap_or_else(|| {
        panic!("the recorded requests are missing: no {folders:?}; set TENREC_SHARED to the folder that holds {name}")
    })
}

/// Where the recordings are.
fn folder() -> PathBuf {
    shared_folder("protocol/fixtures")
}

fn json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every recorded request, in order.
pub fn recordings() -> Vec<Recording> {
    let mut files = Vec::new();
    for scenario in fs::read_dir(folder()).expect("the folder can be read") {
        let scenario = scenario.expect("the folder can be read").path();
        if scenario.is_dir() && !scenario.ends_with("flag-vectors") {
            files.extend(
                fs::read_dir(&scenario).expect("it can be read").map(|file| file.expect("it can be read").path()),
            );
        }
    }
    files.retain(|file| !file.to_string_lossy().ends_with(".decoded.json"));
    files.sort();
    files.iter().map(|file| recording(file)).collect()
}

fn recording(file: &Path) -> Recording {
    let recorded = json(file);
    let text = |key: &str| recorded[key].as_str().unwrap_or_default().to_owned();
    let headers = recorded["headers"].as_object().cloned().unwrap_or_default();
    let header = |name: &str| headers.get(name).and_then(Value::as_str).map(str::to_owned);
    let decoded = file.with_extension("decoded.json");
    let path = text("path");
    Recording {
        name: file.iter().rev().take(2).map(|p| p.to_string_lossy()).collect::<Vec<_>>().join(" in "),
        method: text("method"),
        sdk: text("sdk"),
        received_at: text("received_at").parse().expect("a timestamp"),
        request: CaptureRequest {
            query: text("query"),
            content_type: header("content-type"),
            content_encoding: header("content-encoding"),
            body: base64::engine::general_purpose::STANDARD.decode(text("body_base64")).expect("base64").into(),
            is_person_update: path.contains("/engage"),
            ..CaptureRequest::default()
        },
        headers,
        path,
        decoded: decoded.is_file().then(|| json(&decoded)["body"].take()),
    }
}

/// Whether this is a capture request of version 0. Capture v1 is a protocol of its own.
pub fn is_capture(recording: &Recording) -> bool {
    let path = recording.path.strip_prefix("/ph").unwrap_or(&recording.path);
    recording.method != "OPTIONS"
        && ["e", "i/v0/e", "i/v0/ai/batch", "batch", "capture", "track", "engage"].contains(&path.trim_matches('/'))
}

#[test]
fn every_recorded_capture_request_becomes_exactly_its_events() {
    let limits = Config::defaults().limits;
    let project = ProjectId::new(1);
    let (mut requests, mut events) = (0, 0);
    for recording in recordings().iter().filter(|r| is_capture(r)) {
        let name = &recording.name;
        let read = recording.request.read(&limits).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read.key().as_str(), KEY, "{name}");
        let checked = read.check(project, &Clock::frozen(recording.received_at), &limits);
        let sent = sent_events(recording);
        assert_eq!(checked.accepted.len() + checked.rejected.len(), sent.len(), "{name}");
        for (place, reason) in &checked.rejected {
            assert_eq!(sent[*place].fields["event"], "$snapshot", "{name}: {reason}");
            assert_eq!(*reason, Rejection::Recording, "{name}");
        }
        let kept = sent.iter().filter(|event| event.fields.get("event").is_none_or(|e| e != "$snapshot"));
        for (event, sent) in checked.accepted.iter().zip(kept) {
            assert_same(event, sent, recording);
            events += 1;
        }
        requests += 1;
    }
    assert!(requests >= 200 && events >= 300, "only {requests} requests with {events} events were found");
}

/// An event as it was sent, with what its envelope says.
struct Sent {
    fields: Map<String, Value>,
    sent_at: Option<Timestamp>,
}

fn sent_events(recording: &Recording) -> Vec<Sent> {
    let body = recording.decoded.as_ref().unwrap_or_else(|| panic!("{} has no decoded form", recording.name));
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let sent_at = ["sent_at", "sentAt"].iter().find_map(|key| body.get(key).and_then(time)).or_else(|| {
        let ms = recording.request.query.split('&').find_map(|pair| pair.strip_prefix("_="))?;
        Timestamp::from_millisecond(ms.parse().ok()?).ok()
    });
    let events = match body {
        Value::Array(events) => events.clone(),
        Value::Object(envelope) if envelope.contains_key("batch") => {
            envelope["batch"].as_array().expect("a batch is an array").clone()
        }
        event => vec![event.clone()],
    };
    let object = |event: Value| event.as_object().expect("an event is an object").clone();
    events.into_iter().map(|event| Sent { fields: object(event), sent_at }).collect()
}

fn assert_same(event: &AcceptedEvent, sent: &Sent, recording: &Recording) {
    let name = format!("{} in {}", event.event, recording.name);
    let fields = &sent.fields;
    let mut properties = fields.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();

    assert_eq!(event.event, fields.get("event").and_then(Value::as_str).unwrap_or("$identify"), "{name}");
    let id = ["distinct_id", "$distinct_id"].iter().find_map(|key| fields.get(*key)).or(properties.get("distinct_id"));
    assert_eq!(Some(event.distinct_id.as_str()), id.and_then(Value::as_str), "{name}");
    match fields.get("uuid").and_then(Value::as_str) {
        Some(uuid) => assert_eq!(event.uuid.to_string(), uuid, "{name}"),
        None => assert_eq!(event.uuid.get_version_num(), 7, "{name}"),
    }

    let now = recording.received_at;
    let timestamp =
        fields.get("timestamp").and_then(Value::as_str).map(|t| t.parse::<Timestamp>().expect("a timestamp"));
    let offset = fields.get("offset").and_then(Value::as_i64);
    let expected = match (offset, timestamp, sent.sent_at) {
        (Some(offset), _, _) => now - SignedDuration::from_millis(offset),
        (None, Some(at), Some(sent_at)) => now + at.duration_since(sent_at),
        (None, at, _) => at.unwrap_or(now),
    };
    assert_eq!(event.timestamp.as_microsecond(), expected.as_microsecond(), "{name}");
    assert_eq!(event.received_at, now, "{name}");

    // What the door takes out, turns or adds.
    properties.remove("token");
    if properties.get("distinct_id").and_then(Value::as_str) == Some(&event.distinct_id) {
        properties.remove("distinct_id");
    }
    if event.event != "$$heatmap" {
        properties.remove("$heatmap_data");
    }
    for key in ["$set", "$set_once", "$unset", "$device_id", "$user_id"] {
        match (properties.get_mut(key), fields.get(key).cloned()) {
            (Some(Value::Object(below)), Some(Value::Object(over))) => below.extend(over),
            (_, Some(over)) => drop(properties.insert(key.to_owned(), over)),
            (_, None) => {}
        }
    }
    if let (None, Some(_), Some(sent_at)) = (offset, timestamp, sent.sent_at) {
        properties.insert("$sent_at".to_owned(), sent_at.to_string().into());
    }
    let mut stored = event.properties.clone();
    if properties.remove("$elements").is_some() && !properties.contains_key("$elements_chain") {
        let chain = stored.remove("$elements_chain");
        assert!(chain.is_some_and(|chain| chain.as_str().is_some_and(|c| !c.is_empty())), "{name}");
    }
    assert_eq!(Value::from(stored), Value::Object(properties), "{name}");
}

#[test]
fn the_chain_made_of_elements_is_the_one_that_the_browser_makes() {
    let mut compared = 0;
    for recording in recordings().iter().filter(|r| is_capture(r)) {
        for sent in sent_events(recording) {
            let Some(properties) = sent.fields.get("properties") else { continue };
            if let (Some(elements), Some(chain)) =
                (properties["$elements"].as_array(), properties["$elements_chain"].as_str())
            {
                assert_eq!(tenrec::ingest::elements::elements_chain(elements), chain, "{}", recording.name);
                compared += 1;
            }
        }
    }
    assert!(compared >= 2, "only {compared} events carry both forms");
}
