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

/// Changes, and how to say that they were mirrored.
#[derive(Debug, Clone, Default)]
pub struct PersonChanges {
    pub persons: Vec<MirroredPerson>,
    pub distinct_ids: Vec<MirroredDistinctId>,
    /// One for each change, also of the same person.
    pub seqs: Vec<i64>,
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
    seqs: Vec<i64>,
    project_id: i32,
    person_id: i64,
    uuid: Option<Uuid>,
    properties: Option<Json<Map<String, Value>>>,
    is_identified: Option<bool>,
    created_at: Option<PgTime>,
}

impl Pg {
    /// The oldest changes that the mirror lacks, each with what the person or distinct id is now. Properties that were
    /// `written` in the version that Postgres has are not read.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_person_changes(&self, limit: u32, written: &WrittenPersons) -> Result<PersonChanges, PgError> {
        // One statement sees one state: what is read is never older than the changes it stands for.
        let persons: Vec<PersonChangeRow> = sqlx::query_as(
            r"
            SELECT change.seqs, change.project_id, change.person_id, p.uuid, p.is_identified, p.created_at,
                   CASE WHEN written.version IS DISTINCT FROM p.version THEN p.properties END AS properties
            FROM (
                SELECT array_agg(seq) AS seqs, project_id, person_id
                FROM (SELECT * FROM person_changes WHERE person_id IS NOT NULL ORDER BY seq LIMIT $1) AS oldest
                GROUP BY project_id, person_id
            ) AS change
            LEFT JOIN persons AS p ON p.project_id = change.project_id AND p.id = change.person_id
            LEFT JOIN UNNEST($2::bigint[], $3::bigint[]) AS written (id, version) ON written.id = change.person_id
            ",
        )
        .bind(i64::from(limit))
        .bind(written.0.keys().map(|id| id.as_row()).collect::<Vec<_>>())
        .bind(written.0.values().map(|(version, _)| *version).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        type IdRow = (Vec<i64>, i32, String, Option<i64>);
        let ids: Vec<IdRow> = sqlx::query_as(
            r"
            SELECT change.seqs, change.project_id, change.distinct_id, d.person_id
            FROM (
                SELECT array_agg(seq) AS seqs, project_id, distinct_id
                FROM (SELECT * FROM person_changes WHERE distinct_id IS NOT NULL ORDER BY seq LIMIT $1) AS oldest
                GROUP BY project_id, distinct_id
            ) AS change
            LEFT JOIN person_distinct_ids AS d
              ON d.project_id = change.project_id AND d.distinct_id = change.distinct_id
            ",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let mut changes = PersonChanges::default();
        for row in persons {
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
            changes.persons.push(MirroredPerson {
                project_id: ProjectId::new(row.project_id),
                id,
                state,
                version: newest(&row.seqs),
            });
            changes.seqs.extend(row.seqs);
        }
        for (seqs, project_id, distinct_id, person) in ids {
            changes.distinct_ids.push(MirroredDistinctId {
                project_id: ProjectId::new(project_id),
                distinct_id,
                person: person.map(PersonId::from_row),
                version: newest(&seqs),
            });
            changes.seqs.extend(seqs);
        }
        Ok(changes)
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

fn newest(seqs: &[i64]) -> u64 {
    seqs.iter().max().map_or(0, |seq| seq.cast_unsigned())
}
