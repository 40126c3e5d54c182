//! Trends: one statement a series.
//!
//! Every statement is the same ladder, without the rungs a question does not need: events with their bucket and the values
//! they are split by → rows that a single aggregate counts ([`rows`]) → values ranked, those beyond the limit put together →
//! one number for each bucket and value, and one for the whole range where people must not be counted twice.

mod people;
mod rows;

use clickhouse::Row;
use jiff::Timestamp;
use serde::Deserialize;

pub use people::{ValuesAre, trend_people_sql};
use rows::{Aggregate, Rows};

use super::{ChError, ClickHouse, Cost, Counted, Sql};
use crate::model::ProjectId;
use crate::model::query::ResolvedRange;

/// What a series counts. The events it counts are rows of an inner statement, with `at` (unless the range is one number),
/// `b0` … for each value they are split by (a text or null), and:
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrendCount {
    /// Rows; nothing more.
    Rows,
    /// Rows are put together already, for each `at` and all values: `value` is a number or null.
    Given,
    /// Different `actor`s.
    Actors,
    /// Different `actor`s who were there in the last so many days (hours, minutes) up to each bucket's first.
    Active(u32),
    /// `actor`s whose first row at all is one that `fits`: 1 or 0.
    First,
    /// `value`, a number or null, of each row.
    Numbers(Statistic),
    /// `value`, a number or null, of each different `session`.
    SessionNumbers(Statistic),
    /// How many rows each `actor` has.
    PerActor(Statistic),
}

impl TrendCount {
    /// Whether it makes one number of each actor's or session's rows first, so that values cannot be put together afterwards.
    #[must_use]
    pub fn is_of_owners(self) -> bool {
        matches!(self, Self::PerActor(_) | Self::SessionNumbers(_))
    }
}

/// What is made of many numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    Sum,
    Average,
    Least,
    Most,
    Median,
    P75,
    P90,
    P95,
    P99,
}

/// One series of a trend over one range.
#[derive(Debug, Clone, Copy)]
pub struct TrendQuestion<'a> {
    pub count: TrendCount,
    /// What `actor` is.
    pub counted: Counted,
    pub events: &'a Sql,
    pub range: &'a ResolvedRange,
    /// Of [`TrendCount::Active`]: the buckets of time that events are put together by first. It begins early enough.
    pub fine: Option<&'a ResolvedRange>,
    /// Whether the range is one bucket.
    pub is_aggregated: bool,
    /// Whether [`TrendCount::Actors`] are counted over the whole range besides.
    pub with_whole: bool,
    /// Whether [`TrendCount::Actors`] are counted in the first of their buckets alone.
    pub is_once: bool,
    pub split: Option<Split>,
    /// The values that are shown apart, where that is not for their rank to say.
    pub shown: Option<&'a [Vec<String>]>,
}

/// How events are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// By how many values at once: `b0` and so on; at least one.
    pub columns: usize,
    /// How many are shown apart.
    pub limit: u32,
    /// Whether the others are not shown at all, instead of together.
    pub hides_others: bool,
}

/// One number of the answer.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct TrendPoint {
    /// Whether it is about the whole range; then `bucket` says nothing.
    pub is_whole: bool,
    /// The place of the bucket in the range.
    pub bucket: i64,
    /// Whether it is all values beyond the limit together.
    pub is_other: bool,
    /// One for each column that events are split by; [`MISSING`] where there is none.
    pub names: Vec<String>,
    pub value: f64,
}

/// What a value that is not set, or empty, is called.
pub const MISSING: &str = "$$_posthog_breakdown_null_$$";

impl ClickHouse {
    /// Answers one series.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or refuses: a pattern that is no regular expression, too much to read.
    pub async fn trend(&self, sql: &Sql) -> Result<(Vec<TrendPoint>, Cost), ChError> {
        self.rows(sql).await
    }

    /// The least and the most of what [`extremes_sql`] was asked about; none where there is no number.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn extremes(&self, sql: &Sql) -> Result<(Vec<Extremes>, Cost), ChError> {
        self.rows(sql).await
    }

    /// When the first event of a project happened; `None` if there is none.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn find_first_event_time(&self, project: ProjectId) -> Result<Option<Timestamp>, ChError> {
        let mut sql =
            Sql::new("SELECT toUnixTimestamp64Micro(min(timestamp)), count()\nFROM events\nWHERE project_id = ");
        sql.param("UInt32", project);
        let (micros, count): (i64, u64) = self.ask(&sql).fetch_one().await?;
        Ok(Timestamp::from_microsecond(micros).ok().filter(|_| count > 0))
    }
}

/// Between which numbers values lie.
#[derive(Debug, Clone, Copy, PartialEq, Row, Deserialize)]
pub struct Extremes {
    pub least: Option<f64>,
    pub most: Option<f64>,
}

/// Between which numbers the `value` of these events lies.
#[must_use]
pub fn extremes_sql(events: &Sql) -> Sql {
    let mut sql = Sql::new(
        "SELECT minOrNull(value)::Nullable(Float64) AS least, maxOrNull(value)::Nullable(Float64) AS most\nFROM (",
    );
    sql.append(events).push(")");
    sql
}

/// The statement that answers one series: rows are [`TrendPoint`]s.
#[must_use]
pub fn trend_sql(project: ProjectId, question: TrendQuestion<'_>) -> Sql {
    let Rows { sql: rows, aggregate } = rows::counted(project, question);
    let counts_whole = question.with_whole && !question.is_aggregated && question.count == TrendCount::Actors;
    match question.split {
        None => plain(question, &rows, aggregate, counts_whole),
        Some(split) => by_value(question, split, &rows, aggregate, counts_whole),
    }
}

/// The statement that answers for all values but these together, as if they were one: rows are those of a series that is not
/// split.
#[must_use]
pub fn trend_others_sql(project: ProjectId, question: TrendQuestion<'_>, shown: &[Vec<String>]) -> Sql {
    let mut events = Sql::new("SELECT *\nFROM (\nSELECT *");
    if let Some(split) = question.split {
        events.push(", ").append(&rows::name_of(split)).push(" AS name");
    }
    events.push("\nFROM (").append(question.events).push(")\n)");
    if question.split.is_some() {
        events.push("\nWHERE ");
        people::push_values(&mut events, &ValuesAre::NoneOf(shown.to_vec()));
    }
    trend_sql(project, TrendQuestion { events: &events, split: None, shown: None, ..question })
}

fn plain(question: TrendQuestion<'_>, rows: &Sql, aggregate: Aggregate, counts_whole: bool) -> Sql {
    let mut sql = Sql::new("SELECT ");
    sql.push(if counts_whole { "grouping(bucket) = 1" } else { "false" }).push(" AS is_whole, ");
    sql.push(if question.is_aggregated { "toInt64(0) AS bucket" } else { "bucket" });
    sql.push(", false AS is_other, emptyArrayString() AS names, toFloat64(ifNull(").push(aggregate.plain);
    sql.push(", 0)) AS value\nFROM (\n").append(rows).push("\n)");
    sql.push(match (question.is_aggregated, counts_whole) {
        (true, _) => "",
        (false, true) => "\nGROUP BY GROUPING SETS ((bucket), ())",
        (false, false) => "\nGROUP BY bucket",
    });
    sql
}

fn by_value(question: TrendQuestion<'_>, split: Split, rows: &Sql, aggregate: Aggregate, counts_whole: bool) -> Sql {
    // Who is new to a value may be old to the others together, so what they add up to is counted, and what that grew by told.
    let is_grown = question.is_once && !question.is_aggregated && !split.hides_others;
    if !is_grown {
        let value = ["toFloat64(ifNull(", aggregate.merge, ", 0))"];
        return points_by_value(question, split, rows, aggregate, counts_whole, &value);
    }
    let points = points_by_value(question, split, rows, aggregate, counts_whole, &["uniqExactMergeState(point.2)"]);
    let of_line =
        "(PARTITION BY is_whole, is_other, names ORDER BY bucket ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)";
    let mut sql = Sql::new("SELECT is_whole, bucket, is_other, names, ");
    sql.push("toFloat64(so_far) - toFloat64(lagInFrame(so_far, 1, 0) OVER ").push(of_line).push(") AS value\nFROM (\n");
    sql.push("SELECT is_whole, bucket, is_other, names, uniqExactMerge(value) OVER ").push(of_line);
    sql.push(" AS so_far\nFROM (\n").append(&points).push("\n)\n)");
    sql
}

fn points_by_value(
    question: TrendQuestion<'_>,
    split: Split,
    rows: &Sql,
    aggregate: Aggregate,
    counts_whole: bool,
    value: &[&'static str],
) -> Sql {
    let is_one = split.columns == 1;
    let bucket = if question.is_aggregated { "toInt64(0)" } else { "bucket" };
    let mut sql = Sql::new("SELECT ");
    sql.push(if counts_whole { "grouping(bucket) = 1" } else { "false" })
        .push(" AS is_whole, point.1 AS bucket, is_other, ");
    sql.push(if is_one { "if(is_other, [], [name]) AS names" } else { "if(is_other, [], name) AS names" });
    sql.push(", ");
    for part in value {
        sql.push(part);
    }
    sql.push(" AS value\nFROM (\n  SELECT name, points, ");
    match question.shown {
        Some(shown) => {
            people::push_values(&mut sql, &ValuesAre::NoneOf(shown.to_vec()));
        }
        None => {
            // As the peers rank: a missing value last, equal ones by name.
            sql.push("row_number() OVER (ORDER BY ");
            sql.push(if is_one { "name = " } else { "has(name, " }).param("String", MISSING);
            sql.push(if is_one { "" } else { ")" }).push(", total DESC, name) > ").param("UInt32", split.limit);
        }
    }
    sql.push(" AS is_other\n  FROM (\n    SELECT name, groupArray((")
        .push(bucket)
        .push(", value)) AS points, sum(toFloat64(ifNull(");
    sql.push(aggregate.one).push(", 0))) AS total\n    FROM (\n");
    sql.push(if question.is_aggregated { "SELECT name, " } else { "SELECT bucket, name, " }).push(aggregate.state);
    sql.push(" AS value\nFROM (\n").append(rows);
    sql.push(if question.is_aggregated { "\n)\nGROUP BY name" } else { "\n)\nGROUP BY bucket, name" });
    sql.push("\n    )\n    GROUP BY name\n  )\n)\nARRAY JOIN points AS point");
    if split.hides_others {
        sql.push("\nWHERE NOT is_other");
    }
    sql.push(if counts_whole {
        "\nGROUP BY GROUPING SETS ((is_other, names, bucket), (is_other, names))"
    } else {
        "\nGROUP BY is_other, names, bucket"
    });
    sql
}
