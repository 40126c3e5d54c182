//! Rows of erased people: found, counted, and deleted in two steps. A lightweight delete takes them out of every query at
//! once; when it has marked them in their parts, applying its mask writes these anew without them, and ClickHouse removes the
//! old ones after their lifetime.
//!
//! A mutation's text stays on disk for a while. So nobody is named in it: people by their numbers, ids by a hash.

use std::fmt::Write as _;
use std::hash::Hasher;

use jiff::Timestamp;

use super::{ChError, ClickHouse, Sql};
use crate::model::ProjectId;

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

/// Whose rows: one person's.
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
        let project = format!("project_id = {}", self.project);
        let until = format!("fromUnixTimestamp64Micro({}, 'UTC')", self.until.as_microsecond());
        let ids = |column: &str| is_one_of(&format!("sipHash64({column})"), self.distinct_ids);
        let numbers = |column: &str| is_one_of(column, self.numbers);
        match table {
            ErasedTable::Events => format!(
                "{project} AND ({} OR {}) AND (received_at <= {until} OR timestamp <= {until})",
                numbers("person_id"),
                ids("distinct_id")
            ),
            ErasedTable::Sessions => format!(
                "{project} AND ({} OR {} OR {}) AND first_at <= {until}",
                is_one_of("sipHash64(session_id)", self.sessions),
                numbers("last_person_id"),
                ids("first_distinct_id")
            ),
            // All that leads to somebody leads to one of their numbers.
            ErasedTable::Overrides => format!("{project} AND {}", numbers("into_id")),
            ErasedTable::Persons => format!("{project} AND {}", numbers("number")),
            ErasedTable::CohortMembers => format!("{project} AND {}", numbers("person")),
            // An id that has come back is another person's; that it was nobody's in between says its name all the same.
            ErasedTable::DistinctIds => {
                format!("{project} AND {} AND ({} OR is_deleted)", ids("distinct_id"), numbers("person"))
            }
        }
    }
}

/// Whether a column is one of these numbers, as SQL.
fn is_one_of(column: &str, numbers: &[u64]) -> String {
    let Some((first, others)) = numbers.split_first() else { return "false".to_owned() };
    let mut text = format!("{column} IN ({first}");
    for number in others {
        write!(text, ",{number}").expect("a text takes text");
    }
    text + ")"
}

/// The place of whom [`each_of`] numbered so.
fn place_of<T>(whose: u64, places: &mut [T]) -> Option<&mut T> {
    places.get_mut(usize::try_from(whose.checked_sub(1)?).ok()?)
}

/// A row for each of several people that a row of the table is of: `chosen` of it, and whose it is in `whose`, counted from 1.
/// So many people cost one look at the table.
fn each_of(chosen: &str, table: ErasedTable, people: &[ErasedRows<'_>]) -> String {
    let mut sql = String::from("WITH ");
    let (mut any, mut whose) = (String::new(), String::new());
    for (at, rows) in (1..).zip(people) {
        let (comma, or) = if at > 1 { (", ", " OR ") } else { ("", "") };
        write!(sql, "{comma}({}) AS is_{at}", rows.condition(table)).expect("a text takes text");
        write!(any, "{or}is_{at}").expect("a text takes text");
        write!(whose, "{comma}if(is_{at}, toUInt64({at}), 0)").expect("a text takes text");
    }
    let whose = format!("arrayJoin(arrayFilter(at -> at > 0, [{whose}])) AS whose");
    write!(sql, " SELECT {whose}, {chosen} FROM {} WHERE ({any})", table.name()).expect("a text takes text");
    sql
}

impl ClickHouse {
    /// How many rows each of these people has.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn count_erased_rows(&self, table: ErasedTable, people: &[ErasedRows<'_>]) -> Result<Vec<u64>, ChError> {
        let mut counts = vec![0; people.len()];
        if people.is_empty() {
            return Ok(counts);
        }
        let sql = each_of("count()", table, people) + " GROUP BY whose";
        for (whose, count) in self.reading(&sql).fetch_all::<(u64, u64)>().await? {
            if let Some(of) = place_of(whose, &mut counts) {
                *of = count;
            }
        }
        Ok(counts)
    }

    /// The sessions in which each of these people did something, by [`text_hash`].
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn list_sessions_to_erase(&self, people: &[ErasedRows<'_>]) -> Result<Vec<Vec<u64>>, ChError> {
        let mut sessions = vec![Vec::new(); people.len()];
        if people.is_empty() {
            return Ok(sessions);
        }
        let chosen = "sipHash64(assumeNotNull(`$session_id`)) AS session";
        let sql =
            each_of(chosen, ErasedTable::Events, people) + " AND `$session_id` IS NOT NULL GROUP BY whose, session";
        for (whose, session) in self.reading(&sql).fetch_all::<(u64, u64)>().await? {
            if let Some(of) = place_of(whose, &mut sessions) {
                of.push(session);
            }
        }
        Ok(sessions)
    }

    /// Takes the rows of all these people out of every query with one statement; returns when that is so, though ClickHouse has
    /// yet to mark them in their parts.
    ///
    /// # Errors
    /// If ClickHouse does not answer; doing it again is harmless.
    pub async fn hide_rows(&self, table: ErasedTable, people: &[ErasedRows<'_>]) -> Result<(), ChError> {
        let conditions: Vec<String> = people.iter().map(|rows| format!("({})", rows.condition(table))).collect();
        if conditions.is_empty() {
            return Ok(());
        }
        self.mutate(&format!("DELETE FROM {} WHERE {}", table.name(), conditions.join(" OR "))).await
    }

    /// Has ClickHouse write the parts in which rows are marked anew without them. The old parts stay for their lifetime
    /// (`old_parts_lifetime`, eight minutes unless configured).
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
            self.mutate(&statement).await?;
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
}
