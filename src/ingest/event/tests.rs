use serde_json::json;

use super::*;
use crate::model::Clock;

const NOW: &str = "2026-11-21T12:00:00Z";

fn try_accept(event: Value) -> Result<AcceptedEvent, Rejection> {
    let now = NOW.parse().expect("a timestamp");
    let clock = Clock::frozen(now);
    let arrival = Arrival {
        project_id: ProjectId::new(1),
        now,
        sent_at: Some("2026-11-21T11:00:00Z".parse().expect("a timestamp")),
        is_person_update: false,
        max_event_bytes: Some(1 << 20),
        limits: EventLimits::DEFAULT,
        new_uuid: &|| clock.new_uuid(),
    };
    let mut event = event;
    let before = event.clone();
    let accepted = accept(&mut event, &arrival);
    assert!(accepted.is_ok() || event == before, "what is rejected stays as it was");
    accepted
}

fn accepted(event: Value) -> AcceptedEvent {
    try_accept(event.clone()).unwrap_or_else(|e| panic!("{event}: {e}"))
}

#[test]
fn an_event_keeps_all_it_said_once() {
    let event = accepted(json!({
        "event": "$pageview", "uuid": "01a1fbbe-c8df-76b3-94c7-dae158d25385", "timestamp": "2026-11-21T10:59:58.5Z",
        "properties": {"distinct_id": "u", "plan": "pro", "$heatmap_data": {"u": []}},
        "type": "capture", "library": "x",
    }));
    assert_eq!(event.uuid.to_string(), "01a1fbbe-c8df-76b3-94c7-dae158d25385");
    assert_eq!((event.event.as_str(), event.distinct_id.as_str()), ("$pageview", "u"));
    assert_eq!(event.timestamp.to_string(), "2026-11-21T11:59:58.5Z");
    assert_eq!(event.received_at.to_string(), NOW);
    assert_eq!(Value::from(event.properties), json!({"plan": "pro", "$sent_at": "2026-11-21T11:00:00Z"}));
}

#[test]
fn a_distinct_id_is_found_in_every_place_and_of_every_kind() {
    for (event, id) in [
        (json!({"distinct_id": "a", "$distinct_id": "b"}), "a"),
        (json!({"$distinct_id": "b", "properties": {"distinct_id": "c"}}), "b"),
        (json!({"distinct_id": "", "properties": {"distinct_id": 7}}), "7"),
        (json!({"distinct_id": null, "properties": {"distinct_id": true}}), "true"),
        (json!({"distinct_id": {"a": [1]}}), r#"{"a":[1]}"#),
        (json!({"distinct_id": "a\0b"}), "a\u{fffd}b"),
    ] {
        let mut event = event;
        event["event"] = json!("x");
        assert_eq!(accepted(event.clone()).distinct_id, id, "{event}");
    }
    let long = accepted(json!({"event": "ü".repeat(300), "distinct_id": "猫".repeat(300)}));
    assert_eq!((long.distinct_id, long.event), ("猫".repeat(200), "ü".repeat(200)));
    let differs = accepted(json!({"event": "x", "distinct_id": "a", "properties": {"distinct_id": "b"}}));
    assert_eq!(differs.properties["distinct_id"], "b");
}

#[test]
fn what_cannot_be_an_event_is_rejected_by_name() {
    let big = "x".repeat(1 << 20);
    for (event, reason) in [
        (json!(3), Rejection::NotAnObject),
        (json!({"distinct_id": "u"}), Rejection::MissingEventName),
        (json!({"event": "", "distinct_id": "u"}), Rejection::MissingEventName),
        (json!({"event": ["x"], "distinct_id": "u"}), Rejection::MissingEventName),
        (json!({"event": "x"}), Rejection::MissingDistinctId),
        (json!({"event": "x", "distinct_id": "u", "uuid": "1"}), Rejection::InvalidUuid),
        (json!({"event": "x", "distinct_id": "u", "uuid": 1}), Rejection::InvalidUuid),
        (json!({"event": "x", "distinct_id": "u", "properties": []}), Rejection::InvalidProperties),
        (json!({"event": "x", "distinct_id": "u", "properties": {"a": big}}), Rejection::TooLarge),
        (json!({"event": "$snapshot", "distinct_id": "u"}), Rejection::Recording),
        (json!({"event": "$$client_ingestion_warning", "distinct_id": "u"}), Rejection::ClientWarning),
    ] {
        assert_eq!(try_accept(event).err(), Some(reason));
    }
}

#[test]
fn an_event_without_uuid_gets_one_of_its_own() {
    let one = accepted(json!({"event": "x", "distinct_id": "u", "uuid": ""}));
    let other = accepted(json!({"event": "x", "distinct_id": "u"}));
    assert_eq!(one.uuid.get_version_num(), 7);
    assert_ne!(one.uuid, other.uuid);
    assert!(accepted(json!({"event": "x", "distinct_id": "u", "uuid": Uuid::nil()})).uuid.is_nil());
}

#[test]
fn person_properties_of_the_event_lie_over_those_in_its_properties() {
    let event = accepted(json!({
        "event": "$identify", "distinct_id": "u", "$set": {"a": 2, "c": 3}, "$set_once": {"d": 4}, "$unset": ["x", "y"],
        "properties": {"$set": {"a": 1, "b": 1}, "$unset": ["x"]},
    }));
    assert_eq!(
        Value::from(event.properties),
        json!({"$set": {"a": 2, "b": 1, "c": 3}, "$unset": ["x", "y"], "$set_once": {"d": 4}})
    );
}

#[test]
fn elements_become_a_chain_unless_there_is_one() {
    let event =
        |properties: Value| accepted(json!({"event": "$autocapture", "distinct_id": "u", "properties": properties}));
    let array = json!([{"tag_name": "button", "attr__id": "go"}]);
    assert_eq!(
        Value::from(event(json!({ "$elements": array })).properties),
        json!({"$elements_chain": "button:attr__id=\"go\"attr_id=\"go\""})
    );
    let both = event(json!({"$elements": array, "$elements_chain": "a:"}));
    assert_eq!(Value::from(both.properties), json!({"$elements_chain": "a:"}));
}

#[test]
fn a_time_out_of_bounds_is_kept_beside_the_one_that_replaced_it() {
    let event = accepted(json!({"event": "x", "distinct_id": "u", "timestamp": "9999-12-30T00:00:00Z",
        "properties": {"$ignore_sent_at": true}}));
    assert_eq!(event.timestamp.to_string(), NOW);
    assert_eq!(event.properties["$original_timestamp"], "9999-12-30T00:00:00Z");
    assert!(!event.properties.contains_key("$sent_at"));
}

#[test]
fn a_heat_map_stays_on_its_own_event_only() {
    let event = accepted(json!({"event": "$$heatmap", "distinct_id": "u", "properties": {"$heatmap_data": {"u": []}}}));
    assert!(event.properties.contains_key("$heatmap_data"));
}
