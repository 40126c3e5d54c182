//! Trends on the real store: against a plain reading of the same events, with hostile keys, and project by project.

mod hostile;
mod naive;

use jiff::Timestamp;
use serde_json::{Value, json};
use tenrec::insights::{InsightError, QueryAnswer, QueryContext, TrendsAnswer, run_query, run_trends};
use tenrec::model::query::TrendsQuery;
use tenrec::model::{OrganizationId, Project, ProjectId, ProjectSettings};
use uuid::Uuid;

use crate::explorer_support::Explorer;

/// A project as the insights see it, in a zone of the test's choice.
pub fn project(id: ProjectId, zone: &str) -> Project {
    Project {
        id,
        organization_id: OrganizationId::new(Uuid::nil()),
        name: "Shop".to_owned(),
        api_key: "phc_shop".parse().unwrap(),
        time_zone: zone.parse().unwrap(),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

/// What a page is told.
pub async fn tell(explorer: &Explorer, project: &Project, query: &TrendsQuery) -> Result<TrendsAnswer, InsightError> {
    let state = explorer.app.state();
    let settings = ProjectSettings::default();
    let context = QueryContext { ch: &state.ch, pg: &state.pg, clock: &state.clock, project, settings: &settings };
    run_trends(context, query).await
}

/// Asks, and fails the test if there is no answer.
pub async fn ask(explorer: &Explorer, project: &Project, query: &Value) -> (TrendsQuery, TrendsAnswer) {
    let query = TrendsQuery::parse(query).unwrap_or_else(|e| panic!("{e}: {query}"));
    let answer = tell(explorer, project, &query).await;
    let answer = answer.unwrap_or_else(|e| panic!("{e}: {query:?}"));
    (query, answer)
}

/// Asks as the query API does.
pub async fn ask_api(explorer: &Explorer, project: &Project, query: &Value) -> QueryAnswer {
    let state = explorer.app.state();
    let settings = ProjectSettings::default();
    let context = QueryContext { ch: &state.ch, pg: &state.pg, clock: &state.clock, project, settings: &settings };
    run_query(context, query).await.unwrap_or_else(|e| panic!("{e}: {query}"))
}

#[tokio::test]
async fn the_answer_has_the_shape_of_the_query_api() {
    let explorer = Explorer::start().await;
    let mut seed = explorer.seed("$pageview", "ada", json!({ "$browser": "Chrome" }));
    seed.at = "2026-10-31T12:00:00Z".parse().unwrap();
    explorer.store(&[seed.clone(), explorer.seed("$pageview", "bob", json!({ "$browser": "" }))]).await;
    let project = project(explorer.project, "UTC");
    let query = json!({
        "kind": "TrendsQuery",
        "series": [{ "event": "$pageview", "math": "dau" }],
        "dateRange": { "date_from": "2026-10-30", "date_to": "2026-11-01" },
        "breakdownFilter": { "breakdown": "$browser" },
    });
    let (_, answer) = ask(&explorer, &project, &query).await;
    let json = ask_api(&explorer, &project, &query).await;
    let rows = json["results"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["label"], "Chrome");
    assert_eq!(rows[0]["data"], json!([0, 1, 0]));
    assert_eq!(rows[0]["days"], json!(["2026-10-30", "2026-10-31", "2026-11-01"]));
    assert_eq!(rows[0]["labels"], json!(["30-Oct-2026", "31-Oct-2026", "1-Nov-2026"]));
    assert_eq!(rows[0]["count"], 1);
    assert_eq!(rows[1]["breakdown_value"], "$$_posthog_breakdown_null_$$");
    assert_eq!(rows[1]["data"], json!([0, 0, 1]));
    assert!(answer.range.is_last_incomplete);
    assert!(answer.cost.rows_read.is_some_and(|rows| rows >= 2), "{:?}", answer.cost);
}

#[tokio::test]
async fn a_pattern_that_is_none_is_refused_by_name_and_all_time_starts_with_the_first_event() {
    let explorer = Explorer::start().await;
    let mut seed = explorer.seed("e", "ada", json!({ "a": "b" }));
    seed.at = "2026-08-07T23:30:00Z".parse().unwrap();
    explorer.store(&[seed]).await;
    let project = project(explorer.project, "Europe/Berlin");
    let wrong = json!({ "kind": "TrendsQuery", "series": [{ "event": "e" }], "dateRange": { "date_from": "all" },
        "properties": [{ "key": "a", "operator": "regex", "value": "(" }] });
    let query = TrendsQuery::parse(&wrong).unwrap();
    let error = tell(&explorer, &project, &query).await.unwrap_err();
    assert!(error.to_string().starts_with("properties: a pattern is no regular expression"), "{error}");

    let all = json!({ "kind": "TrendsQuery", "series": [{ "event": "e" }], "dateRange": { "date_from": "all" }, "interval": "month" });
    let (_, answer) = ask(&explorer, &project, &all).await;
    assert_eq!(answer.range.buckets[0].day, "2026-08-01");
    assert_eq!(answer.results[0].data, [1, 0, 0, 0]);
}
