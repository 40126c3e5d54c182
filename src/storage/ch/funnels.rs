//! Funnels: the events that are of use, as bare columns, for being put together and followed in this process.
//!
//! What a funnel counts is decided by the order of one person's events. The store could bring them together
//! (`groupArray`) and even follow them (`windowFunnel`, `arrayFold`), but it is slow at the first, and at the second neither
//! quick nor exact. Reading columns is what it is best at: so it only says of each row whose it is, when it was, and what it is
//! to the funnel.

use super::merges::merges_sql;
use super::native_read::{Numbers, Texts, each_block};
use super::{ChError, ClickHouse, Cost, Sql};
use crate::model::ProjectId;
use clickhouse::Row;
use serde::Deserialize;

/// What is read of events.
#[derive(Debug, Clone, Copy)]
pub struct FunnelQuestion<'a> {
    /// Events as `actor`, `at`, a `mark0` … for each mark, and a `value0` … for each value of a breakdown.
    pub events: &'a Sql,
    pub marks: usize,
    pub values: usize,
    /// Whether actors are texts; else they are people, by their numbers before merges.
    pub is_actor_text: bool,
}

/// Rows as they come from the store, some thousands at a time.
#[derive(Debug, Clone, Copy)]
pub struct FunnelBlock<'a> {
    pub actors: FunnelActors<'a>,
    /// Microseconds since 1970.
    pub at: Numbers<'a>,
    /// A bit for each mark; none where only first events are read.
    pub marks: Option<Numbers<'a>>,
    /// The value of a breakdown: several are written one after another, each behind its length in bytes and a colon.
    pub values: Option<Texts<'a>>,
}

/// Whose events they are.
#[derive(Debug, Clone, Copy)]
pub enum FunnelActors<'a> {
    People(Numbers<'a>),
    Texts(Texts<'a>),
}

#[derive(Debug, Row, Deserialize)]
struct Merge {
    from_id: u64,
    into_id: u64,
}

impl ClickHouse {
    /// Hands out the rows of [`funnel_sql`] or [`funnel_firsts_sql`], until `each` says no. The cost counts the rows that came.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn funnel_rows(
        &self,
        sql: &Sql,
        mut each: impl FnMut(FunnelBlock<'_>) -> bool + Send,
    ) -> Result<Cost, ChError> {
        let started = std::time::Instant::now();
        let (mut rows, mut bytes) = (0, 0);
        let cursor = self.ask_ours(sql).fetch_bytes("Native")?;
        each_block(cursor, |block| {
            rows += block.rows as u64;
            bytes += block.bytes as u64;
            let actors = block.numbers(0).map(FunnelActors::People).or_else(|| block.texts(0).map(FunnelActors::Texts));
            let block =
                FunnelBlock { actors: actors?, at: block.numbers(1)?, marks: block.numbers(2), values: block.texts(3) };
            Some(each(block))
        })
        .await?;
        Ok(Cost { rows_read: Some(rows), bytes_read: Some(bytes), elapsed: started.elapsed() })
    }

    /// Who has become whom, as numbers.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn merged_people(&self, project: ProjectId) -> Result<Vec<(u64, u64)>, ChError> {
        let (rows, _) = self.rows::<Merge>(&merges_sql(project)).await?;
        Ok(rows.into_iter().map(|merge| (merge.from_id, merge.into_id)).collect())
    }
}

/// The statement that reads events.
#[must_use]
pub fn funnel_sql(question: FunnelQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT ");
    push_actor(&mut sql, question.is_actor_text);
    sql.push("toUnixTimestamp64Micro(at) AS micros, ");
    push_marks(&mut sql, question.marks);
    match question.values {
        0 => {}
        1 => drop(sql.push(", CAST(value0, 'String') AS value")),
        several => {
            sql.push(", CAST(concat(");
            for at in 0..several {
                sql.push(if at > 0 { ", " } else { "" }).push("toString(length(").name("value", at).push(")), ':', ");
                sql.name("value", at);
            }
            sql.push("), 'String') AS value");
        }
    }
    sql.push("\nFROM (").append(question.events).push(")");
    sql
}

/// The statement that reads when each actor's first event was; `events` as `actor` and `at`.
#[must_use]
pub fn funnel_firsts_sql(events: &Sql, is_actor_text: bool) -> Sql {
    let mut sql = Sql::new("SELECT ");
    push_actor(&mut sql, is_actor_text);
    sql.push("toUnixTimestamp64Micro(min(at)) AS micros\nFROM (").append(events).push(")\nGROUP BY whose");
    sql
}

fn push_actor(sql: &mut Sql, is_text: bool) {
    sql.push(if is_text { "CAST(actor, 'String') AS whose, " } else { "toUInt64(actor) AS whose, " });
}

/// The marks as the bits of a number that is as narrow as they allow.
fn push_marks(sql: &mut Sql, count: usize) {
    let widen = match count {
        0..=8 => "toUInt8(",
        9..=16 => "toUInt16(",
        17..=32 => "toUInt32(",
        _ => "toUInt64(",
    };
    for _ in 1..count {
        sql.push("bitOr(");
    }
    for at in 0..count {
        sql.push(if at > 0 { ", " } else { "" }).push("bitShiftLeft(").push(widen).name("mark", at).push("), ");
        sql.number(at as u64).push(if at > 0 { "))" } else { ")" });
    }
    sql.push(" AS marks");
}

/// These people: a statement with one column.
#[must_use]
pub fn numbers_sql(numbers: &mut Vec<u64>) -> Sql {
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() {
        return Sql::new("SELECT toUInt64(0) AS whole WHERE false");
    }
    // How much each is more than the one before: their numbers are near each other, and there may be a million.
    let mut steps = String::new();
    let mut before = 0;
    for (at, number) in numbers.iter().enumerate() {
        if at > 0 {
            steps.push('-');
        }
        steps.push_str(&(number - before).to_string());
        before = *number;
    }
    let mut sql = Sql::new("SELECT arrayJoin(arrayCumSum(arrayMap(x -> toUInt64(x), splitByChar('-', ");
    sql.text_literal(&steps).push(")))) AS whole");
    sql
}

/// Texts as a statement with one column, `whole`.
#[must_use]
pub fn texts_sql(texts: &[String]) -> Sql {
    if texts.is_empty() {
        return Sql::new("SELECT '' AS whole WHERE false");
    }
    // No text that was stored holds a zero byte: Postgres takes none.
    let mut sql = Sql::new("SELECT DISTINCT arrayJoin(splitByChar('\\0', ");
    sql.text_literal(&texts.join("\0")).push(")) AS whole");
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_reads_bare_columns() {
        let events = Sql::new("SELECT …");
        let question = FunnelQuestion { events: &events, marks: 3, values: 2, is_actor_text: false };
        assert_eq!(
            funnel_sql(question).text(),
            "SELECT toUInt64(actor) AS whose, toUnixTimestamp64Micro(at) AS micros, \
             bitOr(bitOr(bitShiftLeft(toUInt8(mark0), 0), bitShiftLeft(toUInt8(mark1), 1)), bitShiftLeft(toUInt8(mark2), 2)) \
             AS marks, CAST(concat(toString(length(value0)), ':', value0, toString(length(value1)), ':', value1), 'String') \
             AS value\nFROM (SELECT …)"
        );
        assert_eq!(
            funnel_firsts_sql(&events, true).text(),
            "SELECT CAST(actor, 'String') AS whose, toUnixTimestamp64Micro(min(at)) AS micros\nFROM (SELECT …)\nGROUP BY whose"
        );
    }

    #[test]
    fn people_are_named_by_their_distances() {
        let sql = numbers_sql(&mut vec![1_000_003, 7, 1_000_000, 7]);
        assert!(sql.text().contains("'7-999993-3'"), "{}", sql.text());
        assert_eq!(numbers_sql(&mut Vec::new()).text(), "SELECT toUInt64(0) AS whole WHERE false");
    }
}
