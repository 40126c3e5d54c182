//! Lifecycle: in which buckets people were active, each beside the one before and the one after.

use clickhouse::Row;
use serde::Deserialize;

use super::{ChError, ClickHouse, Cost, Sql, bucket_key};
use crate::model::query::ResolvedRange;

/// A bucket that is none.
pub const NO_BUCKET: i64 = i64::MIN;

/// How many people were active in a bucket and had these neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Deserialize)]
pub struct LifecycleRow {
    /// The key of the [`Bucket`](crate::model::query::Bucket).
    pub active: i64,
    /// The bucket in which they were active last before, and next after; [`NO_BUCKET`] if in none that was looked at.
    pub before: i64,
    pub after: i64,
    /// Whether they became known in this bucket.
    pub is_new: bool,
    pub people: u64,
}

/// The statement. `events` gives `person` (the number after merges) and `timestamp`; `persons` gives `number` and
/// `created_at`. Somebody without a profile is known from their first event on.
#[must_use]
pub fn lifecycle_sql(range: &ResolvedRange, events: &Sql, persons: &Sql) -> Sql {
    let mut sql = Sql::new(
        "SELECT point.1 AS active, point.2 AS before, point.3 AS after, active = since AS is_new, count() AS people\nFROM (\n  \
         SELECT buckets, ",
    );
    sql.append(&bucket_key(range, "if(profile.number = 0, visitor.first_at, profile.created_at)"));
    sql.push(" AS since\n  FROM (\n    SELECT person, min(timestamp) AS first_at, arraySort(groupUniqArray(");
    sql.append(&bucket_key(range, "timestamp")).push(")) AS buckets\n    FROM (").append(events);
    sql.push(")\n    GROUP BY person\n  ) AS visitor\n  LEFT JOIN (").append(persons);
    sql.push(") AS profile ON profile.number = visitor.person\n)\nARRAY JOIN arrayZip(buckets, arrayPushFront(arrayPopBack(buckets), ");
    sql.param("Int64", NO_BUCKET).push("), arrayPushBack(arrayPopFront(buckets), ").param("Int64", NO_BUCKET);
    sql.push(")) AS point\nGROUP BY active, before, after, is_new");
    sql
}

impl ClickHouse {
    /// Asks it.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or the question takes too much.
    pub async fn lifecycle(&self, sql: &Sql) -> Result<(Vec<LifecycleRow>, Cost), ChError> {
        self.rows(sql).await
    }
}
