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

/// Visits and purchases by plan: of `a` many visits, of `b` many purchases, of the others few of both.
fn by_plan() -> Vec<Value> {
    let mut events = Vec::new();
    for (plan, amount, visits, buys) in [("a", 1, 9, 2), ("b", 20, 3, 8), ("c", 5, 2, 1), ("d", 6, 1, 1)] {
        for n in 0..visits + buys {
            let mut event = seen(&format!("p{n}"), 5, &json!({ "plan": plan, "amount": amount }));
            if n >= visits {
                event["event"] = "buy".into();
            }
            events.push(event);
        }
    }
    events
}

#[tokio::test]
async fn a_formula_takes_of_each_series_the_same_values() {
    let desk = Desk::start().await;
    desk.send(&by_plan().into()).await;
    let ask = async |formula: &str, breakdown: Value| {
        let mut query = asked("total", &json!({ "breakdownFilter": breakdown }));
        query["series"] = json!([{ "kind": "EventsNode", "event": "visit" }, { "kind": "EventsNode", "event": "buy" }]);
        query["trendsFilter"] = json!({ "formula": formula });
        let answer = desk.answer(query).await;
        let line = |line: &Value| (line["breakdown_value"].clone(), line["data"][0].as_f64().unwrap());
        answer["results"].as_array().unwrap().iter().map(line).collect::<Vec<_>>()
    };
    let other = "$$_posthog_breakdown_other_$$";
    // One series shows a, the other b.
    let one = json!({ "breakdown": "plan", "breakdown_limit": 1 });
    assert_eq!(ask("A + B", one.clone()).await, [(json!("a"), 11.0), (json!(other), 16.0)]);
    let two = json!({ "breakdown": "plan", "breakdown_limit": 2 });
    let expected = [(json!("a"), 11.0), (json!("b"), 11.0), (json!(other), 5.0)];
    assert_eq!(ask("A + B", two).await, expected);
    let hidden = json!({ "breakdowns": [{ "property": "plan" }, { "property": "none" }], "breakdown_limit": 2,
        "breakdown_hide_other_aggregation": true });
    let missing = "$$_posthog_breakdown_null_$$";
    let shares = ask("B / A * 9", hidden).await;
    assert_eq!(shares, [(json!(["b", missing]), 24.0), (json!(["a", missing]), 2.0)]);
}

#[tokio::test]
async fn a_formula_lays_all_series_into_the_same_bins() {
    let desk = Desk::start().await;
    let mut events = by_plan();
    events.retain(|event| event["event"] == "buy" || event["properties"]["plan"] != "b");
    desk.send(&events.into()).await;
    // Visits are of 1 to 6, purchases of 1 to 20.
    let mut query =
        asked("total", &json!({ "breakdownFilter": { "breakdown": "amount", "breakdown_histogram_bin_count": 2 } }));
    query["series"] = json!([{ "kind": "EventsNode", "event": "visit" }, { "kind": "EventsNode", "event": "buy" }]);
    query["trendsFilter"] = json!({ "formula": "A + B" });
    let answer = desk.answer(query).await;
    let lines = answer["results"].as_array().unwrap();
    let found: Vec<_> = lines.iter().map(|line| (&line["breakdown_value"], &line["count"])).collect();
    assert_eq!(found, [(&json!("[1,10.5]"), &json!(16)), (&json!("[10.5,20.01]"), &json!(8))]);
}

#[tokio::test]
async fn paths_are_cleaned_in_breakdowns_by_the_projects_rules() {
    let desk = Desk::start().await;
    desk.change_project(&json!({ "path_cleaning_filters": [{ "regex": "/\\d+$", "alias": "/<id>" }] })).await;
    let paths = [("ada", Some("/item/1")), ("bob", Some("/item/22")), ("eve", Some("/about")), ("kim", None)];
    let mut events = Vec::new();
    for (who, path) in paths {
        events.push(seen(who, 5, &path.map_or(json!({}), |path| json!({ "$pathname": path }))));
    }
    desk.send(&events.into()).await;
    let breakdown = json!({ "breakdown": "$pathname", "breakdown_path_cleaning": true });
    let answer = desk.answer(asked("total", &json!({ "breakdownFilter": breakdown }))).await;
    let found: Vec<_> =
        answer["results"].as_array().unwrap().iter().map(|line| (&line["breakdown_value"], &line["count"])).collect();
    let missing = json!("$$_posthog_breakdown_null_$$");
    assert_eq!(found, [(&json!("/item/<id>"), &json!(2)), (&json!("/about"), &json!(1)), (&missing, &json!(1))]);

    let mut funnel = asked("total", &json!({ "kind": "FunnelsQuery", "breakdownFilter": breakdown }));
    funnel["series"] = json!([{ "kind": "EventsNode", "event": "visit" }, { "kind": "EventsNode", "event": "buy" }]);
    let answer = desk.answer(funnel).await;
    let found: Vec<_> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|steps| (&steps[0]["breakdown"], &steps[0]["count"]))
        .collect();
    let expected = [(&json!(["/item/<id>"]), &json!(2)), (&json!([""]), &json!(1)), (&json!(["/about"]), &json!(1))];
    assert_eq!(found, expected);
}
