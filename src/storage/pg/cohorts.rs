//! Cohorts: names for sets of people.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Pg, PgError, PgTime};
use crate::model::{CohortId, PersonId, ProjectId, UserId};

/// A cohort as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct CohortRow {
    pub id: CohortId,
    pub name: String,
    pub description: String,
    /// Whether people were put into it by hand; else they are whoever its filters fit.
    pub is_static: bool,
    /// In the JSON of the API; not checked here.
    pub filters: Value,
    pub query: Option<Value>,
    /// How many people it had when somebody last looked, and when that was.
    pub last_count: Option<i64>,
    pub last_counted_at: Option<Timestamp>,
    pub created_by: Option<UserId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A cohort to make, or what to change about one; what is absent stays, or is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CohortChanges {
    pub name: Option<String>,
    pub description: Option<String>,
    pub filters: Option<Value>,
    /// Of a cohort to make.
    pub query: Option<Value>,
}

/// By what people are named in a list of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeopleBy {
    /// Distinct ids, or uuids as the API shows them.
    Id,
    /// The property `email`, whatever the case of its letters.
    Email,
}

#[derive(FromRow)]
struct Columns {
    id: CohortId,
    name: String,
    description: String,
    is_static: bool,
    filters: Json<Value>,
    query: Option<Json<Value>>,
    last_count: Option<i64>,
    last_counted_at: Option<PgTime>,
    created_by: Option<UserId>,
    created_at: PgTime,
    updated_at: PgTime,
}

const COLUMNS: &str = "id, name, description, is_static, filters, query, last_count, last_counted_at, created_by, created_at, \
                       updated_at";

impl From<Columns> for CohortRow {
    fn from(row: Columns) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            is_static: row.is_static,
            filters: row.filters.0,
            query: row.query.map(|query| query.0),
            last_count: row.last_count,
            last_counted_at: row.last_counted_at.map(Timestamp::from),
            created_by: row.created_by,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

impl Pg {
    /// A part of the cohorts of a project whose names contain `search`, by name, and how many there are in all.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_cohorts(
        &self,
        project: ProjectId,
        search: &str,
        limit: i64,
        offset: i64,
    ) -> Result<(i64, Vec<CohortRow>), PgError> {
        let found = "FROM cohorts WHERE project_id = $1 AND deleted_at IS NULL AND strpos(lower(name), lower($2)) > 0";
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) {found}")))
            .bind(project)
            .bind(search)
            .fetch_one(&self.pool)
            .await?;
        let sql = format!("SELECT {COLUMNS} {found} ORDER BY lower(name), id LIMIT $3 OFFSET $4");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(project).bind(search).bind(limit).bind(offset);
        let rows: Vec<Columns> = query.fetch_all(&self.pool).await?;
        Ok((count, rows.into_iter().map(CohortRow::from).collect()))
    }

    /// One cohort.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_cohort(&self, project: ProjectId, id: CohortId) -> Result<Option<CohortRow>, PgError> {
        let sql = format!("SELECT {COLUMNS} FROM cohorts WHERE project_id = $1 AND id = $2 AND deleted_at IS NULL");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(project).bind(id);
        let row: Option<Columns> = query.fetch_optional(&self.pool).await?;
        Ok(row.map(CohortRow::from))
    }

    /// Makes a cohort; none if the project has `most` already.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn create_cohort(
        &self,
        project: ProjectId,
        new: &CohortChanges,
        is_static: bool,
        user: UserId,
        now: Timestamp,
        most: i64,
    ) -> Result<Option<CohortRow>, PgError> {
        let sql = format!(
            "INSERT INTO cohorts (project_id, name, description, is_static, filters, query, created_by, created_at, updated_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $8
             WHERE (SELECT count(*) FROM cohorts WHERE project_id = $1 AND deleted_at IS NULL) < $9
             RETURNING {COLUMNS}"
        );
        let row: Option<Columns> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(project)
            .bind(new.name.as_deref().unwrap_or_default())
            .bind(new.description.as_deref().unwrap_or_default())
            .bind(is_static)
            .bind(Json(new.filters.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()))))
            .bind(new.query.as_ref().map(Json))
            .bind(user)
            .bind(PgTime(now))
            .bind(most)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(CohortRow::from))
    }

    /// Changes a cohort; none if there is no such.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn update_cohort(
        &self,
        project: ProjectId,
        id: CohortId,
        changes: &CohortChanges,
        now: Timestamp,
    ) -> Result<Option<CohortRow>, PgError> {
        let sql = format!(
            "UPDATE cohorts
             SET name = coalesce($3, name), description = coalesce($4, description), filters = coalesce($5, filters),
                 updated_at = $6
             WHERE project_id = $1 AND id = $2 AND deleted_at IS NULL
             RETURNING {COLUMNS}"
        );
        let row: Option<Columns> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(project)
            .bind(id)
            .bind(changes.name.as_deref())
            .bind(changes.description.as_deref())
            .bind(changes.filters.as_ref().map(Json))
            .bind(PgTime(now))
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(CohortRow::from))
    }

    /// Notes how many people a cohort has.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn note_cohort_count(
        &self,
        project: ProjectId,
        id: CohortId,
        count: i64,
        now: Timestamp,
    ) -> Result<(), PgError> {
        let sql = "UPDATE cohorts SET last_count = $3, last_counted_at = $4 WHERE project_id = $1 AND id = $2";
        sqlx::query(sql).bind(project).bind(id).bind(count).bind(PgTime(now)).execute(&self.pool).await.map(drop)
    }

    /// Takes a cohort away. Whether there was such.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn delete_cohort(&self, project: ProjectId, id: CohortId, now: Timestamp) -> Result<bool, PgError> {
        let sql = "UPDATE cohorts SET deleted_at = $3 WHERE project_id = $1 AND id = $2 AND deleted_at IS NULL";
        let query = sqlx::query(sql).bind(project).bind(id).bind(PgTime(now));
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// The numbers of the people whom any of these names stands for; names of nobody are passed over.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_people_named(
        &self,
        project: ProjectId,
        names: &[String],
        by: PeopleBy,
    ) -> Result<Vec<PersonId>, PgError> {
        let found: Vec<i64> = match by {
            PeopleBy::Id => {
                let uuids: Vec<Uuid> = names.iter().filter_map(|name| name.parse().ok()).collect();
                let sql = r"
                    SELECT person_id FROM person_distinct_ids WHERE project_id = $1 AND distinct_id = ANY($2)
                    UNION SELECT id FROM persons WHERE project_id = $1 AND uuid = ANY($3)
                    UNION SELECT id FROM merged_persons WHERE project_id = $1 AND uuid = ANY($3)
                ";
                sqlx::query_scalar(sql).bind(project).bind(names).bind(uuids).fetch_all(&self.pool).await?
            }
            PeopleBy::Email => {
                let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
                let sql = "SELECT id FROM persons WHERE project_id = $1 AND lower(properties ->> 'email') = ANY($2)";
                sqlx::query_scalar(sql).bind(project).bind(lower).fetch_all(&self.pool).await?
            }
        };
        Ok(found.into_iter().map(PersonId::from_row).collect())
    }
}
