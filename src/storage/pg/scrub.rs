//! Getting deleted rows off the disk: what a plain vacuum leaves in its pages and what the write-ahead log still holds.

use std::time::Duration;

use super::{Pg, PgError};

/// The tables that hold what somebody sent. All of them are rewritten.
const TABLES: &[&str] = &[
    "persons",
    "person_distinct_ids",
    "person_changes",
    "unstored_events",
    "opt_outs",
    "person_merges",
    "merged_persons",
    "duplicates",
    "person_property_edits",
];
/// How long a rewrite waits for the pipeline to let go of a table; the next look tries again.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '3s'";

/// Forgets the samples of values of these tables and their indexes: an analysis of a table that has become empty leaves them.
const CLEAR_STATISTICS: &str = "DELETE FROM pg_statistic WHERE starelid IN (
    SELECT to_regclass(name) FROM UNNEST($1::text[]) AS t (name)
    UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT to_regclass(name) FROM UNNEST($1::text[]) AS t (name)))";

/// How far Postgres could be scrubbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrubbed {
    /// Whether the log was switched and checkpointed, so that no file of it holds what was deleted. A managed Postgres does
    /// not let us: its log goes when the server recycles it.
    pub log: bool,
    /// Whether the samples of values that the planner keeps were made anew. Only an owner of the whole server may forget them.
    pub statistics: bool,
}

impl Pg {
    /// Bytes that a scrub rewrites; nothing else can change persons meanwhile.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn scrub_bytes(&self) -> Result<u64, PgError> {
        let sql = "SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)::bigint FROM UNNEST($1::text[]) AS t (name)";
        let bytes: i64 = sqlx::query_scalar(sql).bind(TABLES).fetch_one(&self.pool).await?;
        Ok(bytes.unsigned_abs())
    }

    /// Rewrites the tables that hold people's data, makes the planner's samples of them anew, and lets the log go as far as
    /// Postgres lets us.
    ///
    /// # Errors
    /// If Postgres does not answer, or a table is in use for too long; doing it again is harmless.
    pub async fn scrub(&self) -> Result<Scrubbed, PgError> {
        // A connection of its own: its settings go with it.
        let mut connection = self.pool.acquire().await?.detach();
        sqlx::raw_sql(LOCK_TIMEOUT).execute(&mut connection).await?;
        let is_clear = sqlx::query(CLEAR_STATISTICS).bind(TABLES).execute(&mut connection).await.is_ok();
        for table in TABLES {
            let statement = format!("VACUUM (FULL, ANALYZE) {table}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        let statistics = is_clear && sqlx::raw_sql("VACUUM FULL pg_statistic").execute(&mut connection).await.is_ok();
        let log = Self::drop_log(&mut connection).await.is_ok();
        Ok(Scrubbed { log, statistics })
    }

    /// Ends the log's file and checkpoints, twice: the files before the first checkpoint go with the second.
    async fn drop_log(connection: &mut sqlx::PgConnection) -> Result<(), PgError> {
        for _ in 0..2 {
            sqlx::raw_sql("SELECT pg_switch_wal()").execute(&mut *connection).await?;
            sqlx::raw_sql("CHECKPOINT").execute(&mut *connection).await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}
