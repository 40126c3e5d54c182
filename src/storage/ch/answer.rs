//! Asking, with what the answer cost.

use std::time::{Duration, Instant};

use clickhouse::query::Query;
use clickhouse::{RowOwned, RowRead};

use super::failure::blames_files;
use super::{ChError, ClickHouse, Sql};

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
        match rows_of(self.ask(sql)).await {
            // Counts that parts bring along are not waited for until they are on disk; the rows are there without them.
            Err(error) if blames_files(&error) => {
                rows_of(self.ask(sql).with_setting("optimize_use_projections", "0")).await
            }
            found => found,
        }
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
