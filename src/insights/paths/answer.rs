//! Asking for paths, and the answer's shape.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Value, json};

use super::read::Paths;
use crate::insights::ground::{Answered, Ground};
use crate::insights::sql::sql_error;
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::Reader;
use crate::storage::ch::hogql::ActorsBehind;
use crate::storage::ch::{
    HashedEdge, PathEdge, PathItem, Sql, named_path_edges_sql, path_edges_sql, path_items_sql, paths_people_sql,
};

/// Answers a `PathsQuery`.
///
/// # Errors
/// If a field makes no sense, a store does not answer, or the question takes too much.
pub async fn run_paths(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let ground = Ground::of(context, json).await?;
    let mut answered = Answered::default();
    let paths = Paths::read(&ground, &mut answered).await?;
    let edges = if paths.is_possible() { edges(context, &paths, &mut answered).await? } else { Vec::new() };
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

/// The edges that are shown, those that most went first.
async fn edges(
    context: QueryContext<'_>,
    paths: &Paths,
    answered: &mut Answered,
) -> Result<Vec<PathEdge>, InsightError> {
    let failed = |error| sql_error(error, "query");
    let (project, shown) = (context.project.id, paths.shown);
    let people = Sql::new("SELECT … AS person, … AS since, … AS until");
    let sql = path_edges_sql(project, paths.question(), shown);
    let (counted, cost) = context.ch.path_edges(&sql).await.map_err(failed)?;
    answered.add(&path_edges_sql(project, paths.shown_question(&people), shown), cost);
    if !shown.are_all(counted.len()) {
        let sql = named_path_edges_sql(project, paths.question(), shown);
        let (edges, cost) = context.ch.named_path_edges(&sql).await.map_err(failed)?;
        answered.add(&named_path_edges_sql(project, paths.shown_question(&people), shown), cost);
        return Ok(edges);
    }
    let hashes: BTreeSet<u64> = counted.iter().flat_map(|edge| [edge.from_item, edge.to_item]).collect();
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let sql = path_items_sql(paths.question(), &hashes);
    let (items, cost) = context.ch.path_items(&sql).await.map_err(failed)?;
    answered.add(&sql, cost);
    let mut edges = named(&counted, &items);
    edges.truncate(usize::try_from(shown.most).unwrap_or(usize::MAX));
    Ok(edges)
}

/// The same edges by the names of their items, those that most went first, then by name. Without those whose items were erased
/// since they were counted.
fn named(counted: &[HashedEdge], items: &[PathItem]) -> Vec<PathEdge> {
    let names: HashMap<u64, &str> = items.iter().map(|one| (one.hash, one.item.as_str())).collect();
    let named = |edge: &HashedEdge| {
        Some(PathEdge {
            source: format!("{}_{}", edge.step, names.get(&edge.from_item)?),
            target: format!("{}_{}", edge.step + 1, names.get(&edge.to_item)?),
            value: edge.passed,
            average_ms: edge.mean,
        })
    };
    let mut edges: Vec<PathEdge> = counted.iter().filter_map(named).collect();
    edges.sort_by(|a, b| {
        b.value.cmp(&a.value).then_with(|| a.source.cmp(&b.source)).then_with(|| a.target.cmp(&b.target))
    });
    edges
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
    fn edges_that_as_many_went_are_ordered_by_their_names() {
        let edge = |step, from_item, to_item, passed| HashedEdge { step, from_item, to_item, passed, mean: 0.0 };
        let item = |hash, item: &str| PathItem { hash, item: item.to_owned() };
        let counted = [edge(1, 3, 1, 2), edge(1, 2, 3, 2), edge(2, 1, 2, 9), edge(1, 2, 1, 2), edge(1, 4, 1, 9)];
        let named = named(&counted, &[item(1, "/z"), item(2, "/b"), item(3, "/c")]);
        let shown: Vec<_> = named.iter().map(|edge| format!("{} {}", edge.source, edge.target)).collect();
        assert_eq!(shown, ["2_/z 3_/b", "1_/b 2_/c", "1_/b 2_/z", "1_/c 2_/z"], "nothing is called 4");
    }

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
