//! Where two ways of asking for a trend meet.

use serde_json::{Value, json};

use super::Desk;

fn seen(who: &str, day: u32, properties: &Value) -> Value {
    json!({ "event": "visit", "distinct_id": who, "timestamp": format!("2026-10-{day:02}T10:00:00Z"), "properties": properties })
}

fn asked(math: &str, more: &Value) -> Value {
    let mut query = json!({ "kind": "TrendsQuery", "dateRange": { "date_from": "2026-10-05", "date_to": "2026-10-08" },
        "series": [{ "kind": "EventsNode", "event": "visit", "math": math, "math_property": "$session_duration" }] });
    more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
    query
}

#[tokio::test]
async fn an_event_without_a_session_is_none_of_no_length() {
    let desk = Desk::start().await;
    let mut events = vec![seen("lone", 5, &json!({})), seen("lone", 6, &json!({}))];
    // 2026-10-05T10:00:00Z in milliseconds begins the id.
    let session = json!({ "$session_id": "01a10b81-8500-7000-8000-000000000001" });
    events.push(seen("ada", 5, &session));
    let mut last = seen("ada", 5, &session);
    last["timestamp"] = "2026-10-05T10:01:40Z".into();
    events.push(last);
    desk.send(&events.into()).await;
    for math in ["avg", "min", "median"] {
        let answer = desk.answer(asked(math, &json!({}))).await;
        assert_eq!(answer["results"][0]["data"], json!([100, 0, 0, 0]), "{math}");
    }
    let source = |math| json!({ "kind": "InsightActorsQuery", "source": asked(math, &json!({})) });
    for math in ["avg", "unique_session"] {
        let people = json!({ "kind": "ActorsQuery", "select": ["id"], "source": source(math) });
        let people = desk.answer(people).await;
        assert_eq!(people["results"].as_array().unwrap().len(), 1, "{math}");
    }
}

#[tokio::test]
async fn who_had_several_of_the_other_values_is_one_of_them_so_far() {
    let desk = Desk::start().await;
    let plans = [("ada", 5, "a"), ("ada", 5, "b"), ("ada", 6, "c"), ("bob", 6, "b"), ("bob", 7, "c"), ("eve", 7, "a")];
    let mut events: Vec<Value> =
        plans.iter().map(|(who, day, plan)| seen(who, *day, &json!({ "plan": plan }))).collect();
    // What stands first.
    events.extend(["ada", "bob", "eve", "kim"].map(|who| seen(who, 8, &json!({ "plan": "z" }))));
    desk.send(&events.into()).await;
    let more = json!({ "breakdownFilter": { "breakdown": "plan", "breakdown_limit": 1 },
        "trendsFilter": { "display": "ActionsLineGraphCumulative" } });
    let answer = desk.answer(asked("dau", &more)).await;
    let lines = &answer["results"];
    assert_eq!((&lines[0]["breakdown_value"], &lines[0]["data"]), (&json!("z"), &json!([0, 0, 0, 4])));
    assert_eq!(lines[1]["breakdown_value"], "$$_posthog_breakdown_other_$$");
    assert_eq!((&lines[1]["data"], &lines[1]["count"]), (&json!([1, 2, 3, 3]), &json!(3)));
}
