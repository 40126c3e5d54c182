use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::{Config, EventLimits, LimitsConfig};
use crate::ingest::event::{self, Arrival};
use crate::ingest::{CaptureRequest, Glanced, json as reader, parse};
use crate::model::{Clock, ProjectId};

fn glanced(value: &Value) -> Option<(u32, u32)> {
    glance(value.to_string().as_bytes()).map(|glance| (glance.events, glance.without_uuid))
}

#[test]
fn plain_requests_of_every_shape_are_glanced_at() {
    let event = json!({"event": "e", "distinct_id": "u", "uuid": "01939292-1111-7111-8111-111111111111"});
    let web = json!({"event": "e", "properties": {"token": "phc_1", "distinct_id": "u", "n": [1, {"a": null}]}});
    for (request, expected) in [
        (json!([web, web]), (2, 2)),
        (json!({"api_key": "phc_1", "batch": [event, web], "sent_at": "2026-11-21T00:00:00Z"}), (2, 1)),
        (json!({"token": "phc_1", "event": "e", "$distinct_id": 7, "uuid": ""}), (1, 1)),
    ] {
        assert_eq!(glanced(&request), Some(expected), "{request}");
    }
}

#[test]
fn whatever_is_unusual_is_read_in_full() {
    let key = "phc_1";
    for request in [
        json!([]),
        json!(3),
        json!([3]),
        json!({"api_key": key, "batch": {}}),
        json!({"api_key": key, "batch": [], "event": "e", "distinct_id": "u"}),
        json!({"event": "e", "distinct_id": "u"}),
        json!({"api_key": key, "event": "e"}),
        json!({"api_key": key, "event": "", "distinct_id": "u"}),
        json!({"api_key": key, "event": "$snapshot", "distinct_id": "u"}),
        json!({"api_key": key, "event": "e", "distinct_id": "u", "uuid": "no"}),
        json!({"api_key": key, "event": "e", "distinct_id": "u", "properties": []}),
        json!({"api_key": key, "event": "e", "distinct_id": "u", "properties": {"$ip": "1.2.3.4"}}),
        json!({"api_key": key, "event": "e", "distinct_id": "u", "properties": {"token": "phc_2"}}),
        json!({"api_key": "phx_personal", "event": "e", "distinct_id": "u"}),
    ] {
        assert_eq!(glanced(&request), None, "{request}");
    }
    for text in [
        r#"{"api_key":"phc_1","event":"e","event":"f","distinct_id":"u"}"#,
        r#"{"api_key":"phc_1","event":"e","distinct_id":"u"} x"#,
        r#"{"api_key":"phc_1","event":"e","distinct_id":"u","properties":{"a":NaN}}"#,
        "{\"api_key\":\"phc_1\",\"event\":\"e\",\"distinct_id\":\"u\",\"a\":\"\x01\"}",
    ] {
        assert_eq!(glance(text.as_bytes()), None, "{text}");
    }
    assert_eq!(glance(b"{\"api_key\":\"phc_1\",\"event\":\"e\",\"distinct_id\":\"\xff\"}"), None);
}

/// Values where the fields of an event may stand: the right ones, and all kinds of others.
fn field() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => "[a-z$]{1,4}".prop_map(Value::from),
        1 => Just(json!("")),
        1 => Just(json!(null)),
        1 => any::<i32>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(json!("$snapshot")),
        1 => Just(json!("01939292-1111-7111-8111-111111111111")),
        1 => Just(json!({"distinct_id": "u", "token": "phc_1", "deep": [[{"x": "\u{0}"}]]})),
        1 => Just(json!(["u"])),
    ]
}

const KEYS: &[&str] =
    &["event", "distinct_id", "$distinct_id", "uuid", "properties", "token", "timestamp", "$set", "batch"];

/// The text of an object whose keys may stand there twice.
fn event_text() -> impl Strategy<Value = String> {
    let fields = proptest::collection::vec((proptest::sample::select(KEYS), field()), 0..6);
    (fields, any::<bool>()).prop_map(|(fields, is_plain)| {
        let mut text: Vec<_> = fields.iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
        if is_plain {
            text.extend(["\"event\":\"e\"".to_owned(), "\"properties\":{\"distinct_id\":\"u\"}".to_owned()]);
        }
        format!("{{{}}}", text.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_a_glance_lets_pass_is_accepted_when_read(
        events in proptest::collection::vec(event_text(), 1..4),
        shape in 0..3,
        garbage in "[ -~]{0,2}",
    ) {
        let list = events.join(",");
        let text = match shape {
            0 => format!("{{\"api_key\":\"phc_1\",\"batch\":[{list}]}}{garbage}"),
            1 => format!("[{list}]{garbage}"),
            _ => format!("{}{garbage}", events[0]),
        };
        if let Some(glance) = glance(text.as_bytes()) {
            let value = reader::parse(text.as_bytes()).expect("it is JSON");
            let parsed = parse::parse(value, || None).expect("it holds events");
            prop_assert_eq!(&parsed.key, &glance.key);
            prop_assert_eq!(parsed.events.len(), glance.events as usize);
            let made = std::cell::Cell::new(0);
            let arrival = Arrival {
                project_id: ProjectId::new(1),
                now: "2026-11-21T12:00:00Z".parse().expect("a time"),
                sent_at: None,
                is_person_update: false,
                max_event_bytes: None,
                limits: EventLimits::DEFAULT,
                new_uuid: &|| { made.set(made.get() + 1); Uuid::nil() },
            };
            for mut event in parsed.events {
                prop_assert!(event::accept(&mut event, &arrival).is_ok());
            }
            prop_assert_eq!(made.get(), glance.without_uuid);
        }
    }

    #[test]
    fn whatever_the_limits_a_request_that_passes_at_a_glance_passes_in_full(
        events in proptest::collection::vec(event_text(), 1..4),
        limits in any_limits(),
    ) {
        let body = format!("{{\"api_key\":\"phc_1\",\"batch\":[{}]}}", events.join(","));
        let request = CaptureRequest { body: body.into(), ..CaptureRequest::default() };
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().expect("a time"));
        if let Ok(Glanced::Scanned { glance, .. }) = request.glance(&limits) {
            let read = request.read(&limits).expect("a glance let it pass");
            let checked = read.check(ProjectId::new(1), &clock, &limits);
            prop_assert_eq!(checked.accepted.len(), glance.events as usize);
            prop_assert!(checked.rejected.is_empty());
        }
    }
}

/// From so tight that nothing passes to far above what is sent here.
fn any_limits() -> impl Strategy<Value = LimitsConfig> {
    let sizes = (1_usize..600, 1_usize..600, 0_usize..60);
    (sizes, 1_usize..20, 1_usize..20, 2_usize..5, 1_u32..100).prop_map(
        |((max_body_bytes, max_event_bytes, max_request_values), few, short, max_nesting, time)| LimitsConfig {
            max_body_bytes,
            max_event_bytes,
            max_request_values,
            event: EventLimits {
                max_event_properties: few,
                max_event_values: few,
                max_key_bytes: short,
                max_text_bytes: short,
                max_nesting,
                max_event_ahead_hours: time,
                max_event_age_days: time,
            },
            ..Config::defaults().limits
        },
    )
}
