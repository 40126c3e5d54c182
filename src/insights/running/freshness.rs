//! How long an answer is fresh.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::insights::QueryAnswer;
use crate::model::query::Interval;

/// How long an answer is fresh that is cut so, and whose dates end then; see the table of [`super`].
#[must_use]
pub fn fresh_for(interval: Option<Interval>, end: Option<Timestamp>, now: Timestamp) -> Duration {
    Duration::from_secs(match (end, interval) {
        (Some(end), _) if end <= now => 60,
        (_, Some(Interval::Minute)) => 2,
        (_, Some(Interval::Hour) | None) => 5,
        (_, Some(Interval::Day)) => 10,
        (_, Some(Interval::Week)) => 20,
        (_, Some(Interval::Month)) => 30,
    })
}

/// The same of any question, by its words and the dates that its answer says.
pub(super) fn fresh_for_query(query: &Value, answer: &QueryAnswer, now: Timestamp) -> Duration {
    let query = inner(query);
    let word = [&query["interval"], &query["retentionFilter"]["period"]].into_iter().find_map(Value::as_str);
    let word = word.map(str::to_ascii_lowercase);
    let interval = Interval::WORDS.iter().find(|(known, _)| word.as_deref() == Some(known)).map(|(_, i)| *i);
    // A kind that has dates cuts by day unless it is told otherwise.
    let dates = answer.get("resolved_date_range").filter(|dates| dates.is_object());
    let interval = interval.or(dates.map(|_| Interval::Day));
    let end = dates.and_then(|dates| dates["date_to"].as_str()?.parse().ok());
    fresh_for(interval, end, now)
}

/// What the wrappers of pages hold.
fn inner(mut query: &Value) -> &Value {
    while query["source"].is_object() && query["kind"].as_str().is_some_and(|kind| kind.ends_with("Node")) {
        query = &query["source"];
    }
    query
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_over_stays_longer_than_what_goes_on() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        let of = |query: Value, dates: Value| {
            let answer = QueryAnswer::from_iter([("resolved_date_range".to_owned(), dates)]);
            fresh_for_query(&query, &answer, now).as_secs()
        };
        let until = |to: &str| json!({ "date_from": "2026-11-01T00:00:00Z", "date_to": to });
        let (running, over) = (until("2026-11-22T00:00:00Z"), until("2026-11-20T00:00:00Z"));
        assert_eq!(of(json!({ "kind": "TrendsQuery", "interval": "hour" }), running.clone()), 5);
        assert_eq!(of(json!({ "kind": "TrendsQuery" }), running.clone()), 10);
        assert_eq!(of(json!({ "kind": "TrendsQuery", "interval": "minute" }), over.clone()), 60);
        assert_eq!(of(json!({ "kind": "RetentionQuery", "retentionFilter": { "period": "Week" } }), running), 20);
        assert_eq!(of(json!({ "kind": "HogQLQuery" }), Value::Null), 5);
        let wrapped = json!({ "kind": "InsightVizNode", "source": { "kind": "TrendsQuery", "interval": "month" } });
        assert_eq!(of(wrapped, until("2026-12-01T00:00:00Z")), 30);
    }

    #[test]
    fn nothing_is_fresh_for_more_than_a_minute() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        for interval in Interval::WORDS.iter().map(|(_, interval)| Some(*interval)).chain([None]) {
            for end in [None, Some(now), Some(Timestamp::MIN), Some(Timestamp::MAX)] {
                assert!((1..=60).contains(&fresh_for(interval, end, now).as_secs()));
            }
        }
    }
}
