//! Asking for paths, and the answer's shape.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::read::Paths;
use crate::insights::ground::{Answered, Ground};
use crate::insights::sql::sql_error;
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::Reader;
use crate::storage::ch::hogql::ActorsBehind;
use crate::storage::ch::{PathEdge, Sql, paths_people_sql, paths_sql};

/// Answers a `PathsQuery`.
///
/// # Errors
/// If a field makes no sense, a store does not answer, or the question takes too much.
pub async fn run_paths(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let ground = Ground::of(context, json).await?;
    let mut answered = Answered::default();
    let paths = Paths::read(&ground, &mut answered).await?;
    let mut edges = Vec::new();
    if paths.is_possible() {
        let sql = paths_sql(context.project.id, paths.question(), paths.shown);
        let (found, cost) = context.ch.paths(&sql).await.map_err(|error| sql_error(error, "query"))?;
        let people = Sql::new("SELECT … AS person, … AS since, … AS until");
        answered.add(&paths_sql(context.project.id, paths.shown_question(&people), paths.shown), cost);
        edges = found;
    }
    let edge = |edge: PathEdge| {
        json!({
            "source": edge.source,
            "target": edge.target,
            "value": edge.value,
            "average_conversion_time": edge.average_ms,
        })
    };
    Ok(answered.with(connected(edges).into_iter().map(edge).collect(), &paths.range))
}

/// Without those that no first step leads to: what led to them is not shown.
fn connected(edges: Vec<PathEdge>) -> Vec<PathEdge> {
    let mut onward: HashMap<&str, Vec<&str>> = HashMap::new();
    for edge in &edges {
        onward.entry(&edge.source).or_default().push(&edge.target);
    }
    let mut open: Vec<&str> = onward.keys().copied().filter(|source| source.starts_with("1_")).collect();
    let mut reached: HashSet<&str> = open.iter().copied().collect();
    while let Some(from) = open.pop() {
        for to in onward.get(from).into_iter().flatten() {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    let is_reached: Vec<bool> = edges.iter().map(|edge| reached.contains(edge.source.as_str())).collect();
    edges.into_iter().zip(is_reached).filter(|(_, is)| *is).map(|(edge, _)| edge).collect()
}

/// The people or groups whose paths go by an edge or end at a step: `pathStartKey`, `pathEndKey` and `pathDropoffKey`.
///
/// # Errors
/// If a field makes no sense.
pub async fn paths_people(context: QueryContext<'_>, insight: &Reader<'_>) -> Result<ActorsBehind, InsightError> {
    let ground = Ground::of(context, insight.value().unwrap_or(&Value::Null)).await?;
    let paths = Paths::read(&ground, &mut Answered::default()).await?;
    let actors = paths_people_sql(context.project.id, paths.question(), &paths.keys);
    Ok(ActorsBehind::plain(actors, paths.actor.group_index()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_first_step_leads_to_is_not_shown() {
        let edge = |source: &str, target: &str| PathEdge {
            source: source.to_owned(),
            target: target.to_owned(),
            value: 1,
            average_ms: 0.0,
        };
        let edges =
            vec![edge("1_a", "2_b"), edge("2_b", "3_c"), edge("2_x", "3_y"), edge("3_y", "4_z"), edge("3_c", "4_z")];
        let shown: Vec<_> = connected(edges).into_iter().map(|edge| edge.source).collect();
        assert_eq!(shown, ["1_a", "2_b", "3_c"]);
    }
}
