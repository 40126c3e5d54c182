//! People who share a value of a property.
//!
//! Finding them takes a look at everybody of the project, bounded in time and done when asked for; what was found is kept,
//! and a page reads that by its index.

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Pg, PgError, PgTime};
use crate::model::{PersonId, ProjectId};

/// Most values that a search keeps: those shared by the most people.
pub const MAX_DUPLICATES: i64 = 10_000;
/// Of people who share a value, so many are kept by name: the oldest.
pub const MAX_SHARING: usize = 20;
/// How long a search may take.
const SEARCH_SECONDS: u32 = 30;

/// The last search of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateSearch {
    pub property: String,
    pub searched_at: Timestamp,
    /// More values were found than are kept.
    pub is_cut: bool,
    pub values: i64,
}

/// A value that several people have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// In lower case.
    pub value: String,
    /// How many had it when it was searched for.
    pub people: i64,
    pub person_ids: Vec<PersonId>,
}

/// A person as a line of a page that merges people.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeCandidate {
    pub id: PersonId,
    pub uuid: Uuid,
    pub properties: Map<String, Value>,
    pub is_identified: bool,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// The one whose events are stored under the person's own number, if there is one.
    pub distinct_id: String,
    pub distinct_id_count: i64,
}

#[derive(FromRow)]
struct CandidateRow {
    id: i64,
    uuid: Uuid,
    properties: Json<Map<String, Value>>,
    is_identified: bool,
    created_at: PgTime,
    last_seen_at: PgTime,
    distinct_id: String,
    distinct_id_count: i64,
}

const CANDIDATES: &str = "
    SELECT p.id, p.uuid, p.properties, p.is_identified, p.created_at, p.last_seen_at, d.distinct_id, d.distinct_id_count
    FROM persons p
    CROSS JOIN LATERAL (
        SELECT (array_agg(distinct_id ORDER BY coalesce(number, p.id) = p.id DESC, length(distinct_id), distinct_id))[1]
                   AS distinct_id,
               count(*) AS distinct_id_count
        FROM person_distinct_ids
        WHERE person_id = p.id
    ) d
    WHERE p.project_id = $1 AND d.distinct_id_count > 0";

impl Pg {
    /// Looks for people who share a text or number under this property, whatever its case, and keeps what it finds.
    ///
    /// # Errors
    /// If Postgres does not answer, or after 30 seconds ([`is_out_of_time`](super::is_out_of_time)).
    pub async fn search_duplicates(&self, project: ProjectId, property: &str, at: Timestamp) -> Result<(), PgError> {
        let mut tx = self.pool.begin().await?;
        let limit = format!("SET LOCAL statement_timeout = '{SEARCH_SECONDS}s'");
        sqlx::query(sqlx::AssertSqlSafe(limit)).execute(&mut *tx).await?;
        sqlx::query(
            r"
            INSERT INTO duplicate_searches (project_id, property, searched_at, is_cut)
            VALUES ($1, $2, $3, false)
            ON CONFLICT (project_id) DO UPDATE
            SET property = EXCLUDED.property, searched_at = EXCLUDED.searched_at, is_cut = false
            ",
        )
        .bind(project)
        .bind(property)
        .bind(PgTime(at))
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM duplicates WHERE project_id = $1").bind(project).execute(&mut *tx).await?;
        let found = sqlx::query(
            r"
            INSERT INTO duplicates (project_id, value, people, person_ids)
            SELECT $1, value, count(*), (array_agg(id ORDER BY created_at, id))[1:$4]
            FROM (
                SELECT lower(btrim(properties ->> $2)) AS value, id, created_at
                FROM persons
                WHERE project_id = $1 AND properties ? $2
                  AND jsonb_typeof(properties -> $2) IN ('string', 'number')
            ) p
            WHERE length(value) BETWEEN 1 AND 400
            GROUP BY value
            HAVING count(*) > 1
            ORDER BY count(*) DESC, value
            LIMIT $3
            ",
        )
        .bind(project)
        .bind(property)
        .bind(MAX_DUPLICATES)
        .bind(i32::try_from(MAX_SHARING).unwrap_or(i32::MAX))
        .execute(&mut *tx)
        .await?;
        if found.rows_affected() == MAX_DUPLICATES.cast_unsigned() {
            let sql = "UPDATE duplicate_searches SET is_cut = true WHERE project_id = $1";
            sqlx::query(sql).bind(project).execute(&mut *tx).await?;
        }
        tx.commit().await
    }

    /// The last search, if there was one.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_duplicate_search(&self, project: ProjectId) -> Result<Option<DuplicateSearch>, PgError> {
        let row: Option<(String, PgTime, bool, i64)> = sqlx::query_as(
            r"
            SELECT property, searched_at, is_cut, (SELECT count(*) FROM duplicates WHERE project_id = $1)
            FROM duplicate_searches
            WHERE project_id = $1
            ",
        )
        .bind(project)
        .fetch_optional(&self.pool)
        .await?;
        let search = |(property, at, is_cut, values): (String, PgTime, bool, i64)| DuplicateSearch {
            property,
            searched_at: at.0,
            is_cut,
            values,
        };
        Ok(row.map(search))
    }

    /// A page of what the last search found, the most shared values first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_duplicates(
        &self,
        project: ProjectId,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Duplicate>, PgError> {
        let rows: Vec<(String, i64, Vec<i64>)> = sqlx::query_as(
            "SELECT value, people, person_ids FROM duplicates WHERE project_id = $1
             ORDER BY people DESC, value OFFSET $2 LIMIT $3",
        )
        .bind(project)
        .bind(offset)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Duplicate::from).collect())
    }

    /// One of the values that the last search found.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_duplicate(&self, project: ProjectId, value: &str) -> Result<Option<Duplicate>, PgError> {
        let sql = "SELECT value, people, person_ids FROM duplicates WHERE project_id = $1 AND value = $2";
        let row: Option<(String, i64, Vec<i64>)> =
            sqlx::query_as(sql).bind(project).bind(value).fetch_optional(&self.pool).await?;
        Ok(row.map(Duplicate::from))
    }

    /// Those of these people who still are there, oldest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_merge_candidates(
        &self,
        project: ProjectId,
        ids: &[PersonId],
    ) -> Result<Vec<MergeCandidate>, PgError> {
        let sql = format!("{CANDIDATES} AND p.id = ANY($2) ORDER BY p.created_at, p.id");
        let ids: Vec<i64> = ids.iter().map(|id| id.as_row()).collect();
        let rows: Vec<CandidateRow> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(project).bind(ids).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(MergeCandidate::from).collect())
    }

    /// A person by UUID, distinct id or e-mail address, whatever its case. Several people may have one address: two of them
    /// then.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_merge_candidates(&self, project: ProjectId, by: &str) -> Result<Vec<MergeCandidate>, PgError> {
        let by_id: Vec<i64> = sqlx::query_scalar(
            "SELECT person_id FROM person_distinct_ids WHERE project_id = $1 AND distinct_id = $2
             UNION SELECT id FROM persons WHERE project_id = $1 AND uuid = $3",
        )
        .bind(project)
        .bind(by)
        .bind(by.parse::<Uuid>().ok())
        .fetch_all(&self.pool)
        .await?;
        let ids = if by_id.is_empty() {
            sqlx::query_scalar(
                "SELECT id FROM persons WHERE project_id = $1 AND lower(properties ->> 'email') = lower($2) LIMIT 2",
            )
            .bind(project)
            .bind(by)
            .fetch_all(&self.pool)
            .await?
        } else {
            by_id
        };
        let ids: Vec<PersonId> = ids.into_iter().map(PersonId::from_row).collect();
        self.list_merge_candidates(project, &ids).await
    }
}

impl From<(String, i64, Vec<i64>)> for Duplicate {
    fn from((value, people, ids): (String, i64, Vec<i64>)) -> Self {
        Self { value, people, person_ids: ids.into_iter().map(PersonId::from_row).collect() }
    }
}

impl From<CandidateRow> for MergeCandidate {
    fn from(row: CandidateRow) -> Self {
        Self {
            id: PersonId::from_row(row.id),
            uuid: row.uuid,
            properties: row.properties.0,
            is_identified: row.is_identified,
            created_at: row.created_at.0,
            last_seen_at: row.last_seen_at.0,
            distinct_id: row.distinct_id,
            distinct_id_count: row.distinct_id_count,
        }
    }
}
