//! Changes of a group's properties by hand, and who made them.

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::types::Json;

use super::person_edits::{Applied, apply};
use super::persons::LOCK;
use super::{EditOutcome, Pg, PgError, PgTime, PropertyEdit};
use crate::model::{ProjectId, UserId};

impl Pg {
    /// Sets properties of a group that was described (`Some`) and deletes others (`None`), all or none, and notes who did it,
    /// as [`Pg::edit_person_properties`] does for a person.
    ///
    /// # Errors
    /// If Postgres does not answer; nothing is changed then.
    #[expect(clippy::too_many_arguments, reason = "a group has two names where a person has one")]
    pub async fn edit_group_properties(
        &self,
        project: ProjectId,
        index: i16,
        group: &str,
        changes: &[(String, Option<Value>)],
        most_keys: usize,
        by: UserId,
        at: Timestamp,
    ) -> Result<EditOutcome, PgError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1, $2)").bind(LOCK).bind(project.get()).execute(&mut *tx).await?;
        let found: Option<Json<Map<String, Value>>> = sqlx::query_scalar(
            "SELECT properties FROM groups WHERE project_id = $1 AND type_index = $2 AND key = $3 FOR UPDATE",
        )
        .bind(project)
        .bind(index)
        .bind(group)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(Json(mut properties)) = found else { return Ok(EditOutcome::NotFound) };
        let Some(Applied { keys, old, new }) = apply(&mut properties, changes, most_keys) else {
            return Ok(EditOutcome::TooMany);
        };
        if keys.is_empty() {
            return Ok(EditOutcome::Done);
        }
        sqlx::query("UPDATE groups SET properties = $4 WHERE project_id = $1 AND type_index = $2 AND key = $3")
            .bind(project)
            .bind(index)
            .bind(group)
            .bind(Json(&properties))
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            r"
            INSERT INTO group_property_edits
                (project_id, type_index, group_key, key, old_value, new_value, edited_by, edited_at)
            SELECT $1, $2, $3, key, old_value, new_value, $7, $8
            FROM UNNEST($4::text[], $5::jsonb[], $6::jsonb[]) AS edit (key, old_value, new_value)
            ",
        )
        .bind(project)
        .bind(index)
        .bind(group)
        .bind(keys)
        .bind(old)
        .bind(new)
        .bind(by)
        .bind(PgTime(at))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(EditOutcome::Done)
    }

    /// Of each property of a group whose value was set by hand, the last time that it was.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_last_group_edits(
        &self,
        project: ProjectId,
        index: i16,
        group: &str,
    ) -> Result<Vec<PropertyEdit>, PgError> {
        let rows: Vec<(String, Option<String>, PgTime)> = sqlx::query_as(
            r"
            SELECT DISTINCT ON (edit.key) edit.key, users.name, edit.edited_at
            FROM group_property_edits AS edit
            JOIN groups ON groups.project_id = $1 AND groups.type_index = $2 AND groups.key = $3
            LEFT JOIN users ON users.id = edit.edited_by
            WHERE edit.project_id = $1 AND edit.type_index = $2 AND edit.group_key = $3
              AND edit.new_value = groups.properties -> edit.key
            ORDER BY edit.key, edit.id DESC
            ",
        )
        .bind(project)
        .bind(index)
        .bind(group)
        .fetch_all(&self.pool)
        .await?;
        let edit = |(key, edited_by, at): (_, _, PgTime)| PropertyEdit { key, edited_by, edited_at: at.0 };
        Ok(rows.into_iter().map(edit).collect())
    }
}
