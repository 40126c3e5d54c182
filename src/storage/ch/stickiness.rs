//! Stickiness: in how many intervals of a range somebody did something.

use clickhouse::Row;
use serde::Deserialize;

use super::buckets::bucket_index;
use super::merges::after_merges;
use super::{ChError, ClickHouse, Cost, Counted, Sql};
use crate::model::ProjectId;
use crate::model::query::ResolvedRange;

/// Intervals of one number.
const BITS: usize = 64;

/// How many were active in so many intervals.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct StickinessPoint {
    pub intervals: u64,
    pub value: u64,
}

/// How a number is compared with one that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountIs {
    Exactly(u32),
    AtLeast(u32),
    AtMost(u32),
}

/// What stickiness is counted from.
#[derive(Debug, Clone, Copy)]
pub struct StickinessQuestion<'a> {
    pub counted: Counted,
    pub range: &'a ResolvedRange,
    /// How many buckets of the range are one interval; at least one.
    pub buckets_each: u32,
    /// How many events make an interval count.
    pub criteria: CountIs,
    /// Events as `actor` and `at`.
    pub events: &'a Sql,
}

impl ClickHouse {
    /// Answers stickiness.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn stickiness(&self, sql: &Sql) -> Result<(Vec<StickinessPoint>, Cost), ChError> {
        self.rows(sql).await
    }
}

/// The statement that counts: rows are [`StickinessPoint`]s.
#[must_use]
pub fn stickiness_sql(project: ProjectId, question: StickinessQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT intervals, count() AS value\nFROM (\n");
    sql.append(&active(project, question)).push("\n)\nGROUP BY intervals");
    sql
}

/// Those who were active in so many intervals: one column.
#[must_use]
pub fn stickiness_people_sql(project: ProjectId, question: StickinessQuestion<'_>, intervals: CountIs) -> Sql {
    let mut sql = Sql::new("SELECT whole FROM (\n");
    sql.append(&active(project, question)).push("\n)\nWHERE intervals");
    push_count(&mut sql, intervals);
    sql
}

/// In how many intervals each was active: `whole`, `intervals`.
fn active(project: ProjectId, question: StickinessQuestion<'_>) -> Sql {
    if question.criteria == CountIs::AtLeast(1) && question.range.buckets.len() <= BITS {
        return active_at_all(project, question);
    }
    let mut found = Sql::new("SELECT actor, intDiv(");
    found.append(&bucket_index(question.range, "at")).push(", ").param("UInt32", question.buckets_each);
    found.push(") AS bucket\nFROM (").append(question.events).push(")");
    let mut sql =
        Sql::new("SELECT whole, count() AS intervals\nFROM (\nSELECT whole, bucket, count() AS events\nFROM (\n");
    sql.append(&after_merges(project, question.counted, "bucket", &found));
    sql.push("\n)\nGROUP BY whole, bucket\nHAVING events");
    push_count(&mut sql, question.criteria);
    sql.push("\n)\nGROUP BY whole");
    sql
}

/// The same where one event is enough: a bit for each interval.
fn active_at_all(project: ProjectId, question: StickinessQuestion<'_>) -> Sql {
    let mut found = Sql::new("SELECT actor, bitShiftLeft(toUInt64(1), toUInt8(intDiv(");
    found.append(&bucket_index(question.range, "at")).push(", ").param("UInt32", question.buckets_each);
    found.push("))) AS bits\nFROM (").append(question.events).push(")");
    let mut sql = Sql::new("SELECT whole, toUInt64(bitCount(groupBitOr(bits))) AS intervals\nFROM (\n");
    sql.append(&after_merges(project, question.counted, "bits", &found)).push("\n)\nGROUP BY whole");
    sql
}

fn push_count(sql: &mut Sql, is: CountIs) {
    let (sign, number) = match is {
        CountIs::Exactly(number) => (" = ", number),
        CountIs::AtLeast(number) => (" >= ", number),
        CountIs::AtMost(number) => (" <= ", number),
    };
    sql.push(sign).param("UInt32", number);
}
