//! Asking, with what the answer cost.

use std::time::{Duration, Instant};

use clickhouse::query::Query;
use clickhouse::{RowOwned, RowRead};

use super::failure::blames_files;
use super::quarter_hours::may_be_counted;
use super::{ChError, ClickHouse, Sql};

/// What the engine looks for in every statement and ours never have: keys that follow from others, and orders and aggregates of
/// them. It compares keys and values with all that lies below them, level by level: a tenth of what paths of no events cost.
/// Statements that are questions in the query language are looked through as ever.
const NEVER_FOUND: &[&str] = &[
    "optimize_aggregators_of_group_by_keys",
    "optimize_group_by_function_keys",
    "optimize_redundant_functions_in_order_by",
];

/// Whether the engine looks for counts that parts bring along.
const USES_COUNTS: &str = "optimize_use_projections";

/// What an answer cost the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Rows and bytes that were read; none if the store did not say.
    pub rows_read: Option<u64>,
    pub bytes_read: Option<u64>,
    /// From asking to the last row.
    pub elapsed: Duration,
}

impl Cost {
    /// The cost of two questions asked side by side.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| Some(a? + b?);
        Self {
            rows_read: sum(self.rows_read, other.rows_read),
            bytes_read: sum(self.bytes_read, other.bytes_read),
            elapsed: self.elapsed.max(other.elapsed),
        }
    }
}

impl ClickHouse {
    /// All rows of a question, and its cost.
    pub(super) async fn rows<T: RowOwned + RowRead>(&self, sql: &Sql) -> Result<(Vec<T>, Cost), ChError> {
        match rows_of(self.ask_ours(sql)).await {
            // Counts that parts bring along are not waited for until they are on disk; the rows are there without them.
            Err(error) if blames_files(&error) => rows_of(self.ask_ours(sql).with_setting(USES_COUNTS, "0")).await,
            found => found,
        }
    }

    /// A question whose statement is a ladder of ours: the engine looks for nothing in it that cannot be there. To look whether
    /// counts that parts bring along would do, where they cannot, is another tenth of what a small question costs.
    pub(super) fn ask_ours(&self, sql: &Sql) -> Query {
        let query = self.ask(sql).with_setting(USES_COUNTS, if may_be_counted(sql) { "1" } else { "0" });
        NEVER_FOUND.iter().fold(query, |query, name| query.with_setting(*name, "0"))
    }
}

async fn rows_of<T: RowOwned + RowRead>(query: Query) -> Result<(Vec<T>, Cost), ChError> {
    let started = Instant::now();
    // The summary stands in a header: only a finished query can fill it.
    let mut cursor = query.with_setting("wait_end_of_query", "1").fetch::<T>()?;
    let mut rows = Vec::new();
    while let Some(row) = cursor.next().await? {
        rows.push(row);
    }
    let summary = cursor.summary();
    let cost = Cost {
        rows_read: summary.and_then(|s| s.read_rows()),
        bytes_read: summary.and_then(|s| s.read_bytes()),
        elapsed: started.elapsed(),
    };
    Ok((rows, cost))
}
