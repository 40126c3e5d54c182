//! Saved insights.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;

use super::{Pg, PgError, PgTime};
use crate::model::{InsightId, ProjectId, UserId};

/// A saved question.
#[derive(Debug, Clone)]
pub struct SavedInsight {
    pub id: InsightId,
    /// By which addresses name it.
    pub short_id: String,
    pub name: String,
    /// In the shape of the query API; not checked here.
    pub query: Value,
    /// The name of who made it; nobody for starters.
    pub created_by: Option<String>,
    pub updated_at: Timestamp,
}

/// A question to be saved.
#[derive(Debug, Clone)]
pub struct NewInsight {
    pub short_id: String,
    pub name: String,
    pub query: Value,
    pub created_by: Option<UserId>,
    pub created_at: Timestamp,
}

#[derive(FromRow)]
pub(super) struct InsightRow {
    id: InsightId,
    short_id: String,
    name: String,
    query: Json<Value>,
    created_by: Option<String>,
    updated_at: PgTime,
}

impl From<InsightRow> for SavedInsight {
    fn from(row: InsightRow) -> Self {
        Self {
            id: row.id,
            short_id: row.short_id,
            name: row.name,
            query: row.query.0,
            created_by: row.created_by,
            updated_at: row.updated_at.into(),
        }
    }
}

impl Pg {
    /// Saves an insight.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn create_insight(&self, project: ProjectId, new: &NewInsight) -> Result<InsightId, PgError> {
        insert_insight(&self.pool, project, new).await
    }

    /// The insights of a project whose names contain `search`, newest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_insights(
        &self,
        project: ProjectId,
        search: &str,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<SavedInsight>, PgError> {
        let sql = r"
            SELECT insights.id, short_id, insights.name, query, users.name AS created_by, updated_at
            FROM insights
            LEFT JOIN users ON users.id = created_by
            WHERE project_id = $1 AND deleted_at IS NULL AND strpos(lower(insights.name), lower($2)) > 0
            ORDER BY updated_at DESC, insights.id DESC
            LIMIT $3 OFFSET $4
        ";
        let query = sqlx::query_as(sql).bind(project.get()).bind(search).bind(limit).bind(offset);
        let rows: Vec<InsightRow> = query.fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(SavedInsight::from).collect())
    }

    /// The insight of a project with this short id.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_insight(&self, project: ProjectId, short_id: &str) -> Result<Option<SavedInsight>, PgError> {
        let sql = r"
            SELECT insights.id, short_id, insights.name, query, users.name AS created_by, updated_at
            FROM insights
            LEFT JOIN users ON users.id = created_by
            WHERE project_id = $1 AND short_id = $2 AND deleted_at IS NULL
        ";
        let query = sqlx::query_as(sql).bind(project.get()).bind(short_id);
        Ok(query.fetch_optional(&self.pool).await?.map(|row: InsightRow| row.into()))
    }

    /// Renames an insight, or changes its question; what is absent stays. Whether there is such an insight.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn update_insight(
        &self,
        project: ProjectId,
        short_id: &str,
        name: Option<&str>,
        query: Option<&Value>,
        now: Timestamp,
    ) -> Result<bool, PgError> {
        let sql = r"
            UPDATE insights
            SET name = coalesce($3, name), query = coalesce($4, query), updated_at = $5
            WHERE project_id = $1 AND short_id = $2 AND deleted_at IS NULL
        ";
        let query =
            sqlx::query(sql).bind(project.get()).bind(short_id).bind(name).bind(query.map(Json)).bind(PgTime(now));
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Marks an insight as deleted and takes it off its dashboards. Whether there was such an insight.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn delete_insight(&self, project: ProjectId, short_id: &str, now: Timestamp) -> Result<bool, PgError> {
        let sql = r"
            WITH gone AS (
                UPDATE insights
                SET deleted_at = $3
                WHERE project_id = $1 AND short_id = $2 AND deleted_at IS NULL
                RETURNING id
            ), tiles AS (
                DELETE FROM dashboard_tiles
                WHERE insight_id IN (SELECT id FROM gone)
            )
            SELECT count(*) FROM gone
        ";
        let query = sqlx::query_scalar(sql).bind(project.get()).bind(short_id).bind(PgTime(now));
        let count: i64 = query.fetch_one(&self.pool).await?;
        Ok(count > 0)
    }
}

pub(super) async fn insert_insight<'e>(
    to: impl sqlx::PgExecutor<'e>,
    project: ProjectId,
    new: &NewInsight,
) -> Result<InsightId, PgError> {
    let sql = r"
        INSERT INTO insights (project_id, short_id, name, query, created_by, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)
        RETURNING id
    ";
    sqlx::query_scalar(sql)
        .bind(project.get())
        .bind(&new.short_id)
        .bind(&new.name)
        .bind(Json(&new.query))
        .bind(new.created_by)
        .bind(PgTime(new.created_at))
        .fetch_one(to)
        .await
}
