//! Groups beside events, and as a table.

use serde_json::{Value, json};

use super::Desk;

fn told(kind: &str, key: &str, properties: Value) -> Value {
    json!({ "event": "$groupidentify", "distinct_id": "ada", "timestamp": "2026-10-01T10:00:00Z",
        "properties": { "$group_type": kind, "$group_key": key, "$group_set": properties, "$process_person_profile": false } })
}

fn acted(n: i64, groups: Value) -> Value {
    json!({ "event": "acted", "distinct_id": "ada", "timestamp": "2026-10-02T10:00:00Z", "properties": { "n": n, "$groups": groups } })
}

fn by(index: u32, key: &str, operator: &str, value: Value) -> Value {
    json!([{ "type": "group", "group_type_index": index, "key": key, "operator": operator, "value": value }])
}

#[tokio::test]
async fn events_are_filtered_by_what_their_groups_are_now() {
    let desk = Desk::start().await;
    let (_, _, theirs) = desk.app.stranger().await;
    desk.send_to(&theirs, &json!([told("organization", "org:1", json!({ "industry": "canary" }))])).await;
    desk.send(&json!([
        told("organization", "org:1", json!({ "industry": "finance", "size.x": 7 })),
        told("organization", "org:2", json!({ "industry": "trade" })),
        told("team", "t:1", json!({ "industry": "finance" })),
        acted(1, json!({ "organization": "org:1" })),
        acted(2, json!({ "organization": "org:2", "team": "t:1" })),
        acted(3, json!({ "organization": "org:3" })),
        acted(4, json!({})),
    ]))
    .await;
    for (filter, numbers) in [
        (by(0, "industry", "exact", json!("finance")), vec![1]),
        (by(0, "industry", "is_not", json!(["finance"])), vec![2, 3, 4]),
        (by(1, "industry", "exact", json!(["finance"])), vec![2]),
        (by(0, "industry", "is_set", Value::Null), vec![1, 2]),
        (by(0, "industry", "is_not_set", Value::Null), vec![3, 4]),
        (by(0, "industry", "icontains", json!("AD")), vec![2]),
        (by(0, "size.x", "gt", json!(6)), vec![1]),
        (by(0, "$group_key", "exact", json!("org:3")), vec![3]),
        (by(3, "industry", "exact", json!("finance")), vec![]),
    ] {
        assert_eq!(desk.numbers(json!({ "properties": filter, "event": "acted" })).await, numbers, "{filter}");
    }
    for (sql, rows) in [
        (
            "select properties.n, group_0.properties.industry, group_0.key, group_1.properties.industry from events where event = 'acted' order by 1",
            json!([
                ["1", "finance", "org:1", null],
                ["2", "trade", "org:2", "finance"],
                ["3", null, "org:3", null],
                ["4", null, "", null]
            ]),
        ),
        (
            "select index, key, properties.industry from groups order by 1, 2",
            json!([[0, "org:1", "finance"], [0, "org:2", "trade"], [1, "t:1", "finance"]]),
        ),
        (
            "select count() from events e join groups g on g.key = e.$group_0 and g.index = 0 where e.event = 'acted'",
            json!([[2]]),
        ),
    ] {
        let found = desk.rows(sql).await;
        // A number may come as one or as text.
        let plain = |rows: &Value| rows.to_string().replace('"', "");
        assert_eq!(plain(&found), plain(&rows), "{sql}");
    }
    let dates = json!({ "date_from": "2026-10-01", "date_to": "2026-10-03" });
    let by_key = json!({ "breakdown": "$group_key", "breakdown_type": "group", "breakdown_group_type_index": 0 });
    let trend = json!({ "kind": "TrendsQuery", "series": [{ "event": "acted" }], "dateRange": dates, "breakdownFilter": by_key });
    let lines = desk.answer(trend).await["results"].clone();
    let keys: Vec<&str> = lines.as_array().unwrap().iter().filter_map(|line| line["label"].as_str()).collect();
    assert_eq!(keys[..3], ["org:1", "org:2", "org:3"], "{lines}");
    let funnel = json!({ "kind": "FunnelsQuery", "series": [{ "event": "acted" }, { "event": "acted" }], "dateRange": dates,
        "breakdownFilter": by_key, "funnelsFilter": { "breakdownAttributionType": "all_events" } });
    let steps = desk.answer(funnel).await["results"].clone();
    assert!(steps.to_string().contains("org:2"), "{steps}");
    // What is told later counts at once, for what happened before too.
    desk.send(&json!([told("organization", "org:2", json!({ "industry": "finance" }))])).await;
    let filter = by(0, "industry", "exact", json!("finance"));
    assert_eq!(desk.numbers(json!({ "properties": filter, "event": "acted" })).await, [1, 2]);

    for (filter, attr) in [
        (json!([{ "type": "group", "key": "industry", "value": "x" }]), "properties[0].group_type_index"),
        (by(5, "industry", "exact", json!("x")), "properties[0].group_type_index"),
        (by(0, "industry", "about", json!("x")), "properties[0].operator"),
    ] {
        let query = json!({ "kind": "EventsQuery", "select": ["event"], "properties": filter });
        assert_eq!(desk.reply(query).await.assert_status(400).json()["attr"], attr);
    }
}
