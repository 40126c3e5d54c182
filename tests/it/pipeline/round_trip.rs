//! What went in comes out.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use tenrec::model::property_columns::PROPERTY_COLUMNS;
use tenrec::storage::ch::original_key;

use super::rig::{Rig, event, object};
use crate::capture::create_project;
use crate::support::TestApp;

/// The properties of a row: columns and tail laid together.
fn properties_of(row: &Value) -> Map<String, Value> {
    let mut all = with_original_keys(row["properties"].as_object().unwrap());
    for column in PROPERTY_COLUMNS {
        if !row[column.key].is_null() {
            assert!(all.insert(column.key.to_owned(), row[column.key].clone()).is_none(), "{} twice", column.key);
        }
    }
    all
}

pub(super) fn with_original_keys(object: &Map<String, Value>) -> Map<String, Value> {
    fn value(of: &Value) -> Value {
        match of {
            Value::Object(object) => Value::Object(with_original_keys(object)),
            Value::Array(values) => Value::Array(values.iter().map(value).collect()),
            other => other.clone(),
        }
    }
    object.iter().map(|(key, v)| (original_key(key).into_owned(), value(v))).collect()
}

/// What can be told of a value by a query: absent, null and an object of nothing are the same, 1.0 is 1, and a null beside
/// lists is an empty one.
fn as_told(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(object) => {
            let told: Map<_, _> = object.iter().filter_map(|(k, v)| Some((k.clone(), as_told(v)?))).collect();
            (!told.is_empty()).then_some(Value::Object(told))
        }
        Value::Array(values) => {
            let null = if values.iter().any(Value::is_array) { json!([]) } else { Value::Null };
            let told = |v: &Value| as_told(v).unwrap_or_else(|| if v.is_null() { null.clone() } else { json!({}) });
            Some(Value::Array(values.iter().map(told).collect()))
        }
        Value::Number(n) => {
            let whole = n.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15);
            Some(whole.map_or_else(|| value.clone(), |f| json!(f as i64)))
        }
        other => Some(other.clone()),
    }
}

pub(super) fn told(object: &Map<String, Value>) -> Value {
    as_told(&Value::Object(object.clone())).unwrap_or(json!({}))
}

#[tokio::test]
async fn known_properties_stand_in_columns_and_misfits_in_the_tail() {
    let mut rig = Rig::start().await;
    let sent = object(json!({
        "$browser": "Firefox", "$screen_width": 1920, "$is_identified": true, "$prev_pageview_duration": 1.25,
        "$os": 11, "$screen_height": "tall", "$viewport_width": 1.5, "$pathname": null, "$host": ["a"],
        "plan": "pro", "$groups": { "company": "acme" },
    }));
    rig.append(&[event(1, "$pageview", "ada", Value::Object(sent.clone()))]).await;
    rig.drain().await;
    let rows = rig.rows("SELECT * FROM events").await;
    assert_eq!((rows[0]["$browser"].as_str(), rows[0]["$screen_width"].as_i64()), (Some("Firefox"), Some(1920)));
    assert_eq!((&rows[0]["$is_identified"], &rows[0]["$prev_pageview_duration"]), (&json!(true), &json!(1.25)));
    assert!(rows[0]["$os"].is_null() && rows[0]["$screen_height"].is_null());
    assert_eq!((&rows[0]["properties"]["$os"], &rows[0]["properties"]["$screen_height"]), (&json!(11), &json!("tall")));
    let mut stored = sent;
    stored.insert("$group_0".to_owned(), json!("acme"));
    assert_eq!(told(&properties_of(&rows[0])), told(&stored));
    assert_eq!(rows[0]["timestamp"], "2026-11-01 12:00:01.000000");
    assert_eq!(rows[0]["received_at"], "2026-11-01 12:00:00.000");
    assert_eq!(rows[0]["event"], "$pageview");
    assert_eq!(rows[0]["person_properties"]["$initial_browser"], "Firefox");
}

#[tokio::test]
async fn what_upsets_a_json_column_arrives_all_the_same() {
    let mut deep = json!("core");
    for _ in 0..15 {
        deep = json!({ "k": [deep] });
    }
    let cases = [
        json!({ "a.b": 1, "a": { "b": 2 } }),
        json!({ "": 1, "a": { "": 2 }, ".": 3, "a.": 4 }),
        json!({ "a%2Eb": 1, "a.b": 2, "a%252Eb": 3, "a%2eb": 4 }),
        json!({ "big": 18_446_744_073_709_551_615_u64, "small": -9_223_372_036_854_775_808_i64, "huge": 1e308 }),
        json!({ "day": "2026-01-01", "moment": "2026-01-01T00:00:00Z", "number": "1", "days": ["2026-01-01"] }),
        json!({ "mixed": [1, "x", null, true, 1.5, { "a": [] }], "few": [true, "x"], "fewer": [true, 1], "list": [[1], ["x"]] }),
        json!({ "type": 1 }),
        json!({ "type": "one" }),
        json!({ "type": { "of": 1 } }),
        json!({ "type": [true] }),
        json!({ "deep": deep }),
        json!({ "quote\"d \\ `k`\n": "tab\t\u{1}\u{1F600}", "empty": "", "none": {}, "null": null }),
        Value::Object((0..1000).map(|n| (format!("key {n}"), json!(n))).collect()),
    ];
    let mut rig = Rig::start().await;
    let events: Vec<_> = (0_u32..).zip(&cases).map(|(n, case)| event(n, "e", "ada", case.clone())).collect();
    rig.append(&events).await;
    let status = rig.drain().await;
    assert!(status.quarantined.is_empty(), "{:?}", rig.quarantine());
    let rows = rig.rows("SELECT * FROM events ORDER BY timestamp").await;
    for (row, event) in rows.iter().zip(&events) {
        assert_eq!(told(&properties_of(row)), told(&event.properties.clone().into()));
    }
    assert_eq!(rows.len(), cases.len());
}

pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e6..1e6).prop_map(Value::from),
        "[a-z.%2E\"\\\\\u{1}-\u{1f}ü😀-]{0,12}".prop_map(Value::from),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            // One kind of number to a list: ClickHouse keeps whole and broken numbers of one list as the latter.
            prop::collection::vec(inner.clone().prop_filter("no numbers", |v| !v.is_number()), 0..4)
                .prop_map(Value::Array),
            prop::collection::hash_map(any_key(), inner, 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

pub(super) fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c.]{0,3}",
        "[a-c%2E5.]{0,6}",
        "[ -~ü😀]{0,8}",
        // A token among the properties is the sender's, and must be the project's.
        prop::sample::select(PROPERTY_COLUMNS)
            .prop_filter("no token", |column| column.key != "token")
            .prop_map(|column| column.key.to_owned()),
    ]
}

#[tokio::test]
async fn any_json_object_survives() {
    let mut runner = TestRunner::deterministic();
    let objects = prop::collection::hash_map(any_key(), any_json(), 0..8);
    let events: Vec<_> = (0..400)
        .map(|n| {
            let properties = objects.new_tree(&mut runner).unwrap().current();
            event(n, "e", "ada", Value::Object(properties.into_iter().collect()))
        })
        .collect();
    let mut rig = Rig::start().await;
    rig.append(&events).await;
    let status = rig.drain().await;
    assert_eq!(status.quarantined, Default::default(), "{:?}", rig.quarantine());
    let rows = rig.rows("SELECT * FROM events ORDER BY timestamp").await;
    assert_eq!(rows.len(), events.len());
    for (row, event) in rows.iter().zip(&events) {
        let (found, sent) = (told(&properties_of(row)), told(&event.properties.clone().into()));
        assert_eq!(found, sent, "sent as {}", Value::from(event.properties.clone()));
    }
}

#[tokio::test]
async fn a_batch_of_several_months_arrives_whole() {
    let mut rig = Rig::start().await;
    let events: Vec<_> = (0..24)
        .map(|n| {
            let mut event = event(n, "e", "ada", json!({}));
            event.timestamp = format!("2025-{:02}-15T00:00:00.123456Z", n % 12 + 1).parse().unwrap();
            event
        })
        .collect();
    rig.append(&events).await;
    rig.drain().await;
    rig.assert_stored_once(0..24).await;
    assert_eq!(
        rig.count(
            "SELECT uniq(toYYYYMM(timestamp)) FROM events WHERE toUnixTimestamp64Micro(timestamp) % 1000000 = 123456"
        )
        .await,
        12
    );
}

#[tokio::test]
async fn names_are_noted_for_pickers_with_their_types() {
    let mut rig = Rig::start().await;
    rig.append(&[event(
        1,
        "signup",
        "ada",
        json!({ "plan": "pro", "seats": 3, "nothing": null, "$set": { "vip": true } }),
    )])
    .await;
    rig.drain().await;
    assert_eq!(rig.pg_value::<String>("SELECT string_agg(name, ',') FROM event_definitions").await, "signup");
    let properties = "SELECT string_agg(concat_ws(':', kind, name, property_type), ',' ORDER BY kind, name) FROM property_definitions";
    let expected = "event:$set:Object,event:plan:String,event:seats:Numeric,person:vip:Boolean";
    assert_eq!(rig.pg_value::<String>(properties).await, expected);
}

/// Properties of events, as they are sent and as a query gives them back, must be the same; what Tenrec adds to them may
/// stand beside.
async fn assert_told_alike(app: &TestApp, sent: &[Map<String, Value>]) {
    app.flush().await;
    let rows = app.ch_rows("SELECT * FROM events ORDER BY timestamp SETTINGS json_type_escape_dots_in_keys = 1").await;
    assert_eq!(rows.len(), sent.len());
    let status = app.state().pipeline.status();
    assert!(status.quarantined.is_empty(), "{:?}", status.quarantined);
    for (row, sent) in rows.iter().zip(sent) {
        let mut found = properties_of(row);
        found.retain(|key, _| sent.contains_key(key));
        assert_eq!(told(&found), told(sent), "sent as {}", Value::Object(sent.clone()));
    }
}

/// Objects as senders may choose them: anything, but for the addresses that are taken out on purpose, and for keys that
/// are written in the way ClickHouse keeps dots.
fn objects(count: usize) -> Vec<Map<String, Value>> {
    let mut runner = TestRunner::deterministic();
    let objects = prop::collection::hash_map(any_key(), any_json(), 0..8);
    let is_plain = |object: &Map<String, Value>| !Value::Object(object.clone()).to_string().contains("%2E");
    std::iter::repeat_with(|| objects.new_tree(&mut runner).unwrap().current())
        .map(|object| object.into_iter().filter(|(key, _)| key != "$ip").collect())
        .filter(is_plain)
        .take(count)
        .collect()
}

/// Events a second apart, so that rows are in the order of the objects.
fn events(objects: &[Map<String, Value>]) -> Vec<Value> {
    let event = |(number, object): (u32, &Map<String, Value>)| {
        let event = event(number, "e", "ada", json!({}));
        json!({"event": "e", "distinct_id": "ada", "uuid": event.uuid, "timestamp": event.timestamp, "properties": object})
    };
    (0..).zip(objects).map(event).collect()
}

#[tokio::test]
async fn any_json_object_that_is_captured_is_told_by_a_query() {
    let app = TestApp::start().await;
    create_project(&app, "phc_test").await;
    let objects = objects(300);
    for batch in events(&objects).chunks(25) {
        let reply = app.post_json("/batch/", &json!({"api_key": "phc_test", "batch": batch})).await;
        assert_eq!(reply.assert_ok().text(), r#"{"status":"Ok"}"#);
    }
    assert_told_alike(&app, &objects).await;
}

#[tokio::test]
async fn any_json_object_that_is_captured_by_v1_is_told_by_a_query() {
    let app = TestApp::start().await;
    create_project(&app, "phc_test").await;
    let objects = objects(300);
    for batch in events(&objects).chunks(25) {
        let request = app
            .request(http::Method::POST, "/i/v1/analytics/events")
            .header("authorization", "Bearer phc_test")
            .header("content-type", "application/json")
            .header("user-agent", "sdk/1")
            .header("posthog-sdk-info", "sdk/1")
            .header("posthog-attempt", "1")
            .header("posthog-request-id", batch[0]["uuid"].as_str().unwrap())
            .header("posthog-request-timestamp", "2026-11-01T12:00:00Z");
        let body = json!({"created_at": "2026-11-01T12:00:00Z", "batch": batch}).to_string();
        let results = app.send(request.body(body.into()).unwrap()).await.assert_ok().json();
        for event in batch {
            assert_eq!(results["results"][event["uuid"].as_str().unwrap()]["result"], "ok", "{event}");
        }
    }
    assert_told_alike(&app, &objects).await;
}
