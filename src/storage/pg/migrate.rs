//! Migrations of Postgres.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqlSafeStr};

use super::{Pg, PgError};

/// Why a migration failed.
pub type MigrateError = sqlx::migrate::MigrateError;

/// All of them, in order. A landed one is never edited.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "accounts", include_str!("../../../migrations/postgres/0001_accounts.sql")),
    (2, "persons", include_str!("../../../migrations/postgres/0002_persons.sql")),
    (3, "insights", include_str!("../../../migrations/postgres/0003_insights.sql")),
    (4, "definitions", include_str!("../../../migrations/postgres/0004_definitions.sql")),
    (5, "person_search", include_str!("../../../migrations/postgres/0005_person_search.sql")),
    (6, "ledger", include_str!("../../../migrations/postgres/0006_ledger.sql")),
    (7, "identity", include_str!("../../../migrations/postgres/0007_identity.sql")),
    (8, "duplicates", include_str!("../../../migrations/postgres/0008_duplicates.sql")),
    (9, "people_lists", include_str!("../../../migrations/postgres/0009_people_lists.sql")),
    (10, "privacy", include_str!("../../../migrations/postgres/0010_privacy.sql")),
    (11, "erasures", include_str!("../../../migrations/postgres/0011_erasures.sql")),
    (12, "project_settings", include_str!("../../../migrations/postgres/0012_project_settings.sql")),
    (13, "person_changes", include_str!("../../../migrations/postgres/0013_person_changes.sql")),
    (14, "person_channels", include_str!("../../../migrations/postgres/0014_person_channels.sql")),
    (15, "merged_people", include_str!("../../../migrations/postgres/0015_merged_people.sql")),
    (16, "actions", include_str!("../../../migrations/postgres/0016_actions.sql")),
    (17, "cohorts", include_str!("../../../migrations/postgres/0017_cohorts.sql")),
    (18, "group_changes", include_str!("../../../migrations/postgres/0018_group_changes.sql")),
    (19, "group_edits", include_str!("../../../migrations/postgres/0019_group_edits.sql")),
    (20, "tail_kinds", include_str!("../../../migrations/postgres/0020_tail_kinds.sql")),
    (21, "checks_by_statement", include_str!("../../../migrations/postgres/0021_checks_by_statement.sql")),
    (22, "changes_by_statement", include_str!("../../../migrations/postgres/0022_changes_by_statement.sql")),
    (23, "distinct_ids_by_bytes", include_str!("../../../migrations/postgres/0023_distinct_ids_by_bytes.sql")),
];

/// The advisory lock under which both stores are migrated: any number, the same for ever.
const LOCK: i64 = 0x7465_6e72_6563;

/// The turn of one instance to migrate. Whoever asks next waits until this is released or its connection ends.
#[derive(Debug)]
pub struct MigrationLock(PgConnection);

impl MigrationLock {
    /// Gives the turn to the next.
    pub async fn release(self) {
        // The lock belongs to the connection; if closing fails, Postgres notices that it is gone.
        let _ = self.0.close().await;
    }
}

impl Pg {
    /// Waits for the turn to migrate, on a connection of its own.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn lock_migrations(&self) -> Result<MigrationLock, PgError> {
        let mut connection = self.pool.acquire().await?.detach();
        sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut connection).await?;
        Ok(MigrationLock(connection))
    }

    /// Brings the schema up to date. Safe to repeat; instances that start together take turns.
    ///
    /// # Errors
    /// If Postgres does not answer, a statement fails, or the database was made by a newer Tenrec.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        let migrations = MIGRATIONS
            .iter()
            .map(|(version, name, sql)| {
                let sql = AssertSqlSafe(*sql).into_sql_str();
                Migration::new(*version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
            })
            .collect();
        Migrator::with_migrations(migrations).run(&self.pool).await
    }

    /// The names of migrations that were not applied yet, in order.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_pending_migrations(&self) -> Result<Vec<&'static str>, PgError> {
        let has_record: bool =
            sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&self.pool).await?;
        let applied: Vec<i64> = if has_record {
            sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(&self.pool).await?
        } else {
            Vec::new()
        };
        Ok(MIGRATIONS.iter().filter(|(version, ..)| !applied.contains(version)).map(|(_, name, _)| *name).collect())
    }
}
