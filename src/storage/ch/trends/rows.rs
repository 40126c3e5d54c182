//! Rows that one aggregate counts: for each way of counting its own.

use super::{MISSING, Split, Statistic, TrendCount, TrendQuestion};
use crate::model::ProjectId;
use crate::model::query::ResolvedRange;
use crate::storage::ch::Sql;
use crate::storage::ch::buckets::bucket_index;
use crate::storage::ch::merges::after_merges;

/// Rows with `bucket` (unless the range is one number) and `name` (if they are split), and what is made of them.
pub(super) struct Rows {
    pub sql: Sql,
    pub aggregate: Aggregate,
}

/// An aggregate in its forms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aggregate {
    /// Of rows to a number.
    pub plain: &'static str,
    /// Of rows to what can be put together, as `value`.
    pub state: &'static str,
    /// Such a `value` to a number.
    pub one: &'static str,
    /// Several such, as `point.2`, to a number.
    pub merge: &'static str,
}

const ROWS: Aggregate = Aggregate { plain: "count()", state: "count()", one: "value", merge: "sum(point.2)" };
const WHOLES: Aggregate = Aggregate {
    plain: "uniqExact(whole)",
    state: "uniqExactState(whole)",
    one: "finalizeAggregation(value)",
    merge: "uniqExactMerge(point.2)",
};

macro_rules! quantile {
    ($level:literal) => {
        Aggregate {
            plain: concat!("quantileExactInclusive(", $level, ")(value)"),
            state: concat!("quantileExactInclusiveState(", $level, ")(value)"),
            one: "finalizeAggregation(value)",
            merge: concat!("quantileExactInclusiveMerge(", $level, ")(point.2)"),
        }
    };
}

impl Statistic {
    fn aggregate(self) -> Aggregate {
        let simple = |plain, merge| Aggregate { plain, state: plain, one: "value", merge };
        match self {
            Self::Sum => simple("sum(value)", "sum(point.2)"),
            Self::Least => simple("min(value)", "min(point.2)"),
            Self::Most => simple("max(value)", "max(point.2)"),
            Self::Average => Aggregate {
                plain: "avg(value)",
                state: "avgState(value)",
                one: "finalizeAggregation(value)",
                merge: "avgMerge(point.2)",
            },
            Self::Median => quantile!("0.5"),
            Self::P75 => quantile!("0.75"),
            Self::P90 => quantile!("0.9"),
            Self::P95 => quantile!("0.95"),
            Self::P99 => quantile!("0.99"),
        }
    }
}

/// What rows are put together by.
#[derive(Debug, Clone, Copy)]
struct Keys {
    has_bucket: bool,
    has_name: bool,
}

impl Keys {
    fn of(question: TrendQuestion<'_>) -> Self {
        Self { has_bucket: !question.is_aggregated, has_name: question.split.is_some() }
    }

    /// Names of columns that stand before others.
    fn lead(self) -> &'static str {
        match (self.has_bucket, self.has_name) {
            (true, true) => "bucket, name, ",
            (true, false) => "bucket, ",
            (false, true) => "name, ",
            (false, false) => "",
        }
    }

    /// Columns that go through a look-up of merges.
    fn columns(self) -> &'static str {
        match (self.has_bucket, self.has_name) {
            (true, true) => "bucket, name",
            (true, false) => "bucket",
            (false, true) => "name",
            (false, false) => "1 AS one",
        }
    }
}

/// The values that an event is split by as one column: a text, or a list of texts.
pub(super) fn name_of(split: Split) -> Sql {
    let mut sql = Sql::new(if split.columns == 1 { "" } else { "[" });
    for at in 0..split.columns {
        sql.push(if at > 0 { ", " } else { "" }).push("ifNull(").name("b", at).push(", ").param("String", MISSING);
        sql.push(")");
    }
    sql.push(if split.columns == 1 { "" } else { "]" });
    sql
}

/// `SELECT bucket, name, …`: events with their keys, in these buckets.
fn keyed(question: TrendQuestion<'_>, range: &ResolvedRange, has_bucket: bool, more: &'static str) -> Sql {
    let mut sql = Sql::new("SELECT ");
    let mut is_empty = true;
    if has_bucket {
        sql.append(&bucket_index(range, "at")).push(" AS bucket");
        is_empty = false;
    }
    if let Some(split) = question.split {
        sql.push(if is_empty { "" } else { ", " }).append(&name_of(split)).push(" AS name");
        is_empty = false;
    }
    if !more.is_empty() {
        sql.push(if is_empty { "" } else { ", " }).push(more);
        is_empty = false;
    }
    if is_empty {
        sql.push("1 AS one");
    }
    sql.push("\nFROM (").append(question.events).push(")");
    sql
}

pub(super) fn counted(project: ProjectId, question: TrendQuestion<'_>) -> Rows {
    let keys = Keys::of(question);
    let range = question.range;
    let (sql, aggregate) = match question.count {
        TrendCount::Rows => (keyed(question, range, keys.has_bucket, ""), ROWS),
        TrendCount::Given => (keyed(question, range, keys.has_bucket, "value"), Statistic::Sum.aggregate()),
        TrendCount::Numbers(statistic) => (keyed(question, range, keys.has_bucket, "value"), statistic.aggregate()),
        TrendCount::SessionNumbers(statistic) => {
            let mut sql = keyed(question, range, keys.has_bucket, "session, any(value) AS value");
            sql.push("\nGROUP BY ").push(keys.lead()).push("session");
            (sql, statistic.aggregate())
        }
        TrendCount::Actors => {
            let found = keyed(question, range, keys.has_bucket, "actor");
            let found = after_merges(project, question.counted, keys.columns(), &found);
            (if question.is_once && keys.has_bucket { once(keys, &found) } else { found }, WHOLES)
        }
        TrendCount::PerActor(statistic) => {
            let found = keyed(question, range, keys.has_bucket, "actor");
            let mut sql = Sql::new("SELECT ");
            sql.push(keys.lead()).push("whole, count() AS value\nFROM (\n");
            sql.append(&after_merges(project, question.counted, keys.columns(), &found));
            sql.push("\n)\nGROUP BY ").push(keys.lead()).push("whole");
            (sql, statistic.aggregate())
        }
        TrendCount::First => (firsts(project, question), ROWS),
        TrendCount::Active(window) => (active(project, question, keys, window), WHOLES),
    };
    Rows { sql, aggregate }
}

/// Each of them in the first of their buckets.
fn once(keys: Keys, found: &Sql) -> Sql {
    let name = if keys.has_name { "name, " } else { "" };
    let mut sql = Sql::new("SELECT min(seen) AS bucket, ");
    sql.push(name).push("whole\nFROM (\nSELECT bucket AS seen, ").push(name).push("whole\nFROM (\n");
    sql.append(found).push("\n)\n)\nGROUP BY ").push(name).push("whole");
    sql
}

/// Those whose first row fits and lies in the range: `bucket`, `name`, `whole`, and `first`.
pub(super) fn firsts(project: ProjectId, question: TrendQuestion<'_>) -> Sql {
    let mut found = Sql::new("SELECT actor, at, fits = 1 AS is_fit");
    if let Some(split) = question.split {
        found.push(", ").append(&name_of(split)).push(" AS name");
    }
    found.push("\nFROM (").append(question.events).push(")");
    let has_name = question.split.is_some();
    let columns = if has_name { "at, is_fit, name" } else { "at, is_fit" };
    let mut sql = Sql::new("SELECT ");
    if !question.is_aggregated {
        sql.append(&bucket_index(question.range, "first")).push(" AS bucket, ");
    }
    sql.push(if has_name { "found_name AS name, " } else { "" }).push("whole, first\nFROM (\nSELECT whole, ");
    sql.push(if has_name { "argMinIf(name, at, is_fit) AS found_name, " } else { "" });
    sql.push("minIf(at, is_fit) AS first\nFROM (\n");
    sql.append(&after_merges(project, question.counted, columns, &found));
    sql.push("\n)\nGROUP BY whole\nHAVING max(is_fit) AND min(at) = first AND first >= fromUnixTimestamp64Micro(");
    sql.param("Int64", question.range.from.as_microsecond()).push(", 'UTC') AND first < fromUnixTimestamp64Micro(");
    sql.param("Int64", question.range.to.as_microsecond()).push(", 'UTC')\n)");
    sql
}

/// Those who were there in the window up to each bucket's first: `bucket`, `name`, `whole`.
fn active(project: ProjectId, question: TrendQuestion<'_>, keys: Keys, window: u32) -> Sql {
    let Some(fine) = question.fine.filter(|_| !question.is_aggregated) else {
        let found = keyed(question, question.range, false, "actor");
        let keys = Keys { has_bucket: false, ..keys };
        return after_merges(project, question.counted, keys.columns(), &found);
    };
    let found = keyed(question, fine, true, "actor");
    // The place in the finer buckets where each bucket of the answer begins.
    let begins: Vec<u64> = question
        .range
        .buckets
        .iter()
        .map(|bucket| fine.buckets.partition_point(|part| part.start < bucket.start) as u64)
        .collect();
    let mut sql = Sql::new("SELECT toInt64(arrayJoin(");
    let is_even = begins.windows(2).all(|pair| pair[1] == pair[0] + 1);
    if let (true, Some(first)) = (is_even, begins.first()) {
        // A bucket of the answer is one of the finer: who is seen in one is there from it on, so many times.
        let end = first + begins.len() as u64;
        sql.push("range(toInt64(greatest(seen, ").param("Int64", *first).push(")) - ").param("Int64", *first);
        sql.push(", toInt64(least(seen + ").param("Int64", window).push(", ").param("Int64", end);
        sql.push(")) - ").param("Int64", *first).push(")");
    } else {
        sql.push("arrayMap(pair -> pair.1, arrayFilter(pair -> pair.2 >= seen AND pair.2 < seen + ");
        sql.param("Int64", window).push(", arrayZip(range(length(").param("Array(Int64)", begins.clone());
        sql.push(")), ").param("Array(Int64)", begins).push(")))");
    }
    sql.push(")) AS bucket, ").push(if keys.has_name { "name, " } else { "" }).push("whole\nFROM (\n");
    let mut renamed = Sql::new("SELECT bucket AS seen, ");
    renamed.push(if keys.has_name { "name, " } else { "" }).push("whole\nFROM (\n");
    renamed.append(&after_merges(project, question.counted, keys.columns(), &found));
    renamed.push("\n)\nGROUP BY ").push("seen, ").push(if keys.has_name { "name, " } else { "" }).push("whole");
    sql.append(&renamed).push("\n)");
    sql
}
