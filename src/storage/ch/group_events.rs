//! What happened in a group: who acted in it, and how much.

use jiff::Timestamp;
use serde::Deserialize;

use super::events_read::{micros, push_moment};
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
    /// One of their distinct ids.
    pub distinct_id: String,
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
            distinct_id: String,
            event_count: u64,
            last_us: i64,
            person_count: u64,
            event_sum: u64,
        }
        let Some(column) = usize::try_from(index).ok().and_then(|index| GROUP_COLUMNS.get(index)) else {
            return Ok(GroupActivity::default());
        };
        let mut sql = Sql::new(
            "SELECT person, one_id AS distinct_id, n AS event_count, last_us, count() OVER () AS person_count, sum(n) OVER () AS event_sum\n\
             FROM (\n  SELECT if(merge.from_id = 0, found.person_id, merge.into_id) AS person, sum(found.n) AS n,\n    \
             max(found.last_us) AS last_us, argMax(found.one_id, found.last_us) AS one_id\n  FROM (\n    \
             SELECT person_id, count() AS n, toUnixTimestamp64Micro(max(timestamp)) AS last_us, argMax(distinct_id, timestamp) AS one_id\n    \
             FROM events\n    WHERE project_id = ",
        );
        sql.param("UInt32", project).push(" AND ").push(column).push(" = ").param("String", key);
        push_moment(sql.push(" AND timestamp >= "), since);
        sql.push("\n    GROUP BY person_id\n  ) AS found\n  LEFT JOIN (\n    SELECT from_id, argMax(into_id, version) AS into_id\n    ");
        sql.push("FROM person_overrides\n    WHERE project_id = ").param("UInt32", project);
        sql.push("\n    GROUP BY from_id\n  ) AS merge ON merge.from_id = found.person_id\n  GROUP BY person\n)");
        sql.push("\nORDER BY last_us DESC, person\nLIMIT ").param("UInt64", limit as u64);
        let rows: Vec<Row> = self.json_rows(&sql).await?;
        let first = rows.first().map(|row| (row.event_sum, row.person_count)).unwrap_or_default();
        let person = |row: Row| GroupPerson {
            person: PersonId::from_event(row.person),
            distinct_id: row.distinct_id,
            event_count: row.event_count,
            last_at: micros(row.last_us),
        };
        Ok(GroupActivity {
            event_count: first.0,
            person_count: first.1,
            people: rows.into_iter().map(person).collect(),
        })
    }
}
