//! Trends: one statement a series.
//!
//! Every statement is the same ladder, without the rungs a question does not need: events of the bucket and the breakdown
//! value → each person once, merges looked up once per distinct person → values ranked, those beyond the limit put
//! together → one row for each bucket and value, and one for the whole range where people must not be counted twice.

use clickhouse::Row;
use jiff::Timestamp;
use serde::Deserialize;

use super::buckets::bucket_key;
use super::filters::{events_of, property_text, push_group, push_known_people, push_traffic};
use super::{ChError, ClickHouse, Cost, Sql};
use crate::model::ProjectId;
use crate::model::query::{Breakdown, Math, PropertyGroup, ResolvedRange, Series, Traffic};

/// One series of a trend, ready to be asked.
#[derive(Debug, Clone, Copy)]
pub struct TrendQuestion<'a> {
    pub series: &'a Series,
    /// What holds for every series of the trend.
    pub properties: &'a PropertyGroup,
    pub traffic: Traffic,
    /// Whether visitors without cookies count as people.
    pub counts_cookieless: bool,
    pub breakdown: Option<&'a Breakdown>,
    pub range: &'a ResolvedRange,
    /// Whether the range is one bucket.
    pub is_aggregated: bool,
}

/// One number of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct TrendPoint {
    /// Whether it is about the whole range; then `bucket` says nothing.
    pub is_whole: bool,
    /// The key of the [`Bucket`](crate::model::query::Bucket); 0 if the range is one.
    pub bucket: i64,
    /// 0: `value` is the breakdown's value, or there is no breakdown. 1: the property is not set. 2: all other values.
    pub kind: u8,
    pub breakdown_value: String,
    pub value: u64,
}

impl ClickHouse {
    /// Answers one series.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or refuses: a pattern that is no regular expression, too much to read.
    pub async fn trend(
        &self,
        project: ProjectId,
        question: TrendQuestion<'_>,
    ) -> Result<(Vec<TrendPoint>, Cost), ChError> {
        self.rows(&trend_sql(project, question)).await
    }

    /// When the first event of a project happened; `None` if there is none.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn find_first_event_time(&self, project: ProjectId) -> Result<Option<Timestamp>, ChError> {
        let mut sql = Sql::new("SELECT toUnixTimestamp64Micro(min(timestamp)), count()\n");
        sql.append(&events_of(project));
        let (micros, count): (i64, u64) = self.ask(&sql).fetch_one().await?;
        Ok(Timestamp::from_microsecond(micros).ok().filter(|_| count > 0))
    }
}

/// The statement that answers one series.
#[must_use]
pub fn trend_sql(project: ProjectId, question: TrendQuestion<'_>) -> Sql {
    match (question.breakdown, question.series.math) {
        (None, Math::Total) => total(project, question),
        (None, Math::UniqueUsers) => unique_users(project, question),
        (Some(breakdown), math) => by_value(project, question, breakdown, math),
    }
}

fn total(project: ProjectId, question: TrendQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT false AS is_whole, ");
    sql.append(&bucket(question)).push(" AS bucket, toUInt8(0) AS kind, '' AS breakdown_value, count() AS value\n");
    sql.append(&matching(project, question)).push("\nGROUP BY bucket");
    sql
}

fn unique_users(project: ProjectId, question: TrendQuestion<'_>) -> Sql {
    let mut sql = Sql::new(
        "SELECT grouping(bucket) = 1 AS is_whole, bucket, toUInt8(0) AS kind, '' AS breakdown_value, \
         uniqExact(person) AS value\nFROM (\n",
    );
    let mut found = Sql::new("SELECT ");
    found.append(&bucket(question)).push(" AS bucket, person_id\n");
    found.append(&matching(project, question)).push("\nGROUP BY bucket, person_id");
    sql.append(&merged(project, "bucket", &found)).push("\n)\nGROUP BY GROUPING SETS ((bucket), ())");
    sql
}

fn by_value(project: ProjectId, question: TrendQuestion<'_>, breakdown: &Breakdown, math: Math) -> Sql {
    let (merge, one) = match math {
        Math::Total => ("sum(point.2)", "sum(value)"),
        Math::UniqueUsers => ("uniqExactMerge(point.2)", "sum(finalizeAggregation(value))"),
    };
    let mut sql = Sql::new(
        "SELECT grouping(bucket) = 1 AS is_whole, point.1 AS bucket, kind, \
         if(kind = 0, ifNull(name, ''), '') AS breakdown_value, ",
    );
    sql.push(merge).push(" AS value\nFROM (\n  SELECT name, points, multiIf(row_number() OVER (");
    // As the peers rank: the missing value last, equal ones by name.
    sql.push("ORDER BY name IS NULL, total DESC, name) > ").param("UInt32", breakdown.limit);
    sql.push(
        ", 2, name IS NULL, 1, 0)::UInt8 AS kind\n  FROM (\n    SELECT name, groupArray((bucket, value)) AS points, ",
    );
    sql.push(one).push(" AS total\n    FROM (\n");
    let mut found = Sql::new("SELECT ");
    found.append(&bucket(question)).push(" AS bucket, nullIf(");
    found.append(&property_text(breakdown.scope, &breakdown.key)).push(", '')::Nullable(String) AS name");
    match math {
        Math::Total => {
            found.push(", count() AS value\n").append(&matching(project, question));
            sql.append(found.push("\nGROUP BY bucket, name"));
        }
        Math::UniqueUsers => {
            found.push(", person_id\n").append(&matching(project, question)).push("\nGROUP BY bucket, name, person_id");
            sql.push("SELECT bucket, name, uniqExactState(person) AS value\nFROM (\n");
            sql.append(&merged(project, "bucket, name", &found)).push("\n)\nGROUP BY bucket, name");
        }
    }
    sql.push("\n    )\n    GROUP BY name\n  )\n)\nARRAY JOIN points AS point\n");
    sql.push("GROUP BY GROUPING SETS ((kind, breakdown_value, bucket), (kind, breakdown_value))");
    sql
}

/// Person ids after merges: each distinct one is looked up once, in the small table of merges.
fn merged(project: ProjectId, columns: &'static str, found: &Sql) -> Sql {
    let mut sql = Sql::new("SELECT ");
    sql.push(columns).push(", if(merge.from_id = 0, person_id, merge.into_id) AS person\nFROM (\n").append(found);
    sql.push("\n) AS found\nLEFT JOIN (\n  SELECT from_id, argMax(into_id, version) AS into_id\n");
    sql.push("  FROM person_overrides\n  WHERE project_id = ").param("UInt32", project);
    sql.push("\n  GROUP BY from_id\n) AS merge ON merge.from_id = found.person_id");
    sql
}

/// The events that count: of the project, the series, the range and the filters.
fn matching(project: ProjectId, question: TrendQuestion<'_>) -> Sql {
    let mut sql = events_of(project);
    if let Some(event) = &question.series.event {
        sql.push("\n  AND event = ").param("String", event);
    }
    // The column stands bare: the bounds are converted, so that the sort key and the partitions are used.
    sql.push("\n  AND timestamp >= fromUnixTimestamp64Micro(").param("Int64", question.range.from.as_microsecond());
    sql.push(", 'UTC') AND timestamp < fromUnixTimestamp64Micro(").param("Int64", question.range.to.as_microsecond());
    sql.push(", 'UTC')");
    push_traffic(&mut sql, question.traffic);
    if question.series.math == Math::UniqueUsers && !question.counts_cookieless {
        push_known_people(&mut sql);
    }
    push_group(&mut sql, question.properties);
    push_group(&mut sql, &question.series.properties);
    sql
}

/// The key of an event's bucket, as [`Bucket`](crate::model::query::Bucket) has it.
fn bucket(question: TrendQuestion<'_>) -> Sql {
    let mut sql = Sql::default();
    if question.is_aggregated {
        sql.push("toInt64(0)");
        return sql;
    }
    sql.append(&bucket_key(question.range, "timestamp"));
    sql
}
