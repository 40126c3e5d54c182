//! Who is to be erased: a person with all ids and numbers, or a distinct id without a profile.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Pg, PgError};
use crate::model::{PersonId, ProjectId};

/// How somebody is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectName {
    Uuid(Uuid),
    DistinctId(String),
}

/// Everything that stands for one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureSubject {
    /// None for a distinct id without a profile.
    pub person: Option<PersonId>,
    pub distinct_ids: Vec<String>,
    /// Every number that events of theirs may carry, those of merged people and of ids before they had a profile too.
    pub numbers: Vec<PersonId>,
}

impl Pg {
    /// Finds somebody with all that stands for them. A distinct id of nobody stands for itself; a UUID of nobody for nobody.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_erasure_subject(
        &self,
        project: ProjectId,
        name: &SubjectName,
    ) -> Result<Option<ErasureSubject>, PgError> {
        find(&mut *self.pool.acquire().await?, project, name).await
    }

    /// The UUIDs of the people with one of these e-mail addresses, whatever its case.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_persons_by_email(&self, project: ProjectId, emails: &[String]) -> Result<Vec<Uuid>, PgError> {
        let emails: Vec<String> = emails.iter().map(|email| email.to_lowercase()).collect();
        let sql = "SELECT uuid FROM persons WHERE project_id = $1 AND lower(properties ->> 'email') = ANY($2)";
        sqlx::query_scalar(sql).bind(project).bind(emails).fetch_all(&self.pool).await
    }

    /// Every distinct id of a person.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_all_distinct_ids(&self, project: ProjectId, person: PersonId) -> Result<Vec<String>, PgError> {
        distinct_ids(&mut *self.pool.acquire().await?, project, person).await
    }

    /// How many samples of events that were not stored are about somebody with one of these ids.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn count_unstored_of(&self, project: ProjectId, distinct_ids: &[String]) -> Result<i64, PgError> {
        let sql = format!("SELECT count(*) FROM unstored_events WHERE {UNSTORED_OF}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(project)
            .bind(distinct_ids)
            .bind(quoted(distinct_ids))
            .fetch_one(&self.pool)
            .await
    }

    /// Those samples, as JSON objects.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_unstored_of(
        &self,
        project: ProjectId,
        distinct_ids: &[String],
    ) -> Result<Vec<serde_json::Value>, PgError> {
        let sql = format!(
            "SELECT to_jsonb(unstored_events) - 'id' - 'project_id' FROM unstored_events WHERE {UNSTORED_OF} ORDER BY id"
        );
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(project)
            .bind(distinct_ids)
            .bind(quoted(distinct_ids))
            .fetch_all(&self.pool)
            .await
    }
}

/// Of whom a sample is, by its id or, where the door found none, by the id as its text quotes it. Takes the project, the
/// ids, and the ids in quotes.
pub(super) const UNSTORED_OF: &str = r"project_id = $1 AND (distinct_id = ANY($2)
    OR EXISTS (SELECT FROM UNNEST($3::text[]) AS quoted (id) WHERE strpos(sample, quoted.id) > 0))";

/// Ids as JSON writes them.
pub(super) fn quoted(distinct_ids: &[String]) -> Vec<String> {
    distinct_ids.iter().map(|id| serde_json::Value::from(id.as_str()).to_string()).collect()
}

async fn distinct_ids(
    connection: &mut PgConnection,
    project: ProjectId,
    person: PersonId,
) -> Result<Vec<String>, PgError> {
    sqlx::query_scalar("SELECT distinct_id FROM person_distinct_ids WHERE project_id = $1 AND person_id = $2")
        .bind(project)
        .bind(person.as_row())
        .fetch_all(connection)
        .await
}

pub(super) async fn find(
    connection: &mut PgConnection,
    project: ProjectId,
    name: &SubjectName,
) -> Result<Option<ErasureSubject>, PgError> {
    let person: Option<i64> = match name {
        SubjectName::Uuid(uuid) => {
            sqlx::query_scalar("SELECT id FROM persons WHERE project_id = $1 AND uuid = $2")
                .bind(project)
                .bind(uuid)
                .fetch_optional(&mut *connection)
                .await?
        }
        SubjectName::DistinctId(id) => {
            sqlx::query_scalar("SELECT person_id FROM person_distinct_ids WHERE project_id = $1 AND distinct_id = $2")
                .bind(project)
                .bind(id)
                .fetch_optional(&mut *connection)
                .await?
        }
    };
    let (person, distinct_ids) = match (person.map(PersonId::from_row), name) {
        (Some(person), _) => (Some(person), distinct_ids(&mut *connection, project, person).await?),
        (None, SubjectName::DistinctId(id)) => (None, vec![id.clone()]),
        (None, SubjectName::Uuid(_)) => return Ok(None),
    };
    let mut numbers: Vec<PersonId> =
        distinct_ids.iter().map(|id| PersonId::without_profile(project, id)).chain(person).collect();
    if let Some(person) = person {
        let merged: Vec<i64> = sqlx::query_scalar(
            r"
            WITH RECURSIVE mine (id) AS (
                SELECT $2::bigint
                UNION
                SELECT o.from_id
                FROM person_overrides o
                JOIN mine ON o.into_id = mine.id
                WHERE o.project_id = $1
            )
            SELECT id FROM mine
            ",
        )
        .bind(project)
        .bind(person.as_row())
        .fetch_all(&mut *connection)
        .await?;
        numbers.extend(merged.into_iter().map(PersonId::from_row));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(Some(ErasureSubject { person, distinct_ids, numbers }))
}
