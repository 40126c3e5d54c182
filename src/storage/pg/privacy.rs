//! A project's choices of privacy, who opted out, and what the pipeline must know of those who are left out.

use jiff::Timestamp;
use sqlx::PgConnection;

use super::{Pg, PgError, PgTime};
use crate::model::ProjectId;

/// Somebody whose events a project does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOut {
    pub distinct_id: String,
    pub created_at: Timestamp,
    /// The name of who noted it.
    pub created_by: String,
}

/// A distinct id of somebody who was erased, by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedId {
    pub project_id: ProjectId,
    pub hash: Vec<u8>,
    /// What happened or came in up to here is not stored.
    pub until: Timestamp,
}

/// All who are left out.
#[derive(Debug, Clone, Default)]
pub struct LeftOutRows {
    pub erased: Vec<ErasedId>,
    pub opted_out: Vec<(ProjectId, String)>,
}

impl Pg {
    /// A number that grows whenever somebody is erased, opts out or in, or a project changes its choices.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn privacy_version(&self) -> Result<i64, PgError> {
        sqlx::query_scalar("SELECT version FROM privacy_version").fetch_one(&self.pool).await
    }

    /// Makes everybody read again.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn bump_privacy_version(&self) -> Result<(), PgError> {
        bump(&mut *self.pool.acquire().await?).await
    }

    /// Everybody who is left out, of all projects.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_left_out(&self) -> Result<LeftOutRows, PgError> {
        let erased: Vec<(i32, Vec<u8>, PgTime)> =
            sqlx::query_as("SELECT project_id, id_hash, erased_until FROM erased_ids").fetch_all(&self.pool).await?;
        let opted_out: Vec<(i32, String)> =
            sqlx::query_as("SELECT project_id, distinct_id FROM opt_outs").fetch_all(&self.pool).await?;
        let id = |(project, hash, until): (i32, _, PgTime)| ErasedId {
            project_id: ProjectId::new(project),
            hash,
            until: until.into(),
        };
        Ok(LeftOutRows {
            erased: erased.into_iter().map(id).collect(),
            opted_out: opted_out.into_iter().map(|(project, id)| (ProjectId::new(project), id)).collect(),
        })
    }

    /// Forgets erased ids of before a moment.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn prune_erased_ids(&self, before: Timestamp) -> Result<(), PgError> {
        let sql = "DELETE FROM erased_ids WHERE erased_until < $1";
        sqlx::query(sql).bind(PgTime(before)).execute(&self.pool).await.map(drop)
    }

    /// Whether a project takes events of visitors without cookies.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn is_cookieless(&self, project: ProjectId) -> Result<bool, PgError> {
        let sql = "SELECT EXISTS (SELECT FROM project_privacy WHERE project_id = $1 AND cookieless)";
        sqlx::query_scalar(sql).bind(project).fetch_one(&self.pool).await
    }

    /// Lets a project take events of visitors without cookies, or not.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn set_cookieless(&self, project: ProjectId, is_on: bool) -> Result<(), PgError> {
        sqlx::query(
            r"
            INSERT INTO project_privacy (project_id, cookieless)
            VALUES ($1, $2)
            ON CONFLICT (project_id) DO UPDATE SET cookieless = EXCLUDED.cookieless
            ",
        )
        .bind(project)
        .bind(is_on)
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// Those who opted out, the latest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_opt_outs(&self, project: ProjectId, limit: i64, offset: i64) -> Result<Vec<OptOut>, PgError> {
        let rows: Vec<(String, PgTime, String)> = sqlx::query_as(
            r"
            SELECT distinct_id, created_at, created_by
            FROM opt_outs
            WHERE project_id = $1
            ORDER BY created_at DESC, distinct_id
            LIMIT $2 OFFSET $3
            ",
        )
        .bind(project)
        .bind(limit)
        .bind(offset)
        .fetch_all(&self.pool)
        .await?;
        let row = |(distinct_id, created_at, created_by): (String, PgTime, String)| OptOut {
            distinct_id,
            created_at: created_at.into(),
            created_by,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// How many opted out.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn count_opt_outs(&self, project: ProjectId) -> Result<i64, PgError> {
        let sql = "SELECT count(*) FROM opt_outs WHERE project_id = $1";
        sqlx::query_scalar(sql).bind(project).fetch_one(&self.pool).await
    }

    /// Notes that these opted out; gives how many had not.
    ///
    /// # Errors
    /// If Postgres does not answer or refuses an id.
    pub async fn add_opt_outs(
        &self,
        project: ProjectId,
        distinct_ids: &[String],
        by: &str,
        now: Timestamp,
    ) -> Result<u64, PgError> {
        let mut tx = self.pool.begin().await?;
        let added = sqlx::query(
            r"
            INSERT INTO opt_outs (project_id, distinct_id, created_at, created_by)
            SELECT $1, id, $3, $4 FROM UNNEST($2::text[]) AS wanted (id)
            ON CONFLICT DO NOTHING
            ",
        )
        .bind(project)
        .bind(distinct_ids)
        .bind(PgTime(now))
        .bind(by)
        .execute(&mut *tx)
        .await?;
        bump(&mut tx).await?;
        tx.commit().await?;
        Ok(added.rows_affected())
    }

    /// Takes these in again; gives how many had opted out.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn remove_opt_outs(&self, project: ProjectId, distinct_ids: &[String]) -> Result<u64, PgError> {
        let mut tx = self.pool.begin().await?;
        let removed = sqlx::query("DELETE FROM opt_outs WHERE project_id = $1 AND distinct_id = ANY($2)")
            .bind(project)
            .bind(distinct_ids)
            .execute(&mut *tx)
            .await?;
        bump(&mut tx).await?;
        tx.commit().await?;
        Ok(removed.rows_affected())
    }

    /// The secret of this name: made on first use, the same for ever and for every instance.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn install_secret(&self, name: &'static str, fresh: &[u8]) -> Result<Vec<u8>, PgError> {
        let sql = "INSERT INTO install_secrets (name, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        sqlx::query(sql).bind(name).bind(fresh).execute(&self.pool).await?;
        sqlx::query_scalar("SELECT secret FROM install_secrets WHERE name = $1").bind(name).fetch_one(&self.pool).await
    }
}

/// Makes everybody read again, with the transaction's end.
pub(super) async fn bump(on: &mut PgConnection) -> Result<(), PgError> {
    sqlx::query("UPDATE privacy_version SET version = version + 1").execute(on).await.map(drop)
}
