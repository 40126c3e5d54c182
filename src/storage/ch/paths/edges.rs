//! How often one item followed another.

use clickhouse::Row;
use serde::Deserialize;

use super::super::{ChError, ClickHouse, Cost, Sql};
use super::question::{EdgesShown, PathsQuestion, items};
use super::sittings::paths;
use crate::model::ProjectId;

/// How often one item followed another at a step.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct PathEdge {
    /// The number of the step and its item: `1_/pricing`.
    pub source: String,
    pub target: String,
    pub value: u64,
    /// Mean time from one to the other, in milliseconds.
    pub average_ms: f64,
}

impl ClickHouse {
    /// Answers paths.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses: a pattern that is no regular expression.
    pub async fn paths(&self, sql: &Sql) -> Result<(Vec<PathEdge>, Cost), ChError> {
        self.rows(sql).await
    }
}

/// The statement that counts: rows are [`PathEdge`]s, those that most went first.
#[must_use]
pub fn paths_sql(project: ProjectId, question: PathsQuestion<'_>, shown: EdgesShown) -> Sql {
    let mut sql = Sql::new(
        "SELECT concat(toString(step), '_', anyIf(name, NOT is_target)) AS source,\n  \
         concat(toString(step + 1), '_', anyIf(name, is_target)) AS target, any(passed) AS value, any(mean) AS average_ms\n\
         FROM (\nSELECT step, from_item, to_item, passed, mean, arrayJoin([false, true]) AS is_target, \
         if(is_target, to_item, from_item) AS hash\nFROM (\n\
         SELECT edge.1 AS step, edge.2 AS from_item, edge.3 AS to_item, count() AS passed, avg(edge.4) / 1000 AS mean\nFROM (\n\
         SELECT arrayJoin(arrayMap((at, one, next) -> (at, toUInt64(one), toUInt64(next), \
         toInt64(bitShiftRight(next, 64)) - toInt64(bitShiftRight(one, 64))), \
         arrayEnumerate(arrayPopFront(path)), arrayPopBack(path), arrayPopFront(path))) AS edge\nFROM (\n",
    );
    sql.append(&paths(project, question)).push("\n)\n)\nGROUP BY step, from_item, to_item\nHAVING passed >= ");
    sql.param("UInt32", shown.least_value.unwrap_or(0)).push(" AND passed <= ");
    // Names are given to those alone that may be shown; those that as many went are ordered by theirs.
    sql.param("UInt32", shown.most_value.unwrap_or(u32::MAX)).push("\nORDER BY passed DESC\nLIMIT ");
    sql.param("UInt32", shown.most).push(" WITH TIES\n)\n) AS edges\nINNER JOIN (\n");
    sql.push("SELECT hash, any(item) AS name\nFROM (\nSELECT cityHash64(item) AS hash, item FROM (\n")
        .append(&items(question));
    sql.push("\n)\nUNION ALL\nSELECT cityHash64('...') AS hash, '...' AS item\n)\nGROUP BY hash\n) AS names ON names.hash = edges.hash\n");
    sql.push("GROUP BY step, from_item, to_item\nORDER BY value DESC, source, target\nLIMIT ")
        .param("UInt32", shown.most);
    sql
}
