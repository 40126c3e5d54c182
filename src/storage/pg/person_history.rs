//! What is kept of people beside their profiles: who became one with whom, the profiles of before, what was changed by hand,
//! and the values that a search for duplicates found.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{Pg, PgError};
use crate::model::{PersonId, ProjectId};

/// One kind of it, in a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    Merges,
    MergedProfiles,
    Edits,
    Duplicates,
}

/// Whose it is: numbers of people and of ids, and distinct ids.
#[derive(Debug, Clone, Copy)]
pub struct HistoryOf<'a> {
    pub numbers: &'a [PersonId],
    pub distinct_ids: &'a [String],
}

impl History {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Merges, Self::MergedProfiles, Self::Edits, Self::Duplicates];
    /// Those that hold something of a profile, and go with it.
    pub const OF_PROFILE: [Self; 3] = [Self::MergedProfiles, Self::Edits, Self::Duplicates];

    /// How receipts call it.
    #[must_use]
    pub fn store(self) -> &'static str {
        match self {
            Self::Merges => "postgres.merge_log",
            Self::MergedProfiles => "postgres.merged_profiles",
            Self::Edits => "postgres.edits",
            Self::Duplicates => "postgres.duplicates",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Merges => "person_merges",
            Self::MergedProfiles => "merged_persons",
            Self::Edits => "person_property_edits",
            Self::Duplicates => "duplicates",
        }
    }

    /// Whose a row is, by the project in `$1`, the numbers in `$2` and the distinct ids in `$3`.
    fn condition(self) -> String {
        let of_them = match self {
            Self::Merges => {
                "other_number = ANY($2) OR target_number = ANY($2) OR other_distinct_id = ANY($3) OR target_distinct_id = ANY($3)"
            }
            Self::MergedProfiles => "id = ANY($2)",
            Self::Edits => "person_id = ANY($2)",
            Self::Duplicates => "person_ids && $2",
        };
        format!("project_id = $1 AND ({of_them}) AND cardinality($2::bigint[]) + cardinality($3::text[]) > 0")
    }

    /// A row for whom it is about; who of the staff did it is not told.
    fn exported(self) -> &'static str {
        match self {
            Self::Merges => {
                "jsonb_build_object('id', id, 'merged_at', happened_at, 'distinct_id', other_distinct_id,
                     'target_distinct_id', target_distinct_id, 'by_hand', event_name IS NULL, 'event', event_name,
                     'event_uuid', event_uuid, 'undone_at', undone_at)"
            }
            Self::MergedProfiles => "to_jsonb(h) - 'project_id' - 'is_identified'",
            Self::Edits => "to_jsonb(h) - 'project_id' - 'edited_by'",
            Self::Duplicates => "to_jsonb(h) - 'project_id' - 'person_ids'",
        }
    }
}

impl HistoryOf<'_> {
    fn rows(&self) -> Vec<i64> {
        self.numbers.iter().map(|number| number.as_row()).collect()
    }
}

impl Pg {
    /// How many rows there are of somebody.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn count_history(&self, project: ProjectId, what: History, of: HistoryOf<'_>) -> Result<u64, PgError> {
        let sql = format!("SELECT count(*) FROM {} AS h WHERE {}", what.table(), what.condition());
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(project)
            .bind(of.rows())
            .bind(of.distinct_ids)
            .fetch_one(&self.pool)
            .await?;
        Ok(count.unsigned_abs())
    }

    /// What there is of somebody, as JSON objects, the oldest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_history(
        &self,
        project: ProjectId,
        what: History,
        of: HistoryOf<'_>,
    ) -> Result<Vec<Value>, PgError> {
        let order = if what == History::Duplicates { "value" } else { "id" };
        let (exported, table, condition) = (what.exported(), what.table(), what.condition());
        let sql = format!("SELECT {exported} FROM {table} AS h WHERE {condition} ORDER BY {order}");
        sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(project)
            .bind(of.rows())
            .bind(of.distinct_ids)
            .fetch_all(&self.pool)
            .await
    }
}

/// Deletes what there is of somebody; gives how many rows it was.
pub(super) async fn delete(
    tx: &mut PgConnection,
    project: ProjectId,
    what: History,
    of: HistoryOf<'_>,
) -> Result<u64, PgError> {
    let sql = format!("DELETE FROM {} WHERE {}", what.table(), what.condition());
    let deleted = sqlx::query(AssertSqlSafe(sql)).bind(project).bind(of.rows()).bind(of.distinct_ids);
    Ok(deleted.execute(tx).await?.rows_affected())
}
