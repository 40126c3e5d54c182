//! What has become of persons on event rows: the lock under which that changes, and the overrides for ClickHouse.
//! What is read and written under the lock is in [`super::identity_tx`] and [`super::person_merges`].

use std::collections::BTreeSet;

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

/// Overrides that changed, and how to say that they were mirrored.
#[derive(Debug, Clone, Default)]
pub struct OverrideChanges {
    pub overrides: Vec<PersonOverride>,
    /// The rows in which they were noted.
    pub seqs: Vec<i64>,
    /// Whether there were more.
    pub is_cut: bool,
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

    /// Overrides of the oldest `limit` rows of changes that ClickHouse does not have yet, each with where the number leads now.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_override_changes(&self, limit: u32) -> Result<OverrideChanges, PgError> {
        type Row = (Vec<i64>, i32, i64, Option<i64>, Option<i64>);
        let rows: Vec<Row> = sqlx::query_as(
            r"
            SELECT change.seqs, change.project_id, change.from_id, o.into_id, o.version
            FROM (
                SELECT array_agg(seq) AS seqs, project_id, from_id
                FROM (SELECT * FROM override_changes ORDER BY seq LIMIT $1) AS oldest, UNNEST(from_ids) AS noted (from_id)
                GROUP BY project_id, from_id
            ) AS change
            LEFT JOIN person_overrides AS o ON o.project_id = change.project_id AND o.from_id = change.from_id
            ",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let mut changes = OverrideChanges::default();
        let mut noted = BTreeSet::new();
        for (seqs, project, from, into, version) in rows {
            noted.extend(seqs);
            // Of an erased person nothing is left to copy.
            let (Some(into), Some(version)) = (into, version) else { continue };
            changes.overrides.push(PersonOverride {
                project_id: ProjectId::new(project),
                from: PersonId::from_row(from),
                into: PersonId::from_row(into),
                version: version.cast_unsigned(),
            });
        }
        changes.is_cut = noted.len() >= limit as usize;
        changes.seqs.extend(noted);
        Ok(changes)
    }

    /// Notes that ClickHouse has these.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn mark_override_changes_mirrored(&self, changes: &OverrideChanges) -> Result<(), PgError> {
        let sql = "DELETE FROM override_changes WHERE seq = ANY($1)";
        sqlx::query(sql).bind(&changes.seqs).execute(&self.pool).await.map(drop)
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
