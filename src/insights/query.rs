//! A query of the public API to its answer, whatever its kind. A kind that can be answered is one line in [`run_query`].

use serde_json::{Map, Value};

use super::InsightError;
use super::funnels::{funnel_people, run_funnels};
use super::lifecycle::{lifecycle_people, run_lifecycle};
use super::paths::{paths_people, run_paths};
use super::retention::{retention_people, run_retention};
use super::sql::{hogql_people, run_actors, run_events, run_hogql};
use super::stickiness::{run_stickiness, stickiness_people};
use super::trends::{run_trends_query, trends_people};
use super::web::{run_web_goals, run_web_overview, run_web_table};
use crate::model::query::{InvalidQuery, Reader};
use crate::model::{Clock, Project, ProjectSettings};
use crate::storage::ch::ClickHouse;
use crate::storage::ch::hogql::ActorsBehind;
use crate::storage::pg::Pg;

/// The kinds that can be answered.
pub const QUERY_KINDS: &[&str] = &[
    "HogQLQuery",
    "EventsQuery",
    "ActorsQuery",
    "TrendsQuery",
    "LifecycleQuery",
    "RetentionQuery",
    "StickinessQuery",
    "FunnelsQuery",
    "WebOverviewQuery",
    "WebStatsTableQuery",
    "WebGoalsQuery",
    "PathsQuery",
];

/// Deepest wrapping of one query in another (`InsightVizNode`, `DataVisualizationNode`).
const MAX_WRAPPERS: usize = 4;

/// Whom a query asks about, and what answers it.
#[derive(Debug, Clone, Copy)]
pub struct QueryContext<'a> {
    pub ch: &'a ClickHouse,
    pub pg: &'a Pg,
    pub clock: &'a Clock,
    pub project: &'a Project,
    pub settings: &'a ProjectSettings,
}

/// What a kind says in its answer: `results` and whatever else is its own (PROTOCOL §7.3). What every answer holds is added
/// by who sends it.
pub type QueryAnswer = Map<String, Value>;

/// Answers a query.
///
/// # Errors
/// If the kind or a field is not known, or makes no sense; if a store does not answer, or the question takes too much.
pub async fn run_query(context: QueryContext<'_>, query: &Value) -> Result<QueryAnswer, InsightError> {
    let query = unwrapped(query)?;
    let kind = Reader::new(query).get("kind")?;
    match kind.text()?.ok_or_else(|| kind.wrong("the kind of the query is needed"))? {
        "HogQLQuery" => run_hogql(context, query).await,
        "EventsQuery" => run_events(context, query).await,
        "ActorsQuery" => run_actors(context, query).await,
        "TrendsQuery" => run_trends_query(context, query).await,
        "LifecycleQuery" => run_lifecycle(context, query).await,
        "PathsQuery" => run_paths(context, query).await,
        "RetentionQuery" => run_retention(context, query).await,
        "StickinessQuery" => run_stickiness(context, query).await,
        "FunnelsQuery" => run_funnels(context, query).await,
        "WebOverviewQuery" => run_web_overview(context, query).await,
        "WebStatsTableQuery" => run_web_table(context, query).await,
        "WebGoalsQuery" => run_web_goals(context, query).await,
        other => {
            let known = QUERY_KINDS.join(", ");
            Err(kind.wrong(format!("{other:?} cannot be answered here; {known} can")).into())
        }
    }
}

/// The people or groups behind a point of another query's answer: `source` of an `ActorsQuery`.
pub(super) async fn actors_behind(
    context: QueryContext<'_>,
    source: &Reader<'_>,
) -> Result<ActorsBehind, InsightError> {
    let kind = source.get("kind")?;
    let said = kind.text()?.ok_or_else(|| kind.wrong("the kind of the query is needed"))?;
    let insight = source.get("source")?;
    let insight_kind = insight.get("kind")?.text()?;
    match (said, insight_kind) {
        ("HogQLQuery", None) => hogql_people(context, source).await.map(|people| ActorsBehind::plain(people, None)),
        ("InsightActorsQuery", Some("LifecycleQuery")) => lifecycle_people(context, source, &insight).await,
        ("InsightActorsQuery", Some("PathsQuery")) => paths_people(context, &insight).await,
        ("InsightActorsQuery", Some("RetentionQuery")) => retention_people(context, source, &insight).await,
        ("InsightActorsQuery" | "StickinessActorsQuery", Some("StickinessQuery")) => {
            stickiness_people(context, source, &insight).await
        }
        ("FunnelsActorsQuery", Some("FunnelsQuery")) => funnel_people(context, source, &insight).await,
        ("InsightActorsQuery", Some("TrendsQuery")) => trends_people(context, source, &insight).await,
        _ => {
            let of = insight_kind.map(|of| format!(" of {of}")).unwrap_or_default();
            Err(kind.wrong(format!("the people of {said}{of} cannot be listed yet")).into())
        }
    }
}

/// The same where only people will do, as for a cohort.
pub(super) async fn people_behind(
    context: QueryContext<'_>,
    source: &Reader<'_>,
) -> Result<ActorsBehind, InsightError> {
    let behind = actors_behind(context, source).await?;
    if behind.group_index.is_some() {
        return Err(source.get("source")?.wrong("people are needed here, and this counts groups").into());
    }
    Ok(behind)
}

/// What a page's wrapper holds.
fn unwrapped(mut query: &Value) -> Result<&Value, InvalidQuery> {
    for _ in 0..MAX_WRAPPERS {
        match query.get("kind").and_then(Value::as_str) {
            Some("InsightVizNode" | "DataVisualizationNode" | "DataTableNode") => {
                query = query.get("source").unwrap_or(&Value::Null);
            }
            _ => return Ok(query),
        }
    }
    Err(InvalidQuery::new("source", "one query wraps another too often"))
}
