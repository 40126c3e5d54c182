//! What has become of persons on event rows: the lock under which that changes, and the overrides for ClickHouse.
//! What is read and written under the lock is in [`super::identity_tx`] and [`super::person_merges`].

use sqlx::{AssertSqlSafe, Postgres, Transaction};

use super::{Pg, PgError};
use crate::model::{PersonId, ProjectId};
use crate::storage::ch::PersonOverride;

/// First half of the advisory lock's key; the second is the project.
pub(super) const LOCK: i32 = 0x7e5e_0001;

/// A transaction that alone may change the persons of its projects.
#[derive(Debug)]
pub struct IdentityTx {
    pub(super) tx: Transaction<'static, Postgres>,
}

impl Pg {
    /// Begins a transaction and waits for the locks of these projects, in one round trip. Dropped without a commit, it
    /// changes nothing.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn begin_identity(&self, projects: &[ProjectId]) -> Result<IdentityTx, PgError> {
        // In the order of their ids, so that two instances never wait for each other.
        let mut ids: Vec<i32> = projects.iter().map(|p| p.get()).collect();
        ids.sort_unstable();
        ids.dedup();
        let ids = ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        let begin = format!(
            "BEGIN; SELECT pg_advisory_xact_lock({LOCK}, id) FROM UNNEST('{{{ids}}}'::integer[]) AS project (id)"
        );
        Ok(IdentityTx { tx: self.pool.begin_with(AssertSqlSafe(begin)).await? })
    }

    /// Overrides that ClickHouse does not have yet, oldest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_pending_overrides(&self, limit: u32) -> Result<Vec<PersonOverride>, PgError> {
        let rows: Vec<(i32, i64, i64, i64)> = sqlx::query_as(
            r"
            SELECT project_id, from_id, into_id, version
            FROM person_overrides
            WHERE NOT mirrored
            ORDER BY version
            LIMIT $1
            ",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let row = |(project, from, into, version): (i32, i64, i64, i64)| PersonOverride {
            project_id: ProjectId::new(project),
            from: PersonId::from_row(from),
            into: PersonId::from_row(into),
            version: version.cast_unsigned(),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Notes that ClickHouse has these, each in this version.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn mark_overrides_mirrored(&self, overrides: &[PersonOverride]) -> Result<(), PgError> {
        let projects: Vec<i32> = overrides.iter().map(|o| o.project_id.get()).collect();
        let from: Vec<i64> = overrides.iter().map(|o| o.from.as_row()).collect();
        let versions: Vec<i64> = overrides.iter().map(|o| o.version.cast_signed()).collect();
        sqlx::query(
            r"
            UPDATE person_overrides AS o
            SET mirrored = true
            FROM UNNEST($1::integer[], $2::bigint[], $3::bigint[]) AS done (project_id, from_id, version)
            WHERE o.project_id = done.project_id AND o.from_id = done.from_id AND o.version = done.version
            ",
        )
        .bind(projects)
        .bind(from)
        .bind(versions)
        .execute(&self.pool)
        .await
        .map(drop)
    }
}

impl IdentityTx {
    /// Makes the changes durable and lets the locks go.
    ///
    /// # Errors
    /// If Postgres does not answer: whether the changes stand is then unknown, and writing them again is harmless.
    pub async fn commit(self) -> Result<(), PgError> {
        self.tx.commit().await
    }
}
