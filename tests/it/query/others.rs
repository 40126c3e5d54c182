//! What lies beyond the limit of a breakdown is one value: nobody is in it twice.

use serde_json::{Value, json};

use super::Desk;

/// Three people of the plan `a`; one who visits by two other plans, and buys by one of them; one of a third who buys nothing.
async fn visits() -> Desk {
    let desk = Desk::start().await;
    let event = |person: &str, hour: u32, name: &str, plan: &str| {
        json!({ "event": name, "distinct_id": person, "timestamp": format!("2026-10-02T{hour:02}:00:00Z"),
            "properties": { "plan": plan, "$session_id": format!("session of {person}"), "$set": { "name": person } } })
    };
    let mut events = Vec::new();
    for person in ["x", "y", "z"] {
        events.extend([1, 2, 3].map(|hour| event(person, hour, "visit", "a")));
        events.push(event(person, 5, "buy", "a"));
    }
    events.extend([1, 2].map(|hour| event("ada", hour, "visit", "c")));
    events.push(event("ada", 1, "visit", "d"));
    events.push(event("ada", 5, "buy", "c"));
    events.push(event("bob", 1, "visit", "e"));
    desk.send(&events.into()).await;
    desk
}

fn asked(kind: &str, more: &Value) -> Value {
    let mut query = json!({ "kind": kind, "dateRange": { "date_from": "2026-10-01", "date_to": "2026-10-03" },
        "breakdownFilter": { "breakdown": "plan", "breakdown_type": "event", "breakdown_limit": 1 } });
    query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    query
}

#[tokio::test]
async fn a_funnel_counts_somebody_of_several_other_values_once() {
    let desk = visits().await;
    for (order, attribution) in [("ordered", "step"), ("strict", "step"), ("ordered", "all_events")] {
        let filter = json!({ "funnelOrderType": order, "breakdownAttributionType": attribution });
        let funnel = asked(
            "FunnelsQuery",
            &json!({ "series": [{ "event": "visit" }, { "event": "buy" }], "funnelsFilter": filter }),
        );
        let answer = desk.answer(funnel.clone()).await;
        let counts = |of: usize| [0, 1].map(|step| answer["results"][of][step]["count"].as_u64().unwrap());
        assert_eq!(answer["results"].as_array().unwrap().len(), 2, "{answer}");
        assert_eq!([counts(0), counts(1)], [[3, 3], [2, 1]], "{order} {attribution}");
        for (step, expected) in [(1, json!([["ada"], ["bob"]])), (2, json!([["ada"]])), (-2, json!([["bob"]]))] {
            let source = json!({ "kind": "FunnelsActorsQuery", "source": funnel, "funnelStep": step,
                "funnelStepBreakdown": "Other" });
            let query = json!({ "kind": "ActorsQuery", "source": source, "select": ["properties.name"],
                "orderBy": ["properties.name"] });
            assert_eq!(desk.answer(query).await["results"], expected, "{order} {attribution} {step}");
        }
    }
}

#[tokio::test]
async fn a_trend_counts_what_each_did_over_all_other_values() {
    let desk = visits().await;
    for (math, of_a, of_others) in
        [("avg_count_per_actor", 3.0, 2.0), ("max_count_per_actor", 3.0, 3.0), ("min_count_per_actor", 3.0, 1.0)]
    {
        for display in ["ActionsLineGraph", "ActionsTable"] {
            let series = json!([{ "event": "visit", "math": math }]);
            let answer = desk
                .answer(asked("TrendsQuery", &json!({ "series": series, "trendsFilter": { "display": display } })))
                .await;
            let value = |of: usize| match display {
                "ActionsTable" => answer["results"][of]["aggregated_value"].as_f64(),
                _ => answer["results"][of]["data"][1].as_f64(),
            };
            assert_eq!([value(0), value(1)], [Some(of_a), Some(of_others)], "{math} {answer}");
            assert_eq!(answer["results"].as_array().unwrap().len(), 2, "{math} {answer}");
            if (math, display) == ("avg_count_per_actor", "ActionsLineGraph") {
                insta::assert_snapshot!("trend_others", answer["clickhouse"].as_str().unwrap());
            }
        }
    }
    let shown = json!({ "breakdown": "plan", "breakdown_limit": 1, "breakdown_hide_other_aggregation": true });
    let series = json!([{ "event": "visit", "math": "avg_count_per_actor" }]);
    let answer = desk.answer(asked("TrendsQuery", &json!({ "series": series, "breakdownFilter": shown }))).await;
    assert_eq!(answer["results"].as_array().unwrap().len(), 1, "{answer}");
}

#[tokio::test]
async fn a_session_with_several_other_values_lasts_once() {
    let desk = visits().await;
    // Those of a last four hours each; ada's as long, and bob's no time.
    let series = json!([{ "event": "visit", "math": "avg", "math_property": "$session_duration" }]);
    let answer = desk
        .answer(asked("TrendsQuery", &json!({ "series": series, "trendsFilter": { "display": "ActionsTable" } })))
        .await;
    let found: Vec<_> = answer["results"].as_array().unwrap().iter().map(|row| &row["aggregated_value"]).collect();
    assert_eq!(found, [14_400.0, 7_200.0], "{answer}");
}

#[tokio::test]
async fn retention_counts_somebody_of_several_other_values_once() {
    let desk = visits().await;
    let what = |event: &str| json!({ "id": event, "type": "events" });
    for (returning, expected) in [("buy", [2, 1]), ("visit", [2, 2])] {
        for more in [json!({}), json!({ "timeWindowMode": "24_hour_windows" })] {
            let mut filter = json!({ "period": "Hour", "totalIntervals": 6, "targetEntity": what("visit"),
                "returningEntity": what(returning) });
            filter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut query = asked("RetentionQuery", &json!({ "retentionFilter": filter }));
            query["dateRange"] = json!({ "date_from": "2026-10-02T03:00:00", "date_to": "2026-10-02T08:00:00" });
            let answer = desk.answer(query).await;
            let others = answer["results"].as_array().unwrap().iter();
            let first = others.clone().find(|row| row["breakdown_value"] == "$$_posthog_breakdown_other_$$").unwrap();
            let count = |column: usize| first["values"][column]["count"].as_u64().unwrap();
            let later = if returning == "buy" { 4 } else { 0 };
            assert_eq!([count(0), count(later)], expected, "{answer}");
            if (returning, &more) == ("visit", &json!({})) {
                insta::assert_snapshot!("retention_others", answer["clickhouse"].as_str().unwrap());
            }
        }
    }
}
