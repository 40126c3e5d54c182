//! Reading people: the list, one person, who is behind a distinct id.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
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

/// A place in the list of people, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonCursor {
    pub created_at: Timestamp,
    pub id: PersonId,
}

/// Which page of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PersonPage {
    #[default]
    Newest,
    /// The people that follow this place downwards.
    OlderThan(PersonCursor),
    /// The people just above this place.
    NewerThan(PersonCursor),
}

/// A page of people, newest first.
#[derive(Debug, Clone, Default)]
pub struct PersonSlice {
    pub people: Vec<PersonRow>,
    /// Whether more follow in the direction that was read.
    pub has_more: bool,
}

/// Among how many of the newest people a search looks inside names and addresses, and not only at their beginning.
pub const SEARCHED_INSIDE: i64 = 10_000;

/// How many people a search finds by each of its ways.
const MOST_HITS: i64 = 1_000;

#[derive(FromRow)]
struct PersonColumns {
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

impl Pg {
    /// One page of a project's people, newest first. A search finds an e-mail address, a name or a distinct id by its
    /// beginning, a person by UUID, and among the newest [`SEARCHED_INSIDE`] people any part of address or name.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_persons(
        &self,
        project: ProjectId,
        search: Option<&str>,
        page: PersonPage,
        limit: usize,
    ) -> Result<PersonSlice, PgError> {
        let (cursor, is_upwards) = match page {
            PersonPage::Newest => (None, false),
            PersonPage::OlderThan(cursor) => (Some(cursor), false),
            PersonPage::NewerThan(cursor) => (Some(cursor), true),
        };
        let sql = match search {
            None => include_str!("persons_list.sql"),
            Some(_) => include_str!("persons_search.sql"),
        };
        let rows = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut query = sqlx::query_as::<_, PersonColumns>(sql)
            .bind(project)
            .bind(cursor.map(|cursor| PgTime(cursor.created_at)))
            .bind(cursor.map(|cursor| cursor.id.as_row()))
            .bind(rows)
            .bind(is_upwards);
        if let Some(search) = search {
            let literal = like_literal(&search.to_lowercase());
            query = query
                .bind(format!("{literal}%"))
                .bind(format!("{}%", like_literal(search)))
                .bind(format!("%{literal}%"))
                .bind(search.parse::<Uuid>().ok())
                .bind(MOST_HITS)
                .bind(SEARCHED_INSIDE);
        }
        let mut people: Vec<PersonRow> = query.fetch_all(&self.pool).await?.into_iter().map(PersonRow::from).collect();
        // The one too many is the furthest from the place.
        let has_more = people.len() > limit;
        let is_far_end_first = is_upwards && has_more;
        people.drain(..usize::from(is_far_end_first));
        people.truncate(limit);
        Ok(PersonSlice { people, has_more })
    }

    /// A person by UUID.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_person_by_uuid(&self, project: ProjectId, uuid: Uuid) -> Result<Option<PersonRow>, PgError> {
        sqlx::query_as::<_, PersonColumns>(
            r"
                SELECT p.id, p.uuid, p.properties, p.is_identified, p.created_at, p.last_seen_at,
                       d.distinct_ids, d.distinct_id_count
                FROM persons p
                CROSS JOIN LATERAL (
                    SELECT coalesce((array_agg(distinct_id ORDER BY length(distinct_id), distinct_id))[1:100], '{}')
                               AS distinct_ids,
                           count(*) AS distinct_id_count
                    FROM person_distinct_ids
                    WHERE person_id = p.id
                ) d
                WHERE p.project_id = $1 AND p.uuid = $2
            ",
        )
        .bind(project)
        .bind(uuid)
        .fetch_optional(&self.pool)
        .await
        .map(|row| row.map(PersonRow::from))
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

    /// Every number under which a person's events may stand: their own, those that were merged into them, and those of
    /// their distinct ids before they had a profile.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_person_event_ids(&self, project: ProjectId, person: PersonId) -> Result<Vec<PersonId>, PgError> {
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
        .fetch_all(&self.pool)
        .await?;
        let distinct_ids: Vec<String> =
            sqlx::query_scalar("SELECT distinct_id FROM person_distinct_ids WHERE project_id = $1 AND person_id = $2")
                .bind(project)
                .bind(person.as_row())
                .fetch_all(&self.pool)
                .await?;
        let hashed = distinct_ids.iter().map(|id| PersonId::without_profile(project, id));
        let mut all: Vec<PersonId> = merged.into_iter().map(PersonId::from_row).chain(hashed).collect();
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

/// Text that LIKE matches as it stands.
fn like_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_is_no_pattern() {
        assert_eq!(like_literal(r"50%_off\"), r"50\%\_off\\");
    }
}
