//! Reading people: one person, who is behind a distinct id; `persons_list.rs` has the lists.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use super::{Pg, PgError, PgTime};
use crate::model::{PersonId, ProjectId};

/// A person with a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonRow {
    pub id: PersonId,
    pub uuid: Uuid,
    pub properties: Map<String, Value>,
    pub is_identified: bool,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// The first few of their distinct ids, shortest first: what a caller chose comes before what an SDK made up.
    pub distinct_ids: Vec<String>,
    pub distinct_id_count: i64,
}

/// What a line of another page says about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonLabel {
    pub uuid: Uuid,
    pub email: Option<String>,
    pub name: Option<String>,
}

/// A person as a statement gives it.
#[derive(Debug, FromRow)]
pub(super) struct PersonColumns {
    id: i64,
    uuid: Uuid,
    properties: Json<Map<String, Value>>,
    is_identified: bool,
    created_at: PgTime,
    last_seen_at: PgTime,
    distinct_ids: Vec<String>,
    distinct_id_count: i64,
}

impl From<PersonColumns> for PersonRow {
    fn from(row: PersonColumns) -> Self {
        let mut properties = row.properties.0;
        properties.sort_keys();
        Self {
            id: PersonId::from_row(row.id),
            uuid: row.uuid,
            properties,
            is_identified: row.is_identified,
            created_at: row.created_at.into(),
            last_seen_at: row.last_seen_at.into(),
            distinct_ids: row.distinct_ids,
            distinct_id_count: row.distinct_id_count,
        }
    }
}

/// A person with at most a hundred of their distinct ids; the project and which one follow.
const ONE_PERSON: &str = r"
    SELECT p.id, p.uuid, p.properties, p.is_identified, p.created_at, p.last_seen_at, d.distinct_ids, d.distinct_id_count
    FROM persons p
    CROSS JOIN LATERAL (
        SELECT coalesce((array_agg(distinct_id ORDER BY length(distinct_id), distinct_id))[1:100], '{}') AS distinct_ids,
               count(*) AS distinct_id_count
        FROM person_distinct_ids
        WHERE person_id = p.id
    ) d
    WHERE p.project_id = ";

impl Pg {
    /// A person by UUID.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_person_by_uuid(&self, project: ProjectId, uuid: Uuid) -> Result<Option<PersonRow>, PgError> {
        let mut sql = QueryBuilder::new(ONE_PERSON);
        sql.push_bind(project).push(" AND p.uuid = ").push_bind(uuid);
        let row: Option<PersonColumns> = sql.build_query_as().fetch_optional(&self.pool).await?;
        Ok(row.map(PersonRow::from))
    }

    /// The persons with these numbers, in no order; numbers of nobody are passed over.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_persons_by_id(&self, project: ProjectId, ids: &[PersonId]) -> Result<Vec<PersonRow>, PgError> {
        let ids: Vec<i64> = ids.iter().filter(|id| id.has_profile()).map(|id| id.as_row()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = QueryBuilder::new(ONE_PERSON);
        sql.push_bind(project).push(" AND p.id = ANY(").push_bind(ids).push(")");
        let rows: Vec<PersonColumns> = sql.build_query_as().fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(PersonRow::from).collect())
    }

    /// The person behind a distinct id, if it has a profile.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_person_uuid(&self, project: ProjectId, distinct_id: &str) -> Result<Option<Uuid>, PgError> {
        sqlx::query_scalar(
            r"
                SELECT p.uuid
                FROM person_distinct_ids d
                JOIN persons p ON p.id = d.person_id
                WHERE d.project_id = $1 AND d.distinct_id = $2
            ",
        )
        .bind(project)
        .bind(distinct_id)
        .fetch_optional(&self.pool)
        .await
    }

    /// By which distinct ids each of these persons is known, sorted.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_distinct_ids_of(
        &self,
        project: ProjectId,
        persons: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<String>>, PgError> {
        if persons.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<(Uuid, Vec<String>)> = sqlx::query_as(
            r"
                SELECT p.uuid, ARRAY_AGG(d.distinct_id ORDER BY d.distinct_id)
                FROM persons p
                JOIN person_distinct_ids d ON d.person_id = p.id
                WHERE p.project_id = $1 AND d.project_id = $1 AND p.uuid = ANY($2)
                GROUP BY p.uuid
            ",
        )
        .bind(project)
        .bind(persons)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// Every number under which these persons' events may stand, sorted: their own, those that were merged into them, and
    /// those of their distinct ids before they had a profile.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_event_numbers(&self, project: ProjectId, persons: &[PersonId]) -> Result<Vec<PersonId>, PgError> {
        if persons.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(Option<i64>, Option<String>)> = sqlx::query_as(
            r"
                WITH RECURSIVE mine (id) AS (
                    SELECT UNNEST($2::bigint[])
                    UNION
                    SELECT o.from_id
                    FROM person_overrides o
                    JOIN mine ON o.into_id = mine.id
                    WHERE o.project_id = $1
                )
                SELECT id, NULL FROM mine
                UNION ALL
                SELECT NULL, distinct_id FROM person_distinct_ids WHERE project_id = $1 AND person_id = ANY($2)
            ",
        )
        .bind(project)
        .bind(persons.iter().map(|person| person.as_row()).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        let number = |(id, distinct_id): (Option<i64>, Option<String>)| {
            id.map(PersonId::from_row).or_else(|| Some(PersonId::without_profile(project, &distinct_id?)))
        };
        let mut all: Vec<PersonId> = rows.into_iter().filter_map(number).collect();
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Who is behind these distinct ids now; those without a profile are left out.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_person_labels(
        &self,
        project: ProjectId,
        distinct_ids: &[String],
    ) -> Result<HashMap<String, PersonLabel>, PgError> {
        #[derive(FromRow)]
        struct Row {
            distinct_id: String,
            uuid: Uuid,
            email: Option<String>,
            name: Option<String>,
        }
        let rows: Vec<Row> = sqlx::query_as(
            r"
                SELECT d.distinct_id, p.uuid, p.properties ->> 'email' AS email, p.properties ->> 'name' AS name
                FROM person_distinct_ids d
                JOIN persons p ON p.id = d.person_id
                WHERE d.project_id = $1 AND d.distinct_id = ANY($2)
            ",
        )
        .bind(project)
        .bind(distinct_ids)
        .fetch_all(&self.pool)
        .await?;
        let label = |row: Row| (row.distinct_id, PersonLabel { uuid: row.uuid, email: row.email, name: row.name });
        Ok(rows.into_iter().map(label).collect())
    }

    /// Whether the project has any person with a profile.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn has_persons(&self, project: ProjectId) -> Result<bool, PgError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM persons WHERE project_id = $1)")
            .bind(project)
            .fetch_one(&self.pool)
            .await
    }
}
