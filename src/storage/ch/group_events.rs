//! What happened in a group: who acted in it, and how much.

use jiff::Timestamp;
use serde::Deserialize;

use super::days::push_from;
use super::events_read::{micros, numbers};
use super::merges::merges_sql;
use super::person_events::GROUP_COLUMNS;
use super::{ChError, ClickHouse, Sql};
use crate::model::{PersonId, ProjectId};

/// What happened in a group since a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupActivity {
    pub event_count: u64,
    pub person_count: u64,
    /// Those who acted last, the last first.
    pub people: Vec<GroupPerson>,
}

/// Somebody who acted in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPerson {
    /// As they are now, after merges.
    pub person: PersonId,
    pub event_count: u64,
    pub last_at: Timestamp,
}

impl ClickHouse {
    /// Who acted in a group since a moment; at most `limit` of them are named.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn find_group_activity(
        &self,
        project: ProjectId,
        index: i16,
        key: &str,
        since: Timestamp,
        limit: usize,
    ) -> Result<GroupActivity, ChError> {
        #[derive(Deserialize)]
        struct Row {
            person: u64,
            event_count: u64,
            last_us: i64,
            person_count: u64,
            event_sum: u64,
        }
        let mut sql = Sql::new(
            "SELECT person, n AS event_count, last_us, count() OVER () AS person_count, sum(n) OVER () AS event_sum\n\
             FROM (\n  SELECT if(merge.from_id = 0, found.person_id, merge.into_id) AS person, sum(found.n) AS n,\n    \
             max(found.last_us) AS last_us\n  FROM (\n    \
             SELECT person_id, count() AS n, toUnixTimestamp64Micro(max(timestamp)) AS last_us\n    \
             FROM events\n    WHERE project_id = ",
        );
        push_of_group(sql.param("UInt32", project).push(" AND "), index, key);
        push_from(&mut sql, since);
        sql.push("\n    GROUP BY person_id\n  ) AS found\n  LEFT JOIN (").append(&merges_sql(project));
        sql.push(") AS merge ON merge.from_id = found.person_id\n  GROUP BY person\n)");
        sql.push("\nORDER BY last_us DESC, person\nLIMIT ").param("UInt64", limit as u64);
        let rows: Vec<Row> = self.json_rows(&sql).await?;
        let first = rows.first().map(|row| (row.event_sum, row.person_count)).unwrap_or_default();
        let person = |row: Row| GroupPerson {
            person: PersonId::from_event(row.person),
            event_count: row.event_count,
            last_at: micros(row.last_us),
        };
        Ok(GroupActivity {
            event_count: first.0,
            person_count: first.1,
            people: rows.into_iter().map(person).collect(),
        })
    }

    /// A distinct id of each of these numbers of nobody with a profile, from their events since a moment.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn list_distinct_ids_of(
        &self,
        project: ProjectId,
        persons: &[PersonId],
        since: Timestamp,
    ) -> Result<Vec<(PersonId, String)>, ChError> {
        #[derive(Deserialize)]
        struct Row {
            person_id: u64,
            one_id: String,
        }
        if persons.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new("SELECT person_id, any(distinct_id) AS one_id\nFROM events\nWHERE project_id = ");
        sql.param("UInt32", project).push(" AND person_id IN ").param("Array(UInt64)", numbers(persons));
        push_from(&mut sql, since);
        sql.push("\nGROUP BY person_id");
        let rows: Vec<Row> = self.json_rows(&sql).await?;
        Ok(rows.into_iter().map(|row| (PersonId::from_event(row.person_id), row.one_id)).collect())
    }
}

/// Pushes the condition that an event is of a group. Only the column is read: the pipeline writes nothing but texts to it, and
/// the tail of every event is long.
pub(super) fn push_of_group(sql: &mut Sql, index: i16, key: &str) {
    match usize::try_from(index).ok().and_then(|index| GROUP_COLUMNS.get(index)) {
        Some(column) => drop(sql.push(column).push(" = ").param("String", key)),
        None => drop(sql.push("false")),
    }
}
