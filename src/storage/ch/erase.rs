//! Rows of erased people: found, counted, and deleted in two steps. A lightweight delete takes them out of every query at
//! once; applying its mask writes the parts anew without them, and ClickHouse removes the old ones after their lifetime.
//!
//! A mutation's text stays on disk for a while. So nobody is named in it: people by their numbers, ids by a hash.

use std::fmt::Write as _;
use std::hash::Hasher;
use std::time::Duration;

use jiff::Timestamp;

use super::{ChError, ClickHouse, Sql};
use crate::model::ProjectId;

/// A mutation may wait for merges; then the next try finds how far it came.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(900);

/// The tables that hold rows of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasedTable {
    Events,
    Sessions,
    Overrides,
    /// The mirror of people as they are now.
    Persons,
    /// The mirror of whose each distinct id is.
    DistinctIds,
    /// Who was put into static cohorts.
    CohortMembers,
}

impl ErasedTable {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Events, Self::Sessions, Self::Overrides, Self::Persons, Self::DistinctIds, Self::CohortMembers];
    /// Those that hold a profile, and nothing of what was done.
    pub const OF_PROFILE: [Self; 3] = [Self::Persons, Self::DistinctIds, Self::CohortMembers];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Sessions => "sessions",
            Self::Overrides => "person_overrides",
            Self::Persons => "persons",
            Self::DistinctIds => "person_distinct_ids",
            Self::CohortMembers => "cohort_members",
        }
    }
}

/// Whose rows.
#[derive(Debug, Clone, Copy)]
pub struct ErasedRows<'a> {
    pub project: ProjectId,
    /// Numbers on event rows.
    pub numbers: &'a [u64],
    /// Distinct ids by [`text_hash`].
    pub distinct_ids: &'a [u64],
    /// Sessions by [`text_hash`].
    pub sessions: &'a [u64],
    /// What happened or came in up to here. What an id does when it comes back is not touched.
    pub until: Timestamp,
}

/// ClickHouse's `sipHash64` of a text.
#[must_use]
#[expect(deprecated, reason = "the standard library's one SipHash 2-4: an algorithm for a store, not for a map")]
pub fn text_hash(text: &str) -> u64 {
    let mut hasher = std::hash::SipHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

impl ErasedRows<'_> {
    fn condition(&self, table: ErasedTable) -> String {
        let Self { project, .. } = self;
        let until = format!("fromUnixTimestamp64Micro({}, 'UTC')", self.until.as_microsecond());
        let numbers = list(self.numbers);
        match table {
            ErasedTable::Events => format!(
                "project_id = {project} AND (person_id IN {numbers} OR sipHash64(distinct_id) IN {}) \
                 AND (received_at <= {until} OR timestamp <= {until})",
                list(self.distinct_ids)
            ),
            ErasedTable::Sessions => format!(
                "project_id = {project} AND (sipHash64(session_id) IN {} OR last_person_id IN {numbers} \
                 OR sipHash64(first_distinct_id) IN {}) AND first_at <= {until}",
                list(self.sessions),
                list(self.distinct_ids)
            ),
            // All that leads to somebody leads to one of their numbers.
            ErasedTable::Overrides => format!("project_id = {project} AND into_id IN {numbers}"),
            ErasedTable::Persons => format!("project_id = {project} AND number IN {numbers}"),
            ErasedTable::CohortMembers => format!("project_id = {project} AND person IN {numbers}"),
            // An id that has come back is another person's; that it was nobody's in between says its name all the same.
            ErasedTable::DistinctIds => format!(
                "project_id = {project} AND sipHash64(distinct_id) IN {} AND (person IN {numbers} OR is_deleted)",
                list(self.distinct_ids)
            ),
        }
    }
}

/// Numbers as SQL; a list of none matches nothing.
fn list(numbers: &[u64]) -> String {
    let mut text = String::from("(");
    for (at, number) in numbers.iter().enumerate() {
        write!(text, "{}{number}", if at > 0 { "," } else { "" }).expect("a text takes text");
    }
    if numbers.is_empty() {
        return "(SELECT toUInt64(0) WHERE false)".to_owned();
    }
    text + ")"
}

impl ClickHouse {
    /// How many rows there are.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn count_erased_rows(&self, table: ErasedTable, rows: &ErasedRows<'_>) -> Result<u64, ChError> {
        let sql = format!("SELECT count() FROM {} WHERE {}", table.name(), rows.condition(table));
        self.reading(&sql).fetch_one().await
    }

    /// The sessions in which these people did something, by [`text_hash`].
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn list_sessions_to_erase(&self, rows: &ErasedRows<'_>) -> Result<Vec<u64>, ChError> {
        let sql = format!(
            "SELECT DISTINCT sipHash64(assumeNotNull(`$session_id`)) FROM events WHERE {} AND `$session_id` IS NOT NULL",
            rows.condition(ErasedTable::Events)
        );
        self.reading(&sql).fetch_all().await
    }

    /// Takes rows out of every query; returns when that is so.
    ///
    /// # Errors
    /// If ClickHouse does not answer; doing it again is harmless.
    pub async fn hide_rows(&self, table: ErasedTable, rows: &ErasedRows<'_>) -> Result<(), ChError> {
        self.change(&format!("DELETE FROM {} WHERE {}", table.name(), rows.condition(table))).await
    }

    /// Writes the parts that hold rows taken out anew without them; returns when that is done. The old parts stay for their
    /// lifetime (`old_parts_lifetime`, eight minutes unless configured).
    ///
    /// # Errors
    /// If ClickHouse does not answer; doing it again is harmless.
    pub async fn apply_deletes(&self, table: ErasedTable) -> Result<(), ChError> {
        let sql = "SELECT DISTINCT partition_id FROM system.parts WHERE database = currentDatabase() AND active \
                   AND has_lightweight_delete AND table = ";
        let mut sql = Sql::new(sql);
        sql.param("String", table.name());
        let partitions: Vec<String> = self.ask(&sql).fetch_all().await?;
        for partition in partitions.iter().filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric())) {
            let statement = format!("ALTER TABLE {} APPLY DELETED MASK IN PARTITION ID '{partition}'", table.name());
            self.change(&statement).await?;
        }
        Ok(())
    }

    /// The parts that were replaced and whose files are still there, as `table/part`.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn list_old_parts(&self) -> Result<Vec<String>, ChError> {
        let sql = "SELECT concat(table, '/', name) FROM system.parts WHERE database = currentDatabase() AND NOT active \
                   AND table IN ('events', 'sessions', 'person_overrides', 'persons', 'person_distinct_ids', 'cohort_members')";
        self.ask(&Sql::new(sql)).fetch_all().await
    }

    fn reading(&self, sql: &str) -> clickhouse::query::Query {
        self.client()
            .query_raw(sql)
            .with_setting("readonly", "2")
            .with_setting("max_execution_time", "300")
            .with_setting("max_query_size", "67108864")
    }

    pub(super) async fn change(&self, sql: &str) -> Result<(), ChError> {
        let change = self
            .client()
            .query_raw(sql)
            .with_setting("mutations_sync", "2")
            .with_setting("lightweight_deletes_sync", "2")
            .with_setting("max_query_size", "67108864")
            .execute();
        tokio::time::timeout(CLIENT_TIMEOUT, change).await.map_err(|_| ChError::TimedOut)?
    }
}
