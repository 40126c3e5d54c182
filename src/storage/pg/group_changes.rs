//! What ClickHouse's mirror of groups lacks: changes noted by triggers, with what came of them.

use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;

use super::{Pg, PgError, PgTime};
use crate::model::ProjectId;
use crate::storage::ch::MirroredGroup;

/// Changes, and how to say that they were mirrored.
#[derive(Debug, Clone, Default)]
pub struct GroupChanges {
    pub groups: Vec<MirroredGroup>,
    /// One for each change, also of the same group.
    pub seqs: Vec<i64>,
}

#[derive(FromRow)]
struct Row {
    seqs: Vec<i64>,
    project_id: i32,
    type_index: i16,
    key: String,
    properties: Option<Json<Map<String, Value>>>,
    created_at: Option<PgTime>,
}

impl Pg {
    /// The oldest changes that the mirror lacks, each with what the group is now.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_group_changes(&self, limit: u32) -> Result<GroupChanges, PgError> {
        // One statement sees one state: what is read is never older than the changes it stands for.
        let rows: Vec<Row> = sqlx::query_as(
            r"
            SELECT change.seqs, change.project_id, change.type_index, change.key, g.properties, g.created_at
            FROM (
                SELECT array_agg(seq) AS seqs, project_id, type_index, key
                FROM (SELECT * FROM group_changes ORDER BY seq LIMIT $1) AS oldest
                GROUP BY project_id, type_index, key
            ) AS change
            LEFT JOIN groups AS g
              ON g.project_id = change.project_id AND g.type_index = change.type_index AND g.key = change.key
            ",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let mut changes = GroupChanges::default();
        for row in rows {
            changes.groups.push(MirroredGroup {
                project_id: ProjectId::new(row.project_id),
                type_index: row.type_index.try_into().unwrap_or_default(),
                key: row.key,
                state: row.properties.zip(row.created_at).map(|(properties, at)| (properties.0, at.into())),
                version: row.seqs.iter().max().map_or(0, |seq| seq.cast_unsigned()),
            });
            changes.seqs.extend(row.seqs);
        }
        Ok(changes)
    }

    /// Notes that the mirror has these.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn mark_group_changes_mirrored(&self, changes: &GroupChanges) -> Result<(), PgError> {
        let sql = "DELETE FROM group_changes WHERE seq = ANY($1)";
        sqlx::query(sql).bind(&changes.seqs).execute(&self.pool).await.map(drop)
    }
}
