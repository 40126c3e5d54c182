//! Asking a compiled question.

use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;

use super::super::{ChError, ClickHouse, Cost, Sql};

/// Largest answer that is held in memory.
const MAX_ANSWER_BYTES: &str = "50000000";

/// Rows as JSON, and the store's types of their columns.
#[derive(Debug, Clone, Default)]
pub struct SqlRows {
    pub types: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    pub cost: Cost,
}

/// An answer as it comes, in a format of the store's.
pub struct SqlStream(clickhouse::query::BytesCursor);

impl SqlStream {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// If ClickHouse fails on the way: what came before is not the whole.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ChError> {
        self.0.next().await
    }
}

impl ClickHouse {
    /// All rows of a question in the query language.
    ///
    /// # Errors
    /// If ClickHouse refuses the question or does not answer, or the answer is too large.
    pub async fn sql_rows(&self, sql: &Sql) -> Result<SqlRows, ChError> {
        let started = Instant::now();
        let mut cursor = self
            .ask_in_sql(sql)
            .with_setting("max_result_bytes", MAX_ANSWER_BYTES)
            .with_setting("result_overflow_mode", "throw")
            .with_setting("wait_end_of_query", "1")
            .fetch_bytes("JSONCompactEachRowWithNamesAndTypes")?;
        let bytes = cursor.collect().await?;
        let broken = |e: serde_json::Error| ChError::BadResponse(format!("an answer is no JSON: {e}"));
        let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).skip(1);
        let types = lines.next().map(serde_json::from_slice).transpose().map_err(broken)?.unwrap_or_default();
        let rows = lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(broken)?;
        let summary = cursor.summary();
        let cost = Cost {
            rows_read: summary.and_then(|s| s.read_rows()),
            bytes_read: summary.and_then(|s| s.read_bytes()),
            elapsed: started.elapsed(),
        };
        Ok(SqlRows { types, rows, cost })
    }

    /// The rows of a question as CSV, as they come and however many.
    ///
    /// # Errors
    /// If ClickHouse does not take the question.
    pub fn sql_csv(&self, sql: &Sql) -> Result<SqlStream, ChError> {
        let cursor = self
            .ask_in_sql(sql)
            .with_setting("max_execution_time", "600")
            .with_setting("output_format_csv_crlf_end_of_line", "1")
            .fetch_bytes("CSV")?;
        Ok(SqlStream(cursor))
    }

    fn ask_in_sql(&self, sql: &Sql) -> clickhouse::query::Query {
        self.ask(sql)
            .with_setting("output_format_json_quote_64bit_integers", "0")
            .with_setting("output_format_json_validate_utf8", "1")
            .with_setting("date_time_output_format", "iso")
            .with_setting("enable_named_columns_in_function_tuple", "0")
            .with_setting("join_use_nulls", "0")
            // What may fail on a value runs only on rows that are of the project.
            .with_setting("short_circuit_function_evaluation", "force_enable")
            .with_setting("max_ast_depth", "2000")
            .with_setting("max_subquery_depth", "100")
    }
}
