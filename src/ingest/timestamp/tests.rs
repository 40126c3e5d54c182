use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: &str = "2026-11-21T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

/// With the limits of a server that is told no others.
fn event_time(claim: &Claim<'_>) -> EventTime {
    super::event_time(claim, &EventLimits::DEFAULT)
}

fn claim(timestamp: &Value) -> Claim<'_> {
    Claim { now: at(NOW), sent_at: None, timestamp: Some(timestamp), offset: None, ignore_sent_at: false }
}

#[test]
fn every_way_of_writing_a_time_is_read() {
    for (written, read) in [
        (json!("2026-11-21T01:35:46.700Z"), "2026-11-21T01:35:46.7Z"),
        (json!("2026-11-21T01:35:46.700123456Z"), "2026-11-21T01:35:46.700123456Z"),
        (json!("2026-11-21T01:35:46.894044+00:00"), "2026-11-21T01:35:46.894044Z"),
        (json!("2026-11-21T02:35:46+01:00"), "2026-11-21T01:35:46Z"),
        (json!("2026-11-21T02:35:46+0100"), "2026-11-21T01:35:46Z"),
        (json!("2026-11-20 20:35:46-05"), "2026-11-21T01:35:46Z"),
        (json!("2026-11-21T01:35:46"), "2026-11-21T01:35:46Z"),
        (json!("2026-11-21 01:35:46.5"), "2026-11-21T01:35:46.5Z"),
        (json!("2026-11-21T01:35"), "2026-11-21T01:35:00Z"),
        (json!(" 2026-11-21t01:35:46z "), "2026-11-21T01:35:46Z"),
        (json!("2026-11-21"), "2026-11-21T00:00:00Z"),
        (json!("Sat, 21 Nov 2026 01:35:46 GMT"), "2026-11-21T01:35:46Z"),
        (json!("1795224946"), "2026-11-21T01:35:46Z"),
        (json!("1795224946912"), "2026-11-21T01:35:46.912Z"),
        (json!(1_795_224_946_912_i64), "2026-11-21T01:35:46.912Z"),
        (json!(1_795_224_946.912), "2026-11-21T01:35:46.912Z"),
        (json!(1_795_224_946_912_345_i64), "2026-11-21T01:35:46.912345Z"),
        (json!(1_795_224_946_912_345_678_i64), "2026-11-21T01:35:46.912346Z"),
    ] {
        assert_eq!(parse_value(&written), Some(at(read)), "{written}");
    }
    for unreadable in [json!(""), json!("yesterday"), json!(null), json!({}), json!(true), json!("2026-13-01")] {
        assert_eq!(parse_value(&unreadable), None, "{unreadable}");
    }
}

#[test]
fn the_rules_in_their_order() {
    let happened = json!("2026-11-21T10:00:00Z");
    let offset = json!(1234);
    let sent_at = Some(at("2026-11-21T10:00:05Z"));
    let base = claim(&happened);
    let cases = [
        ("nothing said", Claim { timestamp: None, ..base }, NOW, false),
        ("unreadable", Claim { timestamp: Some(&Value::Null), ..base }, NOW, false),
        ("timestamp alone", base, "2026-11-21T10:00:00Z", false),
        ("corrected", Claim { sent_at, ..base }, "2026-11-21T11:59:55Z", true),
        ("not to be corrected", Claim { sent_at, ignore_sent_at: true, ..base }, "2026-11-21T10:00:00Z", false),
        ("offset wins", Claim { sent_at, offset: Some(&offset), ..base }, "2026-11-21T11:59:58.766Z", false),
        ("sent_at alone", Claim { sent_at, timestamp: None, ..base }, NOW, false),
    ];
    for (name, claim, time, is_corrected) in cases {
        assert_eq!(event_time(&claim), EventTime { at: at(time), is_corrected, is_replaced: false }, "{name}");
    }
}

#[test]
fn times_out_of_all_bounds_are_replaced() {
    for (written, stored, is_replaced) in [
        (json!("2026-11-22T11:00:00Z"), "2026-11-22T11:00:00Z", false),
        (json!("2026-11-22T11:00:01Z"), NOW, true),
        (json!("9999-01-01T00:00:00Z"), NOW, true),
        (json!("1970-01-01T00:00:00Z"), "1970-01-01T00:00:00Z", false),
        (json!("1969-12-31T23:59:59Z"), "1970-01-01T00:00:00Z", true),
        (json!("-000044-03-15T00:00:00Z"), "1970-01-01T00:00:00Z", true),
    ] {
        assert_eq!(
            event_time(&claim(&written)),
            EventTime { at: at(stored), is_corrected: false, is_replaced },
            "{written}"
        );
    }
    let offset = json!(1e300);
    let far = Claim { offset: Some(&offset), ..claim(&Value::Null) };
    assert!(event_time(&far).at <= at(NOW));
}

#[test]
fn how_far_ahead_and_how_long_ago_are_settings() {
    let limits = EventLimits { max_event_ahead_hours: 2, max_event_age_days: 30, ..EventLimits::DEFAULT };
    for (written, stored) in [
        ("2026-11-21T14:00:00Z", "2026-11-21T14:00:00Z"),
        ("2026-11-21T14:00:01Z", NOW),
        ("2026-10-22T12:00:00Z", "2026-10-22T12:00:00Z"),
        ("2026-10-22T11:59:59Z", NOW),
        ("1960-01-01T00:00:00Z", NOW),
    ] {
        let time = super::event_time(&claim(&json!(written)), &limits);
        assert_eq!(
            time,
            EventTime { at: at(stored), is_corrected: false, is_replaced: stored != written },
            "{written}"
        );
    }
    let beyond_all_time = json!(1e17);
    let claim = Claim { offset: Some(&beyond_all_time), ..claim(&Value::Null) };
    assert_eq!(super::event_time(&claim, &limits).at, at(NOW));
}

#[test]
fn the_query_clock_counts_only_if_it_can_be_true() {
    assert_eq!(parse_query_clock("1795226342176"), Some(at("2026-11-21T01:59:02.176Z")));
    assert_eq!(parse_query_clock("1577836800000"), None);
    assert_eq!(parse_query_clock("now"), None);
}

proptest! {
    #[test]
    fn a_wrong_clock_gives_the_same_time_as_a_right_one(
        ago_ms in 0_i64..5_000_000_000,
        on_the_way_ms in 0_i64..60_000,
        wrong_by_ms in -60_000_000_000_000_i64..200_000_000_000_000,
    ) {
        let now = at(NOW);
        let told = |ms: i64| Timestamp::from_millisecond(now.as_millisecond() - on_the_way_ms + ms).expect("in range");
        let stored = |wrong_by: i64| {
            let timestamp = json!(told(wrong_by - ago_ms).to_string());
            event_time(&Claim { sent_at: Some(told(wrong_by)), ..claim(&timestamp) })
        };
        prop_assert_eq!(stored(wrong_by_ms), stored(0));
        prop_assert_eq!(stored(0).at.as_millisecond(), now.as_millisecond() - ago_ms);
    }

    #[test]
    fn whatever_is_claimed_the_stored_time_is_within_bounds(
        timestamp in prop_oneof!["\\PC{0,30}".prop_map(Value::from), any::<f64>().prop_map(Value::from)],
        offset in prop_oneof![Just(Value::Null), any::<f64>().prop_map(Value::from)],
        sent_at in proptest::option::of(-300_000_000_000_i64..250_000_000_000),
        max_event_ahead_hours in 1_u32..8760,
        max_event_age_days in prop_oneof![Just(0), 1_u32..36_500],
    ) {
        let sent_at = sent_at.and_then(|s| Timestamp::from_second(s).ok());
        let limits = EventLimits { max_event_ahead_hours, max_event_age_days, ..EventLimits::DEFAULT };
        let time = super::event_time(&Claim { sent_at, offset: Some(&offset), ..claim(&timestamp) }, &limits);
        prop_assert!(time.at >= Timestamp::UNIX_EPOCH);
        prop_assert!(time.at.duration_since(at(NOW)) <= SignedDuration::from_hours(max_event_ahead_hours.into()));
        let age = at(NOW).duration_since(time.at);
        prop_assert!(max_event_age_days == 0 || age <= SignedDuration::from_hours(i64::from(max_event_age_days) * 24));
    }
}
