//! Series of several events, flags as filters, part of all events, and what a dashboard lays over a question.

use serde_json::{Value, json};

use super::Desk;

fn did(event: &str, who: &str, day: u32, properties: Value) -> Value {
    json!({ "event": event, "distinct_id": who, "timestamp": format!("2026-10-{day:02}T10:00:00Z"), "properties": properties })
}

fn dates() -> Value {
    json!({ "date_from": "2026-10-01", "date_to": "2026-10-03" })
}

async fn desk() -> Desk {
    let desk = Desk::start().await;
    desk.send(&json!([
        did("view", "ada", 1, json!({ "n": 1, "$feature/new": true, "$feature/look": "blue" })),
        did("screen", "ada", 2, json!({ "n": 2, "$feature/new": false })),
        did("view", "bob", 2, json!({ "n": 4, "$feature/look": "beta" })),
        did("tap", "bob", 3, json!({ "n": 8 })),
        did("buy", "bob", 3, json!({ "n": 16, "$feature/new": "" })),
    ]))
    .await;
    desk
}

fn either() -> Value {
    json!({ "kind": "GroupNode", "operator": "OR", "nodes": [
        { "kind": "EventsNode", "event": "view", "properties": [{ "key": "n", "operator": "lt", "value": 4 }] },
        { "kind": "EventsNode", "event": "screen" },
        { "kind": "EventsNode", "event": "tap" },
    ] })
}

impl Desk {
    async fn lines(&self, mut query: Value) -> Vec<(String, Value)> {
        query["dateRange"] = dates();
        let answer = self.answer(query).await;
        let line = |line: &Value| (line["label"].as_str().unwrap().to_owned(), line["data"].clone());
        answer["results"].as_array().unwrap().iter().map(line).collect()
    }
}

#[tokio::test]
async fn several_events_are_one_series() {
    let desk = desk().await;
    let with = |more: Value| {
        let mut node = either();
        more.as_object().unwrap().iter().for_each(|(key, value)| node[key] = value.clone());
        json!({ "kind": "TrendsQuery", "series": [node] })
    };
    let label = || "view, screen, tap".to_owned();
    for (more, data) in [
        (json!({}), json!([1, 1, 1])),
        (json!({ "math": "dau" }), json!([1, 1, 1])),
        (json!({ "math": "sum", "math_property": "n" }), json!([1, 2, 8])),
        (json!({ "properties": [{ "key": "n", "operator": "gt", "value": 1 }] }), json!([0, 1, 1])),
        (json!({ "math": "first_time_for_user" }), json!([1, 0, 0])),
        (json!({ "operator": "AND" }), json!([0, 0, 0])),
    ] {
        assert_eq!(desk.lines(with(more.clone())).await, [(label(), data)], "{more}");
    }
    let funnel = json!({ "kind": "FunnelsQuery", "series": [either(), { "event": "buy" }], "dateRange": dates() });
    let steps = desk.answer(funnel).await["results"].clone();
    assert_eq!((&steps[0]["count"], &steps[1]["count"], &steps[0]["name"]), (&json!(2), &json!(1), &json!(label())));
    let id = desk.action("Seen", json!([{ "event": "view" }, { "event": "screen" }])).await;
    let nodes = json!([{ "kind": "ActionsNode", "id": id }, { "kind": "EventsNode", "event": "buy" }]);
    let query =
        json!({ "kind": "StickinessQuery", "series": [{ "kind": "GroupNode", "operator": "OR", "nodes": nodes }] });
    assert_eq!(desk.lines(query).await[0], ("Seen, buy".to_owned(), json!([0, 2, 0])));
    let any = json!([{ "kind": "EventsNode", "event": null }, { "kind": "EventsNode", "event": "buy" }]);
    assert_eq!(desk.lines(with(json!({ "nodes": any }))).await[0].1, json!([1, 2, 2]));
    for (more, attr) in [
        (json!({ "nodes": [] }), "series[0].nodes"),
        (json!({ "operator": "XOR" }), "series[0].operator"),
        (json!({ "nodes": [either()] }), "series[0].nodes[0].kind"),
        (json!({ "nodes": [{ "event": "a", "math": "dau" }] }), "series[0].nodes[0].math"),
        (json!({ "nodes": [{ "kind": "DataWarehouseNode" }] }), "series[0].nodes[0].kind"),
    ] {
        assert_eq!(desk.reply(with(more)).await.assert_status(400).json()["attr"], attr);
    }
}

#[tokio::test]
async fn a_flag_is_filtered_by_what_it_was_for_the_event() {
    let desk = desk().await;
    let flag = |key: &str, value: Value| json!([{ "type": "flag", "key": key, "operator": "flag_evaluates_to", "value": value }]);
    for (filters, numbers) in [
        (flag("new", json!(true)), vec![1]),
        (flag("new", json!(false)), vec![2]),
        (flag("look", json!(true)), vec![1, 4]),
        (flag("look", json!("beta")), vec![4]),
        (flag("look", json!("blue")), vec![1]),
        (flag("look", json!(false)), vec![]),
        (json!([{ "type": "flag", "key": "new", "value": true, "negation": true }]), vec![2, 4, 8, 16]),
    ] {
        let query = json!({ "properties": filters, "events": ["view", "screen", "tap", "buy"] });
        let mut found = desk.numbers(query).await;
        found.sort_unstable();
        assert_eq!(found, numbers, "{filters}");
    }
    for (filters, attr) in [
        (flag("new", json!(7)), "properties[0].value"),
        (flag("new", Value::Null), "properties[0].value"),
        (json!([{ "type": "flag", "key": "new", "operator": "gt", "value": true }]), "properties[0].operator"),
    ] {
        let query = json!({ "kind": "EventsQuery", "select": ["event"], "properties": filters });
        assert_eq!(desk.reply(query).await.assert_status(400).json()["attr"], attr);
    }
}

#[tokio::test]
async fn a_part_of_all_events_is_all_of_them() {
    let desk = desk().await;
    let query = |part: Value| json!({ "kind": "TrendsQuery", "series": [{ "event": null }], "samplingFactor": part });
    for part in [json!(0.1), json!(1), Value::Null] {
        assert_eq!(desk.lines(query(part)).await[0].1, json!([1, 2, 2]));
    }
    for part in [json!(0), json!(-1), json!(1.5), json!("0.1")] {
        assert_eq!(desk.reply(query(part)).await.assert_status(400).json()["attr"], "samplingFactor");
    }
}

#[tokio::test]
async fn a_dashboard_lays_dates_filters_a_breakdown_and_variables_over() {
    let desk = desk().await;
    let path = format!("/api/projects/{}/query/", desk.owner.project);
    let post = async |body: Value| desk.app.post_json_with_key(&path, &desk.owner.personal_key, &body).await;
    let trend = json!({ "kind": "InsightVizNode", "source": { "kind": "TrendsQuery", "series": [{ "event": null }],
        "dateRange": { "date_from": "2026-09-01", "date_to": "2026-09-02" } } });
    let filters = json!({ "date_from": "2026-10-01", "date_to": "2026-10-03",
        "properties": [{ "key": "n", "operator": "gt", "value": 1 }] });
    let answer = post(json!({ "query": trend, "filters_override": filters })).await.assert_ok().json();
    assert_eq!(answer["results"][0]["data"], json!([0, 2, 2]), "{answer}");
    // What is kept of one is not given for the other.
    let plain = post(json!({ "query": trend })).await.assert_ok().json();
    assert_eq!(plain["results"][0]["data"], json!([0, 0]), "{plain}");
    let mut split = filters.clone();
    split["breakdown_filter"] = json!({ "breakdown": "event", "breakdown_type": "event_metadata" });
    let answer = post(json!({ "query": trend, "filters_override": split })).await.assert_ok().json();
    assert_eq!(answer["results"].as_array().map(Vec::len), Some(4), "{answer}");
    let sql = json!({ "kind": "HogQLQuery", "query": "select count() from events where {filters} and event = {variables.what}",
        "variables": { "v1": { "variableId": "v1", "code_name": "what", "value": "view" } } });
    let over = json!({ "v1": { "variableId": "v1", "code_name": "what", "value": "screen" } });
    for (body, count) in [
        (json!({ "query": sql }), 2),
        (json!({ "query": sql, "variables_override": over }), 1),
        (json!({ "query": sql, "filters_override": filters }), 1),
    ] {
        assert_eq!(post(body).await.assert_ok().json()["results"], json!([[count]]));
    }
    for filters in [json!({ "interval": "week" }), json!({ "date_from": "tomorrowish" })] {
        post(json!({ "query": trend, "filters_override": filters })).await.assert_status(400);
    }
}
