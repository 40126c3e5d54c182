//! The statements themselves, kept under review; that they run is for the other tests.

use serde_json::{Value, json};
use tenrec::model::ProjectId;
use tenrec::model::query::{TrendsQuery, WeekStart};
use tenrec::storage::ch::{TrendQuestion, trend_sql};

fn statement(query: &Value) -> String {
    let query = TrendsQuery::parse(query).unwrap();
    let now = "2026-11-01T12:00:00Z".parse().unwrap();
    let zone = "Europe/Berlin".parse().unwrap();
    let range = query.date_range.resolve(query.interval, &zone, now, WeekStart::Sunday, None).unwrap();
    let question = TrendQuestion {
        series: &query.series[0],
        properties: &query.properties,
        traffic: query.traffic,
        counts_cookieless: query.counts_cookieless,
        breakdown: query.breakdown.as_ref(),
        range: &range,
        is_aggregated: query.display.is_aggregated(),
    };
    let sql = trend_sql(ProjectId::new(7), question);
    let scopes = sql.text().matches("project_id = {").count();
    assert_eq!(scopes, sql.text().matches("FROM events").count() + sql.text().matches("FROM person_overrides").count());
    let params = sql.params().iter().enumerate().map(|(at, value)| format!("\np{at}: {value:?}"));
    format!("{}\n{}", sql.text(), params.collect::<String>())
}

#[test]
fn total_with_filters() {
    insta::assert_snapshot!(statement(&json!({
        "kind": "TrendsQuery",
        "series": [{ "event": "$pageview", "properties": [{ "key": "price", "operator": "gte", "value": 10 }] }],
        "properties": { "type": "OR", "values": [
            { "key": "$browser", "value": ["Chrome", "Safari"] },
            { "key": "email", "type": "person", "operator": "not_icontains", "value": "@example.com" },
            { "type": "AND", "values": [{ "key": "a.b", "operator": "is_set" }, { "key": "it's", "operator": "regex", "value": "^x" }] },
        ] },
    })));
}

#[test]
fn unique_users_by_week() {
    insta::assert_snapshot!(statement(&json!({
        "kind": "TrendsQuery", "series": [{ "math": "dau" }], "interval": "week", "dateRange": { "date_from": "-90d" },
    })));
}

#[test]
fn total_by_value() {
    insta::assert_snapshot!(statement(&json!({
        "kind": "TrendsQuery", "series": [{ "event": "$pageview" }], "interval": "hour", "dateRange": { "date_from": "-24h" },
        "breakdownFilter": { "breakdown": "$pathname" },
    })));
}

#[test]
fn unique_users_by_value_as_one_number() {
    insta::assert_snapshot!(statement(&json!({
        "kind": "TrendsQuery", "series": [{ "event": "buy", "math": "dau" }], "trendsFilter": { "display": "ActionsBarValue" },
        "breakdownFilter": { "breakdown": "plan", "breakdown_type": "person", "breakdown_limit": 5 },
    })));
}
