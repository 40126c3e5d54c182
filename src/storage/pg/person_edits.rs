//! Changes of a person's properties by hand, and who made them.

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::types::Json;

use super::persons::LOCK;
use super::{Pg, PgError, PgTime};
use crate::model::{PersonId, ProjectId, UserId};

/// The last change of a property by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyEdit {
    pub key: String,
    /// The name of who made it; nobody if they have no account any more.
    pub edited_by: Option<String>,
    pub edited_at: Timestamp,
}

/// What became of a change by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditOutcome {
    Done,
    /// There is no such person, or no such group.
    NotFound,
    /// There would be more properties than are kept.
    TooMany,
}

/// What changed: keys, and the values that they had and have.
pub(super) struct Applied {
    pub keys: Vec<String>,
    pub old: Vec<Option<Json<Value>>>,
    pub new: Vec<Option<Json<Value>>>,
}

/// Sets (`Some`) and deletes (`None`) properties; what is so already is no change. None if there would be too many.
pub(super) fn apply(
    properties: &mut Map<String, Value>,
    changes: &[(String, Option<Value>)],
    most_keys: usize,
) -> Option<Applied> {
    let before = properties.len();
    let mut applied = Applied { keys: Vec::new(), old: Vec::new(), new: Vec::new() };
    for (key, value) in changes {
        if properties.get(key) == value.as_ref() {
            continue;
        }
        applied.keys.push(key.clone());
        applied.new.push(value.clone().map(Json));
        applied.old.push(match value {
            Some(value) => properties.insert(key.clone(), value.clone()).map(Json),
            None => properties.shift_remove(key).map(Json),
        });
    }
    (properties.len() <= most_keys.max(before)).then_some(applied)
}

impl Pg {
    /// Sets properties of a person (`Some`) and deletes others (`None`), all or none, and notes who did it. What is so
    /// already is no change. It waits for the batch of events that is being resolved for the project, so that neither
    /// overwrites the other.
    ///
    /// # Errors
    /// If Postgres does not answer; nothing is changed then.
    pub async fn edit_person_properties(
        &self,
        project: ProjectId,
        person: PersonId,
        changes: &[(String, Option<Value>)],
        most_keys: usize,
        by: UserId,
        at: Timestamp,
    ) -> Result<EditOutcome, PgError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1, $2)").bind(LOCK).bind(project.get()).execute(&mut *tx).await?;
        let found: Option<Json<Map<String, Value>>> =
            sqlx::query_scalar("SELECT properties FROM persons WHERE project_id = $1 AND id = $2 FOR UPDATE")
                .bind(project)
                .bind(person.as_row())
                .fetch_optional(&mut *tx)
                .await?;
        let Some(Json(mut properties)) = found else { return Ok(EditOutcome::NotFound) };
        let Some(Applied { keys, old, new }) = apply(&mut properties, changes, most_keys) else {
            return Ok(EditOutcome::TooMany);
        };
        if keys.is_empty() {
            return Ok(EditOutcome::Done);
        }
        sqlx::query("UPDATE persons SET properties = $2, version = version + 1 WHERE id = $1")
            .bind(person.as_row())
            .bind(Json(&properties))
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            r"
            INSERT INTO person_property_edits (project_id, person_id, key, old_value, new_value, edited_by, edited_at)
            SELECT $1, $2, key, old_value, new_value, $6, $7
            FROM UNNEST($3::text[], $4::jsonb[], $5::jsonb[]) AS edit (key, old_value, new_value)
            ",
        )
        .bind(project)
        .bind(person.as_row())
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

    /// Of each property whose value was set by hand, the last time that it was: on the person, or else on somebody who
    /// became part of them.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_last_property_edits(
        &self,
        project: ProjectId,
        person: PersonId,
    ) -> Result<Vec<PropertyEdit>, PgError> {
        let rows: Vec<(String, Option<String>, PgTime)> = sqlx::query_as(
            r"
            SELECT DISTINCT ON (edit.key) edit.key, users.name, edit.edited_at
            FROM persons
            JOIN person_property_edits AS edit ON edit.new_value = persons.properties -> edit.key
            LEFT JOIN users ON users.id = edit.edited_by
            WHERE persons.project_id = $1 AND persons.id = $2 AND edit.project_id = $1
              AND edit.person_id = ANY (
                  ARRAY(SELECT from_id FROM person_overrides WHERE project_id = $1 AND into_id = $2) || $2
              )
            ORDER BY edit.key, edit.person_id = $2 DESC, edit.id DESC
            ",
        )
        .bind(project)
        .bind(person.as_row())
        .fetch_all(&self.pool)
        .await?;
        let edit = |(key, edited_by, at): (_, _, PgTime)| PropertyEdit { key, edited_by, edited_at: at.0 };
        Ok(rows.into_iter().map(edit).collect())
    }
}
