//! Migrations of ClickHouse. Each file holds one statement that may run twice.

use super::{ChError, ClickHouse};

/// All of them, in order. A landed one is never edited.
const MIGRATIONS: &[(u32, &str)] = &[
    (1, include_str!("../../../migrations/clickhouse/0001_events.sql")),
    (2, include_str!("../../../migrations/clickhouse/0002_person_overrides.sql")),
    (3, include_str!("../../../migrations/clickhouse/0003_sessions.sql")),
    (4, include_str!("../../../migrations/clickhouse/0004_bot_score.sql")),
    (5, include_str!("../../../migrations/clickhouse/0005_json_paths.sql")),
    (6, include_str!("../../../migrations/clickhouse/0006_events_in_time.sql")),
    (7, include_str!("../../../migrations/clickhouse/0007_small_tails.sql")),
    (8, include_str!("../../../migrations/clickhouse/0008_events_of_persons.sql")),
    (9, include_str!("../../../migrations/clickhouse/0009_persons.sql")),
    (10, include_str!("../../../migrations/clickhouse/0010_person_distinct_ids.sql")),
    (11, include_str!("../../../migrations/clickhouse/0011_person_channels.sql")),
    (12, include_str!("../../../migrations/clickhouse/0012_groups.sql")),
    (13, include_str!("../../../migrations/clickhouse/0013_person_parts.sql")),
    (14, include_str!("../../../migrations/clickhouse/0014_cohort_members.sql")),
    (15, include_str!("../../../migrations/clickhouse/0015_counts_follow_merges.sql")),
    (16, include_str!("../../../migrations/clickhouse/0016_quarter_hours.sql")),
    (17, include_str!("../../../migrations/clickhouse/0017_person_codec.sql")),
    (18, include_str!("../../../migrations/clickhouse/0018_fewer_buckets.sql")),
];

const RECORD: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, applied_at DateTime DEFAULT now()) \
                      ENGINE = ReplacingMergeTree ORDER BY version";

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum ChMigrateError {
    /// ClickHouse refused a statement, or did not answer.
    #[error("ClickHouse migration {version} failed")]
    Statement { version: u32, source: ChError },
    /// The database was made by a newer Tenrec.
    #[error(
        "the ClickHouse schema has version {found}, newer than this Tenrec's {known}: install the newer Tenrec again"
    )]
    Newer { found: u32, known: u32 },
}

impl ClickHouse {
    /// Makes the database if it is missing and brings its tables up to date. Safe to repeat; two instances take turns by
    /// the lock that the caller holds in Postgres.
    ///
    /// # Errors
    /// If ClickHouse does not answer, a statement fails, or the database was made by a newer Tenrec.
    pub async fn migrate(&self) -> Result<(), ChMigrateError> {
        let failed = |version| move |source| ChMigrateError::Statement { version, source };
        let create = format!("CREATE DATABASE IF NOT EXISTS `{}` ENGINE = Atomic", self.database());
        self.execute_in(None, &create).await.map_err(failed(0))?;
        self.execute_in(Some(self.database()), RECORD).await.map_err(failed(0))?;
        let applied: u32 = self
            .client()
            .query_raw("SELECT max(version) FROM schema_migrations")
            .fetch_one()
            .await
            .map_err(failed(0))?;
        let known = MIGRATIONS.iter().map(|(version, _)| *version).max().unwrap_or(0);
        if applied > known {
            return Err(ChMigrateError::Newer { found: applied, known });
        }
        for (version, statement) in MIGRATIONS.iter().filter(|(version, _)| *version > applied) {
            self.execute_in(Some(self.database()), statement).await.map_err(failed(*version))?;
            let record = self.client().query_raw("INSERT INTO schema_migrations (version) VALUES ({version:UInt32})");
            record.param("version", version).execute().await.map_err(failed(*version))?;
        }
        Ok(())
    }

    /// The versions of migrations that were not applied yet, in order.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn list_pending_migrations(&self) -> Result<Vec<u32>, ChError> {
        let tables: u64 = self
            .client_of_no_database()
            .query_raw(
                "SELECT count() FROM system.tables WHERE database = {database:String} AND name = 'schema_migrations'",
            )
            .param("database", self.database())
            .fetch_one()
            .await?;
        let applied: u32 = if tables == 0 {
            0
        } else {
            self.client().query_raw("SELECT max(version) FROM schema_migrations").fetch_one().await?
        };
        Ok(MIGRATIONS.iter().map(|(version, _)| *version).filter(|version| *version > applied).collect())
    }
}
