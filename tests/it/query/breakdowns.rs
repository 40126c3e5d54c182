//! What a breakdown says is obeyed alike by every kind that has one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Desk;

fn event(person: u32, day: u32, name: &str, properties: Value) -> Value {
    json!({ "event": name, "distinct_id": format!("p{person}"), "timestamp": format!("2026-10-{day:02}T12:00:00Z"),
        "properties": properties })
}

/// The same question as a trend, a funnel and retention.
fn asked(breakdown: &Value) -> [Value; 3] {
    let dates = json!({ "date_from": "2026-10-01", "date_to": "2026-10-05" });
    let filter = json!({ "period": "Day", "totalIntervals": 5, "targetEntity": { "id": "visit", "type": "events" },
        "returningEntity": { "id": "buy", "type": "events" } });
    let steps = json!([{ "event": "visit" }, { "event": "buy" }]);
    [
        json!({ "kind": "TrendsQuery", "series": [{ "event": "visit" }] }),
        json!({ "kind": "FunnelsQuery", "series": steps }),
        json!({ "kind": "RetentionQuery", "retentionFilter": filter }),
    ]
    .map(|mut query| {
        query["dateRange"] = dates.clone();
        query["breakdownFilter"] = breakdown.clone();
        query
    })
}

/// The values that an answer shows.
async fn values(desk: &Desk, query: &Value) -> BTreeSet<String> {
    let answer = desk.answer(query.clone()).await;
    let text = |value: &Value| match value {
        Value::Array(items) if items.len() == 1 => items[0].as_str().unwrap().to_owned(),
        value => value.as_str().unwrap().to_owned(),
    };
    let rows = answer["results"].as_array().unwrap().iter();
    rows.map(|row| text(&(if row.is_array() { &row[0] } else { row })["breakdown_value"])).collect()
}

async fn assert_all_show(desk: &Desk, breakdown: &Value, expected: &[&str]) {
    for query in asked(breakdown) {
        let expected: BTreeSet<String> = expected.iter().map(|value| (*value).to_owned()).collect();
        assert_eq!(values(desk, &query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn numbers_are_laid_into_the_same_bins_by_every_kind() {
    let desk = Desk::start().await;
    let mut events = Vec::new();
    for (person, size) in [(1, 10.0), (2, 19.5), (3, 33.0), (4, 40.0)] {
        events.push(event(person, 2, "visit", json!({ "size": size })));
        events.push(event(person, 3, "buy", json!({ "size": size })));
    }
    // Of other events and other days nothing is told.
    events.push(event(1, 2, "look", json!({ "size": 900 })));
    events.push(event(1, 20, "visit", json!({ "size": 900 })));
    desk.send(&events.into()).await;
    let labels = ["[10,17.5]", "[17.5,25]", "[32.5,40.01]"];
    let lone = json!({ "breakdown": "size", "breakdown_type": "event", "breakdown_histogram_bin_count": 4 });
    let listed = json!({ "breakdowns": [{ "property": "size", "type": "event", "histogram_bin_count": 4 }] });
    assert_all_show(&desk, &lone, &labels).await;
    assert_all_show(&desk, &listed, &labels).await;
}

#[tokio::test]
async fn the_people_of_a_bin_are_listed() {
    let desk = Desk::start().await;
    let mut events = Vec::new();
    for (person, size) in [(1, 10), (2, 19), (3, 33), (4, 40)] {
        events.push(event(person, 2, "$identify", json!({ "$set": { "n": person } })));
        events.push(event(person, 2, "visit", json!({ "size": size })));
        events.push(event(person, 3, "buy", json!({})));
    }
    desk.send(&events.into()).await;
    let breakdown = json!({ "breakdown": "size", "breakdown_type": "event", "breakdown_histogram_bin_count": 3 });
    let [trend, funnel, _] = asked(&breakdown);
    let sources = [
        json!({ "kind": "InsightActorsQuery", "source": trend, "day": "2026-10-02", "series": 0, "breakdown": "[30,40.01]" }),
        json!({ "kind": "FunnelsActorsQuery", "source": funnel, "funnelStep": 2, "funnelStepBreakdown": ["[30,40.01]"] }),
    ];
    for source in sources {
        let select = ["properties.n"];
        let order = ["properties.n"];
        let people =
            desk.answer(json!({ "kind": "ActorsQuery", "select": select, "orderBy": order, "source": source })).await;
        assert_eq!(people["results"], json!([[3], [4]]), "{source}");
    }
}

#[tokio::test]
async fn addresses_are_cleaned_and_trimmed_by_every_kind() {
    let desk = Desk::start().await;
    let rules = json!([{ "regex": "/[0-9]+", "alias": "/:id", "order": 0 }]);
    desk.change_project(&json!({ "path_cleaning_filters": rules })).await;
    let mut events = Vec::new();
    for (person, path) in [(1, "/a/1"), (2, "/a/22/"), (3, "/"), (4, "/b#")] {
        events.push(event(person, 2, "visit", json!({ "path": path })));
        events.push(event(person, 3, "buy", json!({ "path": path })));
    }
    desk.send(&events.into()).await;
    let with = |more: Value| {
        let mut breakdown = json!({ "breakdown": "path", "breakdown_type": "event" });
        more.as_object().unwrap().iter().for_each(|(key, value)| breakdown[key] = value.clone());
        breakdown
    };
    assert_all_show(&desk, &with(json!({})), &["/a/1", "/a/22/", "/", "/b#"]).await;
    assert_all_show(&desk, &with(json!({ "breakdown_path_cleaning": true })), &["/a/:id", "/a/:id/", "/", "/b#"]).await;
    assert_all_show(&desk, &with(json!({ "breakdown_normalize_url": true })), &["/a/1", "/a/22", "/", "/b"]).await;
    let both = json!({ "breakdown_path_cleaning": true,
        "breakdowns": [{ "property": "path", "type": "event", "normalize_url": true }] });
    assert_all_show(&desk, &both, &["/a/:id", "/", "/b"]).await;
}

#[tokio::test]
async fn other_values_are_left_out_by_every_kind_that_is_told_to() {
    let desk = Desk::start().await;
    let mut events = Vec::new();
    for (person, plan) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
        events.push(event(person, 2, "visit", json!({ "plan": plan })));
        events.push(event(person, 3, "buy", json!({ "plan": plan })));
    }
    desk.send(&events.into()).await;
    let some = |hides: bool| {
        json!({ "breakdown": "plan", "breakdown_type": "event", "breakdown_limit": 1,
        "breakdown_hide_other_aggregation": hides })
    };
    assert_all_show(&desk, &some(true), &["a"]).await;
    for query in asked(&some(false)) {
        assert_eq!(values(&desk, &query).await.len(), 2, "{query}");
    }
}

#[tokio::test]
async fn what_cannot_be_laid_into_bins_is_refused_by_its_field() {
    let desk = Desk::start().await;
    for query in asked(&json!({ "breakdown": "size", "breakdown_histogram_bin_count": 0 })) {
        let reply = desk.reply(query.clone()).await.assert_status(400).json();
        assert_eq!(reply["attr"], "breakdownFilter.breakdown_histogram_bin_count", "{query}");
    }
    for query in asked(&json!({ "breakdowns": [{ "property": "size", "histogram_bin_count": 1000 }] })) {
        let reply = desk.reply(query.clone()).await.assert_status(400).json();
        assert_eq!(reply["attr"], "breakdownFilter.breakdowns[0].histogram_bin_count", "{query}");
    }
}

#[tokio::test]
async fn retention_is_broken_down_by_one_property_or_by_cohorts() {
    let desk = Desk::start().await;
    let retention = |breakdown: Value| {
        let [_, _, query] = asked(&breakdown);
        assert_eq!(query["kind"], "RetentionQuery");
        query
    };
    for (breakdown, field) in [
        (json!({ "breakdown": "a", "breakdown_type": "x" }), "breakdown_type"),
        (json!({ "breakdown": ["a", "b"] }), "breakdown"),
        (json!({ "breakdowns": [{ "property": "a" }, { "property": "b" }] }), "breakdowns[1]"),
        (json!({ "breakdown": ["x"], "breakdown_type": "cohort" }), "breakdown[0]"),
    ] {
        let reply = desk.reply(retention(breakdown.clone())).await.assert_status(400).json();
        assert_eq!(reply["attr"], format!("breakdownFilter.{field}"), "{breakdown}");
    }
    for breakdown in [json!({}), json!({ "breakdown": ["all"], "breakdown_type": "cohort" })] {
        desk.reply(retention(breakdown)).await.assert_status(200);
    }
}
