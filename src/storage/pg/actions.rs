//! Actions: names for events that are alike to who asks.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;

use super::{Pg, PgError, PgTime};
use crate::model::{ActionId, ProjectId, UserId};

/// An action as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionRow {
    pub id: ActionId,
    pub name: String,
    pub description: String,
    /// In the JSON of the API; not checked here.
    pub steps: Value,
    pub tags: Value,
    pub created_by: Option<UserId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An action to make, or what to change about one; what is absent stays, or is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActionChanges {
    pub name: Option<String>,
    pub description: Option<String>,
    pub steps: Option<Value>,
    pub tags: Option<Value>,
}

/// By which name a taken name is told ([`super::violates`]).
pub const ACTION_NAME_TAKEN: &str = "actions_name_unique";

#[derive(FromRow)]
struct Columns {
    id: ActionId,
    name: String,
    description: String,
    steps: Json<Value>,
    tags: Json<Value>,
    created_by: Option<UserId>,
    created_at: PgTime,
    updated_at: PgTime,
}

impl From<Columns> for ActionRow {
    fn from(row: Columns) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            steps: row.steps.0,
            tags: row.tags.0,
            created_by: row.created_by,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

impl Pg {
    /// A part of the actions of a project whose names contain `search`, by name, and how many there are in all.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_actions(
        &self,
        project: ProjectId,
        search: &str,
        limit: i64,
        offset: i64,
    ) -> Result<(i64, Vec<ActionRow>), PgError> {
        let sql = r"
            SELECT count(*) FROM actions
            WHERE project_id = $1 AND deleted_at IS NULL AND strpos(lower(name), lower($2)) > 0
        ";
        let count = sqlx::query_scalar(sql).bind(project).bind(search).fetch_one(&self.pool).await?;
        let sql = r"
            SELECT id, name, description, steps, tags, created_by, created_at, updated_at
            FROM actions
            WHERE project_id = $1 AND deleted_at IS NULL AND strpos(lower(name), lower($2)) > 0
            ORDER BY lower(name), id
            LIMIT $3 OFFSET $4
        ";
        let query = sqlx::query_as(sql).bind(project).bind(search).bind(limit).bind(offset);
        let rows: Vec<Columns> = query.fetch_all(&self.pool).await?;
        Ok((count, rows.into_iter().map(ActionRow::from).collect()))
    }

    /// One action.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_action(&self, project: ProjectId, id: ActionId) -> Result<Option<ActionRow>, PgError> {
        let sql = r"
            SELECT id, name, description, steps, tags, created_by, created_at, updated_at
            FROM actions
            WHERE project_id = $1 AND id = $2 AND deleted_at IS NULL
        ";
        let row: Option<Columns> = sqlx::query_as(sql).bind(project).bind(id).fetch_optional(&self.pool).await?;
        Ok(row.map(ActionRow::from))
    }

    /// Makes an action; none if the project has `most` already.
    ///
    /// # Errors
    /// If another has its name ([`ACTION_NAME_TAKEN`]), or Postgres does not answer.
    pub async fn create_action(
        &self,
        project: ProjectId,
        new: &ActionChanges,
        user: UserId,
        now: Timestamp,
        most: i64,
    ) -> Result<Option<ActionRow>, PgError> {
        let sql = r"
            INSERT INTO actions (project_id, name, description, steps, tags, created_by, created_at, updated_at)
            SELECT $1, $2, $3, $4, $5, $6, $7, $7
            WHERE (SELECT count(*) FROM actions WHERE project_id = $1 AND deleted_at IS NULL) < $8
            RETURNING id, name, description, steps, tags, created_by, created_at, updated_at
        ";
        let row: Option<Columns> = sqlx::query_as(sql)
            .bind(project)
            .bind(new.name.as_deref().unwrap_or_default())
            .bind(new.description.as_deref().unwrap_or_default())
            .bind(Json(new.steps.clone().unwrap_or_else(|| Value::Array(Vec::new()))))
            .bind(Json(new.tags.clone().unwrap_or_else(|| Value::Array(Vec::new()))))
            .bind(user)
            .bind(PgTime(now))
            .bind(most)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(ActionRow::from))
    }

    /// Changes an action; none if there is no such.
    ///
    /// # Errors
    /// If another has its name ([`ACTION_NAME_TAKEN`]), or Postgres does not answer.
    pub async fn update_action(
        &self,
        project: ProjectId,
        id: ActionId,
        changes: &ActionChanges,
        now: Timestamp,
    ) -> Result<Option<ActionRow>, PgError> {
        let sql = r"
            UPDATE actions
            SET name = coalesce($3, name), description = coalesce($4, description), steps = coalesce($5, steps),
                tags = coalesce($6, tags), updated_at = $7
            WHERE project_id = $1 AND id = $2 AND deleted_at IS NULL
            RETURNING id, name, description, steps, tags, created_by, created_at, updated_at
        ";
        let row: Option<Columns> = sqlx::query_as(sql)
            .bind(project)
            .bind(id)
            .bind(changes.name.as_deref())
            .bind(changes.description.as_deref())
            .bind(changes.steps.as_ref().map(Json))
            .bind(changes.tags.as_ref().map(Json))
            .bind(PgTime(now))
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(ActionRow::from))
    }

    /// Takes an action away. Whether there was such.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn delete_action(&self, project: ProjectId, id: ActionId, now: Timestamp) -> Result<bool, PgError> {
        let sql = "UPDATE actions SET deleted_at = $3 WHERE project_id = $1 AND id = $2 AND deleted_at IS NULL";
        let query = sqlx::query(sql).bind(project).bind(id).bind(PgTime(now));
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }
}
