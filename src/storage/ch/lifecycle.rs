//! Lifecycle: who is new, returns, comes back or stays away, for each bucket.

use clickhouse::Row;
use serde::Deserialize;

use super::buckets::bucket_index;
use super::merges::after_merges;
use super::{ChError, ClickHouse, Cost, Counted, Sql};
use crate::model::ProjectId;
use crate::model::query::ResolvedRange;

/// How many were what in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct LifecyclePoint {
    /// 1: new, 2: returning, 3: resurrecting, 4: dormant.
    pub status: u8,
    /// The place of the bucket in the range.
    pub bucket: i64,
    pub value: u64,
}

/// What a lifecycle is made of.
#[derive(Debug, Clone, Copy)]
pub struct LifecycleQuestion<'a> {
    pub counted: Counted,
    /// Begins one bucket early: whether somebody returns shows in the bucket before.
    pub range: &'a ResolvedRange,
    /// Events as `actor` and `at`.
    pub events: &'a Sql,
    /// When people with a profile were first seen, as `actor` and `first_at`.
    pub known: Option<&'a Sql>,
    /// All events ever of those without one, as `actor` and `at`.
    pub others: &'a Sql,
}

impl ClickHouse {
    /// Answers a lifecycle.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn lifecycle(&self, sql: &Sql) -> Result<(Vec<LifecyclePoint>, Cost), ChError> {
        self.rows(sql).await
    }
}

/// The statement that counts: rows are [`LifecyclePoint`]s.
#[must_use]
pub fn lifecycle_sql(project: ProjectId, question: LifecycleQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT toUInt8(state.1) AS status, toInt64(state.2) AS bucket, count() AS value\nFROM (\n");
    sql.append(&states(project, question)).push("\n)\nGROUP BY status, bucket");
    sql
}

/// Those who were something in a bucket: one column. No status is any, no bucket any but the first, which is the one before.
#[must_use]
pub fn lifecycle_people_sql(
    project: ProjectId,
    question: LifecycleQuestion<'_>,
    status: Option<u8>,
    bucket: Option<u32>,
) -> Sql {
    let last = question.range.buckets.len().saturating_sub(1);
    let mut sql = Sql::new("SELECT DISTINCT whole FROM (\n");
    sql.append(&states(project, question)).push("\n)\nWHERE state.2 BETWEEN ");
    sql.number(bucket.map_or(1, u64::from)).push(" AND ").number(bucket.map_or(last as u64, u64::from));
    if let Some(status) = status {
        sql.push(" AND state.1 = ").param("UInt8", u64::from(status));
    }
    sql
}

/// When somebody was first seen: a profile's own date counts, also where visits from before it were merged into it.
const BORN: &str = "if(max(has_profile) = 1, minIf(first_at, has_profile = 1), min(first_at))";

/// A row for each state that somebody was in: `whole`, `state`.
fn states(project: ProjectId, question: LifecycleQuestion<'_>) -> Sql {
    let mut found = Sql::new("SELECT actor, ");
    found.append(&bucket_index(question.range, "at")).push(" AS bucket\nFROM (").append(question.events);
    found.push(")\nGROUP BY actor, bucket");
    let mut sql = Sql::new(
        "SELECT whole, arrayJoin(arrayConcat(\n  arrayMap((at, i) -> (multiIf(at = born, 1, i > 1 AND \
         active[i - 1] = at - 1, 2, 3), at), active, arrayEnumerate(active)),\n  arrayMap(at -> (4, at + 1), arrayFilter((at, i) -> \
         i = length(active) OR active[i + 1] != at + 1, active, arrayEnumerate(active))))) AS state\nFROM (\n",
    );
    sql.push("SELECT whole, arraySort(groupUniqArray(bucket)) AS active\nFROM (\n");
    sql.append(&after_merges(project, question.counted, "bucket", &found)).push("\n)\nGROUP BY whole\n) AS seen\n");
    sql.push("LEFT JOIN (\nSELECT whole, ").append(&bucket_index(question.range, BORN));
    sql.push(" AS born\nFROM (\n");
    if let Some(known) = question.known {
        sql.push("SELECT actor AS whole, first_at, 1 AS has_profile FROM (")
            .append(known)
            .push(")\nUNION ALL\nSELECT whole, first_at, 0 FROM (");
    } else {
        sql.push("SELECT whole, first_at, 0 AS has_profile FROM (");
    }
    let mut earliest = Sql::new("SELECT actor, min(at) AS first_at\nFROM (");
    earliest.append(question.others).push(")\nGROUP BY actor");
    sql.append(&after_merges(project, question.counted, "first_at", &earliest));
    sql.push(")\n)\nGROUP BY whole\n) AS first ON first.whole = seen.whole");
    sql
}
