//! What ClickHouse's mirror of people lacks: changes noted by triggers, with what came of them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::{IdentityChanges, Pg, PgError, PgTime};
use crate::model::{PersonId, ProjectId};
use crate::storage::ch::{MirroredDistinctId, MirroredPerson, MirroredState};

/// Rows of changes looked at together: each of what one statement changed, up to 500 of people or distinct ids.
const MOST_NOTED: i64 = 100;

/// Changes, and how to say that they were mirrored.
#[derive(Debug, Clone, Default)]
pub struct PersonChanges {
    pub persons: Vec<MirroredPerson>,
    pub distinct_ids: Vec<MirroredDistinctId>,
    /// The rows in which they were noted.
    pub seqs: Vec<i64>,
    /// Whether there were more.
    pub is_cut: bool,
}

/// What a batch has just written of persons: their properties need not be read again to be mirrored, as long as nobody else
/// has written them since.
#[derive(Debug, Clone, Default)]
pub struct WrittenPersons(HashMap<PersonId, (i64, Arc<Map<String, Value>>)>);

impl WrittenPersons {
    /// Those that these changes write.
    #[must_use]
    pub fn of(changes: &IdentityChanges) -> Self {
        let created = changes.created.iter().map(|(_, person)| person);
        let written = created.chain(&changes.changed);
        Self(written.map(|person| (person.id, (person.version, Arc::clone(&person.properties)))).collect())
    }

    /// Each person with its version and properties.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PersonId, i64, &Arc<Map<String, Value>>)> {
        self.0.iter().map(|(id, (version, properties))| (*id, *version, properties))
    }
}

#[derive(FromRow)]
struct PersonChangeRow {
    version: i64,
    project_id: i32,
    person_id: i64,
    uuid: Option<Uuid>,
    properties: Option<Json<Map<String, Value>>>,
    is_identified: Option<bool>,
    created_at: Option<PgTime>,
}

impl Pg {
    /// The oldest changes that the mirror lacks, up to about `limit` of people or of distinct ids, each with what
    /// it is now. Properties that were `written` in the version that Postgres has are not read.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_person_changes(&self, limit: u32, written: &WrittenPersons) -> Result<PersonChanges, PgError> {
        let (seqs, is_cut) = self.oldest_changes(limit).await?;
        if seqs.is_empty() {
            return Ok(PersonChanges::default());
        }
        // Read after the changes that they stand for, and so never older.
        let (persons, distinct_ids) =
            tokio::try_join!(self.changed_persons(&seqs, written), self.changed_distinct_ids(&seqs))?;
        Ok(PersonChanges { persons, distinct_ids, seqs, is_cut })
    }

    /// The oldest rows of changes, up to the one that reaches `limit` of people or of distinct ids; and whether there are more.
    async fn oldest_changes(&self, limit: u32) -> Result<(Vec<i64>, bool), PgError> {
        let sql = "SELECT seq, coalesce(cardinality(person_ids), 0), coalesce(cardinality(distinct_ids), 0)
                   FROM person_changes ORDER BY seq LIMIT $1";
        let noted: Vec<(i64, i32, i32)> = sqlx::query_as(sql).bind(MOST_NOTED).fetch_all(&self.pool).await?;
        let is_full = noted.len() as i64 == MOST_NOTED;
        let (mut persons, mut distinct_ids) = (0, 0);
        let mut seqs = Vec::with_capacity(noted.len());
        for (seq, of_persons, of_distinct_ids) in noted {
            if persons.max(distinct_ids) >= limit {
                return Ok((seqs, true));
            }
            persons += of_persons.unsigned_abs();
            distinct_ids += of_distinct_ids.unsigned_abs();
            seqs.push(seq);
        }
        Ok((seqs, is_full))
    }

    async fn changed_persons(&self, seqs: &[i64], written: &WrittenPersons) -> Result<Vec<MirroredPerson>, PgError> {
        let rows: Vec<PersonChangeRow> = sqlx::query_as(
            r"
            SELECT change.version, change.project_id, change.person_id, p.uuid, p.is_identified, p.created_at,
                   CASE WHEN written.version IS DISTINCT FROM p.version THEN p.properties END AS properties
            FROM (
                SELECT max(seq) AS version, project_id, person_id
                FROM person_changes, UNNEST(person_ids) AS changed (person_id)
                WHERE seq = ANY($1)
                GROUP BY project_id, person_id
            ) AS change
            LEFT JOIN persons AS p ON p.project_id = change.project_id AND p.id = change.person_id
            LEFT JOIN UNNEST($2::bigint[], $3::bigint[]) AS written (id, version) ON written.id = change.person_id
            ",
        )
        .bind(seqs)
        .bind(written.0.keys().map(|id| id.as_row()).collect::<Vec<_>>())
        .bind(written.0.values().map(|(version, _)| *version).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        let person = |row: PersonChangeRow| {
            let id = PersonId::from_row(row.person_id);
            let properties = match row.properties {
                Some(properties) => Some(Arc::new(properties.0)),
                None => written.0.get(&id).map(|(_, properties)| Arc::clone(properties)),
            };
            let state = match (row.uuid, properties, row.is_identified, row.created_at) {
                (Some(uuid), Some(properties), Some(is_identified), Some(created_at)) => {
                    Some(MirroredState { uuid, properties, is_identified, created_at: created_at.0 })
                }
                _ => None,
            };
            let (project_id, version) = (ProjectId::new(row.project_id), row.version.cast_unsigned());
            MirroredPerson { project_id, id, state, version }
        };
        Ok(rows.into_iter().map(person).collect())
    }

    async fn changed_distinct_ids(&self, seqs: &[i64]) -> Result<Vec<MirroredDistinctId>, PgError> {
        let rows: Vec<(i64, i32, String, Option<i64>)> = sqlx::query_as(
            r"
            SELECT change.version, change.project_id, change.distinct_id, d.person_id
            FROM (
                SELECT max(seq) AS version, project_id, distinct_id
                FROM person_changes, UNNEST(distinct_ids) AS changed (distinct_id)
                WHERE seq = ANY($1)
                GROUP BY project_id, distinct_id
            ) AS change
            LEFT JOIN person_distinct_ids AS d
              ON d.project_id = change.project_id AND d.distinct_id = change.distinct_id
            ",
        )
        .bind(seqs)
        .fetch_all(&self.pool)
        .await?;
        let distinct_id = |(version, project_id, distinct_id, person): (i64, i32, String, Option<i64>)| {
            let (project_id, version) = (ProjectId::new(project_id), version.cast_unsigned());
            MirroredDistinctId { project_id, distinct_id, person: person.map(PersonId::from_row), version }
        };
        Ok(rows.into_iter().map(distinct_id).collect())
    }

    /// Notes that the mirror has these.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn mark_person_changes_mirrored(&self, changes: &PersonChanges) -> Result<(), PgError> {
        let sql = "DELETE FROM person_changes WHERE seq = ANY($1)";
        sqlx::query(sql).bind(&changes.seqs).execute(&self.pool).await.map(drop)
    }
}
