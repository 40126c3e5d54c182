//! The merge log as pages and the API show it: every time two ids became one person, those that were undone too.

use jiff::Timestamp;
use sqlx::FromRow;
use uuid::Uuid;

use super::{Pg, PgError, PgTime};
use crate::model::{PersonId, ProjectId};

/// A line of the merge log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeLine {
    pub id: i64,
    pub at: Timestamp,
    pub event_name: Option<String>,
    pub event_uuid: Option<Uuid>,
    /// Who merged by hand; also none if their account is gone.
    pub user_name: Option<String>,
    pub other_distinct_id: String,
    pub target_distinct_id: String,
    /// Two persons with profiles became one, not only an id was given to a person.
    pub joined_profiles: bool,
    pub undone_at: Option<Timestamp>,
    pub undone_by: Option<String>,
}

/// Which page of a person's merges, by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergePage {
    Newest,
    OlderThan(i64),
    /// Those just above this one.
    NewerThan(i64),
}

#[derive(FromRow)]
struct LineRow {
    id: i64,
    happened_at: PgTime,
    event_name: Option<String>,
    event_uuid: Option<Uuid>,
    user_name: Option<String>,
    other_distinct_id: String,
    target_distinct_id: String,
    other_person: Option<i64>,
    undone_at: Option<PgTime>,
    undone_by: Option<String>,
}

impl Pg {
    /// A page of the merges that a person had a part in, those that were undone too, newest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_merges(
        &self,
        project: ProjectId,
        person: PersonId,
        page: MergePage,
        limit: usize,
    ) -> Result<Vec<MergeLine>, PgError> {
        let (before, after) = match page {
            MergePage::Newest => (i64::MAX, i64::MIN),
            MergePage::OlderThan(id) => (id, i64::MIN),
            MergePage::NewerThan(id) => (i64::MAX, id),
        };
        let is_upwards = matches!(page, MergePage::NewerThan(_));
        let mut rows: Vec<LineRow> = sqlx::query_as(
            r"
            WITH numbers AS MATERIALIZED (
                SELECT from_id AS number FROM person_overrides WHERE project_id = $1 AND into_id = $2
                UNION SELECT $2
            ),
            merges AS (
                SELECT m.* FROM numbers JOIN person_merges m ON m.project_id = $1 AND m.other_number = numbers.number
                UNION
                SELECT m.* FROM numbers JOIN person_merges m ON m.project_id = $1 AND m.target_number = numbers.number
            )
            SELECT m.id, m.happened_at, m.event_name, m.event_uuid, u.name AS user_name, m.other_distinct_id,
                   m.target_distinct_id, m.other_person, m.undone_at, b.name AS undone_by
            FROM merges m
            LEFT JOIN users u ON u.id = m.user_id
            LEFT JOIN users b ON b.id = m.undone_by
            WHERE m.id < $3 AND m.id > $4
            ORDER BY CASE WHEN $5 THEN m.id ELSE -m.id END
            LIMIT $6
            ",
        )
        .bind(project)
        .bind(person.as_row())
        .bind(before)
        .bind(after)
        .bind(is_upwards)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        if is_upwards {
            rows.reverse();
        }
        Ok(rows.into_iter().map(MergeLine::from).collect())
    }

    /// One line of the merge log.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_merge_line(&self, project: ProjectId, merge: i64) -> Result<Option<MergeLine>, PgError> {
        let row: Option<LineRow> = sqlx::query_as(
            r"
            SELECT m.id, m.happened_at, m.event_name, m.event_uuid, u.name AS user_name, m.other_distinct_id,
                   m.target_distinct_id, m.other_person, m.undone_at, b.name AS undone_by
            FROM person_merges m
            LEFT JOIN users u ON u.id = m.user_id
            LEFT JOIN users b ON b.id = m.undone_by
            WHERE m.project_id = $1 AND m.id = $2
            ",
        )
        .bind(project)
        .bind(merge)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(MergeLine::from))
    }
}

impl From<LineRow> for MergeLine {
    fn from(row: LineRow) -> Self {
        Self {
            id: row.id,
            at: row.happened_at.0,
            event_name: row.event_name,
            event_uuid: row.event_uuid,
            user_name: row.user_name,
            other_distinct_id: row.other_distinct_id,
            target_distinct_id: row.target_distinct_id,
            joined_profiles: row.other_person.is_some(),
            undone_at: row.undone_at.map(|at| at.0),
            undone_by: row.undone_by,
        }
    }
}
