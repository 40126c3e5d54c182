//! A question of every kind with most of its fields, and what is asked with all of them.
//!
//! Whoever makes a kind adds a question here; then nobody can forget it where other projects or bad questions are tried.

use serde_json::{Value, json};

/// A question that has an answer in a project that was sent [`life`].
pub fn question(kind: &str) -> Value {
    let dates = json!({ "date_from": "2026-10-25", "date_to": "2026-11-01" });
    let properties = json!([{ "type": "event", "key": "shared", "operator": "icontains", "value": "ye" }]);
    let views = json!({ "kind": "EventsNode", "event": "$pageview", "name": "$pageview", "properties": properties });
    let mut question = match kind {
        "HogQLQuery" => {
            let sql = "select event, properties.secret, person.properties.email from events where {filters} order by timestamp, event";
            return json!({ "kind": kind, "query": sql, "filters": { "dateRange": dates, "properties": properties } });
        }
        "EventsQuery" => {
            return json!({ "kind": kind, "select": ["event", "person", "properties.secret"], "after": "2026-10-25",
                "before": "2026-11-02", "properties": properties, "orderBy": ["timestamp", "event"], "limit": 50, "offset": 0 });
        }
        "ActorsQuery" => {
            let person = json!([{ "type": "person", "key": "shared_by", "operator": "icontains", "value": "ll" }]);
            return json!({ "kind": kind, "select": ["person", "properties.email"], "properties": person,
                "orderBy": ["properties.email"], "limit": 50, "offset": 0 });
        }
        "TrendsQuery" => {
            json!({ "series": [views], "interval": "day", "breakdownFilter": { "breakdown": "secret", "breakdown_type": "event" } })
        }
        "LifecycleQuery" => json!({ "series": [views], "interval": "day" }),
        "StickinessQuery" => json!({ "series": [views], "interval": "day", "intervalCount": 1 }),
        "FunnelsQuery" => {
            json!({ "series": [views, { "kind": "EventsNode", "event": "buy" }], "interval": "day",
                "funnelsFilter": { "funnelVizType": "steps", "funnelWindowInterval": 14 } })
        }
        "RetentionQuery" => {
            let target = json!({ "id": "$pageview", "type": "events" });
            json!({ "retentionFilter": { "period": "Day", "totalIntervals": 7, "targetEntity": target, "returningEntity": target } })
        }
        "PathsQuery" => {
            json!({ "pathsFilter": { "includeEventTypes": ["$pageview"], "stepLimit": 5, "edgeLimit": 50 } })
        }
        "WebOverviewQuery" => {
            json!({ "compareFilter": { "compare": true }, "conversionGoal": { "customEventName": "buy" } })
        }
        "WebStatsTableQuery" => {
            json!({ "breakdownBy": "Page", "includeBounceRate": true, "doPathCleaning": true, "limit": 50, "offset": 0,
                "orderBy": ["Views", "DESC"], "compareFilter": { "compare": true } })
        }
        "WebGoalsQuery" => {
            json!({ "compareFilter": { "compare": true }, "limit": 10, "orderBy": ["TotalConversions", "DESC"] })
        }
        other => panic!("{other} can be asked and has no question here"),
    };
    question["kind"] = kind.into();
    question["dateRange"] = dates;
    question["properties"] = properties;
    question
}

/// Events of two people over some days that say a word.
pub fn life(word: &str) -> Value {
    let mut events = Vec::new();
    for day in 27..=31 {
        for (who, minute) in [("ada", 0), ("bob", 5)] {
            for (at, event, path) in [(0, "$pageview", "a"), (1, "$pageview", "b"), (2, "buy", "b")] {
                events.push(json!({ "event": event, "distinct_id": who, "timestamp": format!("2026-10-{day}T10:0{}:00Z", minute + at),
                    "properties": { "secret": word, "shared": "yes", "$pathname": format!("/{word}/{path}"),
                        "$current_url": format!("https://x.example/{word}/{path}"), "$session_id": format!("{who}-{day}"),
                        "$set": { "email": format!("{who}@{word}.example"), "shared_by": "all" } } }));
            }
        }
    }
    events.into()
}
