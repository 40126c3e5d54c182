//! `RetentionQuery` about groups, and broken down by what they are.

use serde_json::{Value, json};

use super::Desk;

#[tokio::test]
async fn groups_come_back_whoever_of_them_does() {
    let desk = Desk::start().await;
    let did = |who: &str, company: Option<&str>, day: u32, hour: u32| {
        let mut event = json!({ "event": "visit", "distinct_id": who, "timestamp": format!("2026-10-{day:02}T{hour:02}:00:00Z"),
            "properties": { "plan": if hour < 12 { "early" } else { "late" } } });
        if let Some(company) = company {
            event["properties"]["$groups"] = json!({ "company": company });
        }
        event
    };
    desk.send(&json!([
        did("ada", Some("acme"), 1, 10),
        did("bob", Some("acme"), 2, 9),
        did("cy", Some("globex"), 1, 13),
        did("cy", Some("globex"), 3, 14),
        did("dee", None, 1, 10),
        did("dee", None, 2, 10),
    ]))
    .await;
    let ask = async |kind: &str, mode: &str, more: Value| {
        let visit = json!({ "id": "visit", "type": "events" });
        let mut query = json!({ "kind": "RetentionQuery", "dateRange": { "date_from": "2026-10-01", "date_to": "2026-10-03" },
            "aggregation_group_type_index": 0,
            "retentionFilter": { "retentionType": kind, "timeWindowMode": mode, "totalIntervals": 3, "targetEntity": visit,
                "returningEntity": visit } });
        more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
        let answer = desk.answer(query).await;
        let counts = |row: &Value| {
            row["values"].as_array().unwrap().iter().map(|cell| cell["count"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        answer["results"].as_array().unwrap().iter().map(counts).collect::<Vec<_>>()
    };
    let (recurring, first, days) = ("retention_recurring", "retention_first_time", "strict_calendar_dates");
    assert_eq!(ask(recurring, days, json!({})).await, [[2, 1, 1], [1, 0, 0], [1, 0, 0]]);
    assert_eq!(ask(first, days, json!({})).await, [[2, 1, 1], [0, 0, 0], [0, 0, 0]]);
    // Bob came back for them within the first day.
    assert_eq!(ask(recurring, "24_hour_windows", json!({})).await[0], [2, 0, 1]);
    let people = json!({ "aggregation_group_type_index": null });
    assert_eq!(ask(recurring, days, people).await, [[3, 1, 1], [2, 0, 0], [1, 0, 0]]);
    let by_plan = json!({ "breakdownFilter": { "breakdown": "plan", "breakdown_type": "event" } });
    let by_plan = ask(recurring, days, by_plan).await;
    assert_eq!(by_plan, [[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0], [1, 0, 0]]);
    let told = json!({ "$group_type": "company", "$group_key": "acme", "$group_set": { "trade": "tools" } });
    desk.send(&json!([{ "event": "$groupidentify", "distinct_id": "ada", "timestamp": "2026-10-01T09:00:00Z", "properties": told }])).await;
    let by_trade = json!({ "aggregation_group_type_index": null,
        "breakdownFilter": { "breakdowns": [{ "property": "trade", "type": "group", "group_type_index": 0 }] } });
    let by_trade = ask(recurring, days, by_trade).await;
    let (others, of_tools) = by_trade.split_at(3);
    assert_eq!(others, [[2, 1, 1], [1, 0, 0], [1, 0, 0]], "Cy's company has none, and Dee has no company");
    assert_eq!(of_tools, [[1, 0, 0], [1, 0, 0], [0, 0, 0]], "Ada, and Bob a day later");

    let reply = desk.reply(json!({ "kind": "RetentionQuery", "aggregation_group_type_index": 5 })).await;
    assert_eq!(reply.json()["attr"], "aggregation_group_type_index", "{}", reply.text());
}
