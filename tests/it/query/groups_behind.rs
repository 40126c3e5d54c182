//! The groups behind a number, where a question counts groups.

use serde_json::{Value, json};

use super::Desk;

const DATES: (&str, &str) = ("2026-10-01", "2026-10-04");

fn told(key: &str, properties: Value) -> Value {
    json!({ "event": "$groupidentify", "distinct_id": "ada", "timestamp": "2026-09-01T10:00:00Z",
        "properties": { "$group_type": "company", "$group_key": key, "$group_set": properties } })
}

fn did(event: &str, who: &str, company: Option<&str>, day: u32, plan: &str) -> Value {
    let mut event = json!({ "event": event, "distinct_id": who, "timestamp": format!("2026-10-{day:02}T10:00:00Z"),
        "properties": { "plan": plan } });
    if let Some(company) = company {
        event["properties"]["$groups"] = json!({ "company": company });
    }
    event
}

/// Three companies, one of which was never told of but by events, and somebody without one.
async fn desk() -> Desk {
    let desk = Desk::start().await;
    desk.send(&json!([
        told("acme", json!({ "name": "Acme Corp", "size": 7 })),
        told("globex", json!({ "name": "Globex", "size": 90 })),
        did("visit", "ada", Some("acme"), 1, "gold"),
        did("visit", "bob", Some("acme"), 2, "gold"),
        did("buy", "bob", Some("acme"), 3, "gold"),
        did("visit", "cy", Some("globex"), 1, "tin"),
        did("visit", "cy", Some("o'hare\\ltd"), 2, "tin"),
        did("buy", "cy", Some("o'hare\\ltd"), 3, "tin"),
        did("visit", "dee", None, 1, "gold"),
    ]))
    .await;
    desk
}

impl Desk {
    /// The first column of the groups behind a number.
    async fn behind(&self, selection: &Value, insight: &Value, more: Value) -> Vec<Value> {
        let mut source = selection.clone();
        source["source"] = insight.clone();
        source["source"]["dateRange"] = json!({ "date_from": DATES.0, "date_to": DATES.1 });
        let mut query = json!({ "kind": "ActorsQuery", "source": source, "select": ["key"] });
        more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
        let answer = self.answer(query).await;
        answer["results"].as_array().unwrap().iter().map(|row| row[0].clone()).collect()
    }
}

#[tokio::test]
async fn every_kind_lists_the_groups_it_counted() {
    let desk = desk().await;
    let other = "o'hare\\ltd";
    let (one, two) = (json!({ "event": "visit" }), json!({ "event": "buy" }));
    let of = |event: &Value, math: &str| {
        let mut series = event.clone();
        series["math"] = json!(math);
        series["math_group_type_index"] = json!(0);
        series
    };
    let trend = |math: &str| json!({ "kind": "TrendsQuery", "series": [of(&one, math)] });
    let funnel = json!({ "kind": "FunnelsQuery", "aggregation_group_type_index": 0, "series": [one, two] });
    let sticky = json!({ "kind": "StickinessQuery", "series": [of(&one, "unique_group")] });
    let life = json!({ "kind": "LifecycleQuery", "aggregation_group_type_index": 0, "series": [one] });
    let visit = json!({ "id": "visit", "type": "events" });
    let retention = |kind: &str| {
        json!({ "kind": "RetentionQuery", "aggregation_group_type_index": 0, "retentionFilter": { "totalIntervals": 3,
            "retentionType": kind, "targetEntity": visit, "returningEntity": visit } })
    };
    let mut by_plan = trend("unique_group");
    by_plan["breakdownFilter"] = json!({ "breakdown": "plan" });
    let mut funnel_by_plan = funnel.clone();
    funnel_by_plan["breakdownFilter"] = json!({ "breakdown": "plan" });
    let mut funnel_over_time = funnel.clone();
    funnel_over_time["funnelsFilter"] = json!({ "funnelVizType": "trends", "funnelWindowInterval": 3 });
    let paths = json!({ "kind": "PathsQuery", "aggregation_group_type_index": 0,
        "pathsFilter": { "includeEventTypes": ["custom_event"], "pathDropoffKey": "1_buy" } });
    let mut edge = paths.clone();
    edge["pathsFilter"] = json!({ "includeEventTypes": ["custom_event"], "pathEndKey": "1_visit" });
    let insight = |more: Value| {
        let mut selection = json!({ "kind": "InsightActorsQuery" });
        more.as_object().unwrap().iter().for_each(|(key, value)| selection[key] = value.clone());
        selection
    };
    let step = |n: i64| json!({ "kind": "FunnelsActorsQuery", "funnelStep": n });
    for (selection, source, expected) in [
        (insight(json!({})), trend("unique_group"), vec!["acme", "globex", other]),
        (insight(json!({ "day": "2026-10-02" })), trend("unique_group"), vec!["acme", other]),
        (insight(json!({ "day": "2026-10-02" })), trend("weekly_active"), vec!["acme", "globex", other]),
        (insight(json!({ "day": "2026-10-02" })), trend("first_time_for_user"), vec![other]),
        (insight(json!({ "breakdown": "gold" })), by_plan, vec!["acme"]),
        (step(1), funnel.clone(), vec!["acme", "globex", other]),
        (step(2), funnel.clone(), vec!["acme", other]),
        (step(-2), funnel.clone(), vec!["globex"]),
        (
            json!({ "kind": "FunnelsActorsQuery", "funnelStep": 2, "funnelStepBreakdown": "tin" }),
            funnel_by_plan,
            vec![other],
        ),
        (
            json!({ "kind": "FunnelsActorsQuery", "funnelTrendsEntrancePeriodStart": "2026-10-01", "funnelTrendsDropOff": true }),
            funnel_over_time,
            vec!["globex"],
        ),
        (json!({ "kind": "StickinessActorsQuery", "day": 2 }), sticky.clone(), vec!["acme"]),
        (insight(json!({ "day": 1 })), sticky, vec!["globex", other]),
        (insight(json!({ "day": "2026-10-02", "status": "returning" })), life.clone(), vec!["acme"]),
        (insight(json!({ "day": "2026-10-02", "status": "dormant" })), life, vec!["globex"]),
        (insight(json!({ "interval": 0 })), retention("retention_recurring"), vec!["acme", "globex"]),
        (insight(json!({ "interval": 1 })), retention("retention_first_time"), vec![other]),
        (insight(json!({})), paths, vec!["acme", other]),
        (insight(json!({})), edge, vec!["acme", "globex", other]),
    ] {
        assert_eq!(desk.behind(&selection, &source, json!({})).await, expected, "{selection} of {source}");
    }
}

#[tokio::test]
async fn a_group_is_shown_whole_and_found_by_name_key_and_properties() {
    let desk = desk().await;
    let (_, _, theirs) = desk.app.stranger().await;
    desk.send_to(&theirs, &json!([told("acme", json!({ "name": "Somebody Else" }))])).await;
    let series = json!([{ "event": "visit", "math": "unique_group", "math_group_type_index": 0 }]);
    let trend = json!({ "kind": "TrendsQuery", "series": series });
    let all = json!({ "kind": "InsightActorsQuery" });
    let whole = desk.behind(&all, &trend, json!({ "select": null })).await;
    let acme = &whole[0];
    assert_eq!((&acme["id"], &acme["group_key"], &acme["type"]), (&json!("acme"), &json!("acme"), &json!("group")));
    assert_eq!((&acme["group_type_index"], &acme["properties"]["name"]), (&json!(0), &json!("Acme Corp")), "{acme}");
    assert!(acme["created_at"].is_string() && acme["properties"] == acme["group_properties"], "{acme}");
    assert!(whole[2]["created_at"].is_null() && whole[2]["properties"] == json!({}), "{}", whole[2]);
    for (more, expected) in [
        (json!({ "search": "CORP" }), json!(["acme"])),
        (json!({ "search": "o'h" }), json!(["o'hare\\ltd"])),
        (
            json!({ "properties": [{ "type": "group", "key": "size", "operator": "gt", "value": 50 }] }),
            json!(["globex"]),
        ),
        (json!({ "select": ["id"], "orderBy": ["key DESC"], "limit": 1, "offset": 1 }), json!(["globex"])),
        (json!({ "select": ["event_count", "key"], "orderBy": ["event_count DESC", "key"] }), json!([2, 1, 1])),
        (json!({ "select": ["count()"] }), json!([3])),
        (json!({ "select": ["properties.name", "actor"] }), json!([null, "Acme Corp", "Globex"])),
    ] {
        let mut found = desk.behind(&all, &trend, more.clone()).await;
        if more["select"][0] == "properties.name" {
            found.sort_by_key(Value::to_string);
            found.rotate_right(1);
        }
        assert_eq!(json!(found), expected, "{more}");
    }
    let query = json!({ "kind": "ActorsQuery", "source": { "kind": "InsightActorsQuery",
        "source": { "kind": "TrendsQuery", "series": series, "dateRange": { "date_from": DATES.0, "date_to": DATES.1 } } } });
    assert_eq!(desk.answer(query.clone()).await["missing_actors_count"], 1, "the one that was never told of");

    for (more, attr) in [
        (json!([{ "type": "person", "key": "email", "value": "x" }]), "properties[0].type"),
        (json!([{ "type": "cohort", "key": "id", "value": 7 }]), "properties[0].value"),
    ] {
        let mut query = query.clone();
        query["properties"] = more;
        assert_eq!(desk.reply(query).await.assert_status(400).json()["attr"], attr);
    }
    // A cohort holds people.
    let path = format!("/api/projects/{}/cohorts/", desk.owner.project);
    let body = json!({ "name": "companies", "is_static": true, "query": query });
    let reply = desk.app.post_json_with_key(&path, &desk.owner.personal_key, &body).await;
    assert_eq!(reply.status.as_u16(), 400, "{}", reply.text());
    let funnel = json!({ "kind": "FunnelsQuery", "series": [{ "event": "visit" }, { "event": "buy" }],
        "funnelsFilter": { "funnelAggregateByHogQL": "properties.plan" } });
    let query =
        json!({ "kind": "ActorsQuery", "source": { "kind": "FunnelsActorsQuery", "funnelStep": 1, "source": funnel } });
    assert_eq!(desk.reply(query).await.assert_status(400).json()["attr"], "source.source");
}

#[tokio::test]
async fn a_whole_trend_or_stickiness_counts_groups_where_it_says_so() {
    let desk = desk().await;
    let dates = json!({ "date_from": DATES.0, "date_to": DATES.1 });
    let ask = async |kind: &str, math: &str, more: Value| {
        let mut query = json!({ "kind": kind, "series": [{ "event": "visit", "math": math }], "dateRange": dates,
            "aggregation_group_type_index": 0 });
        more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
        desk.answer(query).await["results"][0]["data"].clone()
    };
    let people = json!({ "aggregation_group_type_index": null });
    assert_eq!(ask("TrendsQuery", "dau", json!({})).await, json!([2, 2, 0, 0]));
    assert_eq!(ask("TrendsQuery", "dau", people.clone()).await, json!([3, 2, 0, 0]));
    assert_eq!(ask("TrendsQuery", "unique_group", json!({})).await, json!([2, 2, 0, 0]));
    assert_eq!(ask("TrendsQuery", "total", json!({})).await, json!([3, 2, 0, 0]), "events are events");
    assert_eq!(ask("TrendsQuery", "avg_count_per_actor", json!({})).await, json!([1, 1, 0, 0]));
    // Acme twice, the others once; of people only Cy.
    assert_eq!(ask("StickinessQuery", "dau", json!({})).await, json!([2, 1, 0, 0]));
    assert_eq!(ask("StickinessQuery", "dau", people).await, json!([3, 1, 0, 0]));
    for kind in ["TrendsQuery", "StickinessQuery"] {
        let query = json!({ "kind": kind, "series": [{ "event": "visit" }], "aggregation_group_type_index": 5 });
        assert_eq!(desk.reply(query).await.assert_status(400).json()["attr"], "aggregation_group_type_index");
    }
    let query = json!({ "kind": "TrendsQuery", "series": [{ "event": "visit", "math": "dau" }], "aggregation_group_type_index": 0 });
    let all = json!({ "kind": "InsightActorsQuery", "day": "2026-10-02" });
    assert_eq!(desk.behind(&all, &query, json!({})).await, ["acme", "o'hare\\ltd"]);
}
