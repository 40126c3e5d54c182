//! What is asked, and the columns of an answer.

use clickhouse::Row;
use serde::Deserialize;

use super::super::buckets::bucket_index;
use super::super::merges::after_merges;
use super::super::{ChError, ClickHouse, Cost, Counted, Sql};
use super::{bits, moments};
use crate::model::ProjectId;
use crate::model::query::ResolvedRange;

/// How many of those who began in an interval were there in a later column.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct RetentionPoint {
    /// The breakdown's value; empty if there is none.
    pub value: String,
    /// The place of the interval they began in.
    pub start: i64,
    /// The column; 0 is the interval itself.
    pub column: i64,
    pub count: u64,
    /// The sum of the property, if one is summed.
    pub amount: f64,
}

/// What makes somebody begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// The event, in each interval it happens in.
    EachInterval,
    /// The event, the first time that it fits.
    FirstFitting,
    /// The event, the first time ever, if it fits then.
    FirstEver,
}

/// Whose a breakdown's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueOf {
    /// Each event has its own. Values are counted as if there were no others, but for the first time ever: there it is the
    /// value of that event.
    Event,
    /// The person's, who has one: the latest.
    Person,
}

/// What retention is counted from.
#[derive(Debug, Clone, Copy)]
pub struct RetentionQuestion<'a> {
    pub counted: Counted,
    pub range: &'a ResolvedRange,
    pub begins: Begins,
    /// How many intervals are looked at, the one they began in counted.
    pub lookahead: u32,
    /// Whether later intervals are counted from the moment somebody first began, not by the calendar.
    pub is_from_moment: bool,
    /// Whether who was there later counts for all columns before.
    pub is_cumulative: bool,
    /// How many events make a return; at least one.
    pub minimum: u32,
    /// The last interval of each column after the first, if columns are wider than an interval.
    pub brackets: &'a [u32],
    /// Whether a property of returns is summed; then whether what begins is also what returns.
    pub summed: Option<bool>,
    /// Whether events have a `value`, and whose it is.
    pub value: Option<ValueOf>,
    /// Events up to the end of the range as `actor`, `at`, `begins` and `returns`: what each of them is. With a breakdown also
    /// `value`, for a sum `amount`, and for the first ever `fits`.
    pub events: &'a Sql,
}

impl RetentionQuestion<'_> {
    /// Events with the `bucket` they fall into and `whole`, the person, as `seen`; put together by each person, and by value if
    /// each event has its own: ` FROM … GROUP BY …`.
    pub(super) fn seen_by_person(&self, project: ProjectId) -> Sql {
        let mut found = Sql::new("SELECT *, ");
        found.append(&bucket_index(self.range, "at")).push(" AS bucket FROM (").append(self.events).push(")");
        let mut sql = Sql::new("\nFROM (\n");
        sql.append(&after_merges(project, self.counted, "*", &found)).push("\n) AS seen\nGROUP BY whole");
        sql.push(if self.is_by_value() { ", value" } else { "" });
        sql
    }

    /// Whether somebody may be counted under several values.
    #[must_use]
    pub fn is_by_value(&self) -> bool {
        self.value == Some(ValueOf::Event) && self.begins != Begins::FirstEver
    }

    /// The value of a person.
    pub(super) fn value_of_person(&self) -> &'static str {
        match self.value {
            None => "'' AS value",
            Some(ValueOf::Person) => "argMax(seen.value, seen.at) AS value",
            Some(ValueOf::Event) if self.is_by_value() => "seen.value AS value",
            Some(ValueOf::Event) => "argMinIf(seen.value, seen.at, seen.begins) AS value",
        }
    }

    fn needs_moments(&self) -> bool {
        self.is_from_moment || self.minimum > 1 || self.summed.is_some()
    }

    /// A list of steps after `start` (positive, below the lookahead) as the columns they stand in, each once.
    pub(super) fn columns(&self, steps: &Sql) -> Sql {
        let mut sql = Sql::default();
        if self.brackets.is_empty() {
            sql.append(steps);
            return sql;
        }
        sql.push("arrayDistinct(arrayMap(step -> ").append(&self.column("step")).push(", ").append(steps).push("))");
        sql
    }

    /// The column that a step stands in.
    pub(super) fn column(&self, step: &'static str) -> Sql {
        let mut sql = Sql::default();
        if self.brackets.is_empty() {
            sql.push(step);
            return sql;
        }
        sql.push("toInt64(if(").push(step).push(" = 0, 0, arrayFirstIndex(last -> ").push(step).push(" <= last, [");
        for (at, last) in self.brackets.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).number((*last).into());
        }
        sql.push("])))");
        sql
    }
}

impl ClickHouse {
    /// Answers retention.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn retention(&self, sql: &Sql) -> Result<(Vec<RetentionPoint>, Cost), ChError> {
        self.rows(sql).await
    }
}

/// The statement that counts: rows are [`RetentionPoint`]s.
#[must_use]
pub fn retention_sql(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    if question.needs_moments() { moments::counts(project, question) } else { bits::counts(project, question) }
}

/// The events that have none of these values, all with an empty one: what lies beyond a breakdown's limit is one value.
#[must_use]
pub fn retention_others(events: &Sql, shown: &[&str]) -> Sql {
    let mut sql = Sql::new("SELECT * REPLACE('' AS value)\nFROM (SELECT *\nFROM (");
    sql.append(events).push(")\nWHERE value NOT IN ").texts(shown.iter().copied()).push(")");
    sql
}

/// Those who began in an interval, with a breakdown's value if one is given, as `whole`, and the columns they were there in, as
/// `said`.
#[must_use]
pub fn retention_people_sql(
    project: ProjectId,
    question: RetentionQuestion<'_>,
    start: u32,
    value: Option<&str>,
) -> Sql {
    let mut people = Sql::new("SELECT whole, arraySort(groupUniqArrayArray(columns)) AS said\nFROM (\n");
    people.append(&match question.needs_moments() {
        true => moments::people(project, question),
        false => bits::people(project, question),
    });
    people.push("\n)\nWHERE start = ").param("Int64", i64::from(start));
    if let Some(value) = value {
        people.push(" AND value = ").param("String", value);
    }
    people.push("\nGROUP BY whole");
    people
}
