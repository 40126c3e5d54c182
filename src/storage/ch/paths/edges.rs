//! How often one item followed another.
//!
//! Few edges are shown of many. So edges are counted by the hashes of their items first ([`path_edges_sql`]), and what the few
//! are called is looked up after ([`path_items_sql`]), which ends as soon as each was met once. If far more went as often as
//! the last that is shown, all are named before it is said which come first ([`named_path_edges_sql`]).

use std::collections::BTreeSet;

use clickhouse::Row;
use serde::Deserialize;

use super::super::{ChError, ClickHouse, Cost, Sql};
use super::question::{EdgesShown, PathsQuestion, items};
use super::sittings::paths;
use crate::model::ProjectId;

/// So many more edges than are shown, which went as often as the last of those, are named apart.
const MOST_TIES: u32 = 1_000;

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

/// The same by the hashes of both items.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct HashedEdge {
    pub step: u32,
    pub from_item: u64,
    pub to_item: u64,
    pub passed: u64,
    pub mean: f64,
}

/// What the item of a hash is called.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct PathItem {
    pub hash: u64,
    pub item: String,
}

impl EdgesShown {
    /// Whether so many edges are all that may be shown, and not the first of more.
    #[must_use]
    pub fn are_all(&self, found: usize) -> bool {
        u32::try_from(found).is_ok_and(|found| found <= self.most + MOST_TIES)
    }
}

impl ClickHouse {
    /// The edges that may be shown.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses: a pattern that is no regular expression.
    pub async fn path_edges(&self, sql: &Sql) -> Result<(Vec<HashedEdge>, Cost), ChError> {
        self.rows(sql).await
    }

    /// What items are called.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn path_items(&self, sql: &Sql) -> Result<(Vec<PathItem>, Cost), ChError> {
        self.rows(sql).await
    }

    /// The edges that are shown, by their names.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn named_path_edges(&self, sql: &Sql) -> Result<(Vec<PathEdge>, Cost), ChError> {
        self.rows(sql).await
    }
}

/// The statement that counts: rows are [`HashedEdge`]s, those that most went, with all that went as often as the last of them
/// or, if they are too many, the first of those ([`EdgesShown::are_all`]).
#[must_use]
pub fn path_edges_sql(project: ProjectId, question: PathsQuestion<'_>, shown: EdgesShown) -> Sql {
    let mut sql = Sql::new("SELECT *\nFROM (\n");
    sql.append(&counted(project, question, shown)).push("\n)\nLIMIT ");
    sql.param("UInt32", shown.most + MOST_TIES + 1);
    sql
}

/// What the items of these hashes are called: rows are [`PathItem`]s.
#[must_use]
pub fn path_items_sql(question: PathsQuestion<'_>, hashes: &BTreeSet<u64>) -> Sql {
    let mut sql = Sql::new("SELECT hash, item\nFROM (\n");
    sql.append(&hashed(question)).push("\n)\nWHERE hash IN (");
    for (at, hash) in hashes.iter().enumerate() {
        sql.push(if at > 0 { ", " } else { "" }).number(*hash);
    }
    sql.push(")\nLIMIT 1 BY hash\nLIMIT ").number(hashes.len() as u64);
    sql
}

/// The statement that counts and names: rows are [`PathEdge`]s, those that most went first.
#[must_use]
pub fn named_path_edges_sql(project: ProjectId, question: PathsQuestion<'_>, shown: EdgesShown) -> Sql {
    let mut sql = Sql::new(
        "SELECT concat(toString(step), '_', anyIf(name, NOT is_target)) AS source,\n  \
         concat(toString(step + 1), '_', anyIf(name, is_target)) AS target, any(passed) AS value, any(mean) AS average_ms\n\
         FROM (\nSELECT step, from_item, to_item, passed, mean, arrayJoin([false, true]) AS is_target, \
         if(is_target, to_item, from_item) AS hash\nFROM (\n",
    );
    sql.append(&counted(project, question, shown)).push("\n)\n) AS edges\nINNER JOIN (\n");
    sql.push("SELECT hash, any(item) AS name\nFROM (\n").append(&hashed(question));
    sql.push("\n)\nGROUP BY hash\n) AS names ON names.hash = edges.hash\n");
    sql.push("GROUP BY step, from_item, to_item\nORDER BY value DESC, source, target\nLIMIT ")
        .param("UInt32", shown.most);
    sql
}

/// Edges by the hashes of their items, those that most went, with all that went as often as the last of them.
fn counted(project: ProjectId, question: PathsQuestion<'_>, shown: EdgesShown) -> Sql {
    let mut sql = Sql::new(
        "SELECT edge.1 AS step, edge.2 AS from_item, edge.3 AS to_item, count() AS passed, avg(edge.4) / 1000 AS mean\nFROM (\n\
         SELECT arrayJoin(arrayMap((at, one, next) -> (at, toUInt64(one), toUInt64(next), \
         toInt64(bitShiftRight(next, 64)) - toInt64(bitShiftRight(one, 64))), \
         arrayEnumerate(arrayPopFront(path)), arrayPopBack(path), arrayPopFront(path))) AS edge\nFROM (\n",
    );
    sql.append(&paths(project, question)).push("\n)\n)\nGROUP BY step, from_item, to_item\nHAVING passed >= ");
    sql.param("UInt32", shown.least_value.unwrap_or(0)).push(" AND passed <= ");
    sql.param("UInt32", shown.most_value.unwrap_or(u32::MAX)).push("\nORDER BY passed DESC\nLIMIT ");
    sql.param("UInt32", shown.most).push(" WITH TIES");
    sql
}

/// All items, as often as they happened, with their hashes: `hash`, `item`.
fn hashed(question: PathsQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT cityHash64('...') AS hash, '...' AS item\nUNION ALL\n");
    sql.push("SELECT cityHash64(item) AS hash, item FROM (\n").append(&items(question)).push("\n)");
    sql
}
