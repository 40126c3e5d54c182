//! Everything of one person, line by line: memory does not grow with how much there is.

use clickhouse::query::BytesCursor;
use serde_json::{Value, json};

use super::events_record::{EventRecord, RawEvent, Wanted, push_columns};
use super::{ChError, ClickHouse, Sql};
use crate::model::{PersonId, ProjectId};

/// JSON objects, one a line, as they come.
pub struct ExportedLines {
    cursor: BytesCursor,
    rest: Vec<u8>,
    are_events: bool,
}

impl std::fmt::Debug for ExportedLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportedLines").field("are_events", &self.are_events).finish_non_exhaustive()
    }
}

impl ExportedLines {
    /// The next lines; none at the end.
    ///
    /// # Errors
    /// If ClickHouse stops answering.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ChError> {
        loop {
            let chunk = self.cursor.next().await?;
            let is_last = chunk.is_none();
            self.rest.extend_from_slice(chunk.as_deref().unwrap_or_default());
            let whole = if is_last {
                self.rest.len()
            } else {
                self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
            };
            if whole == 0 && !is_last {
                continue;
            }
            if whole == 0 {
                return Ok(None);
            }
            let rest = self.rest.split_off(whole);
            let lines = std::mem::replace(&mut self.rest, rest);
            return if self.are_events { as_sent(&lines).map(Some) } else { Ok(Some(lines)) };
        }
    }
}

/// Rows of the table as events.
fn as_sent(lines: &[u8]) -> Result<Vec<u8>, ChError> {
    let mut out = Vec::with_capacity(lines.len());
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let row: RawEvent = serde_json::from_slice(line).map_err(|error| ChError::Custom(error.to_string()))?;
        serde_json::to_writer(&mut out, &shown(EventRecord::from(row))).expect("a record is JSON");
        out.push(b'\n');
    }
    Ok(out)
}

fn shown(event: EventRecord) -> Value {
    json!({
        "uuid": event.uuid,
        "event": event.name,
        "distinct_id": event.distinct_id,
        "timestamp": event.at,
        "received_at": event.received_at,
        "properties": event.properties,
        "person_properties": event.person_properties,
    })
}

impl ClickHouse {
    /// All events that carry one of these numbers, in the order of the table: by name and day.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub fn export_events(&self, project: ProjectId, persons: &[PersonId]) -> Result<ExportedLines, ChError> {
        let mut sql = Sql::new("SELECT ");
        push_columns(&mut sql, &Wanted::Everything);
        push_events_of(sql.push("\n"), project, persons);
        self.lines(&sql, true)
    }

    /// All sessions in which one of these numbers did something, one row for each node that knows of it.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub fn export_sessions(&self, project: ProjectId, persons: &[PersonId]) -> Result<ExportedLines, ChError> {
        let mut sql = Sql::new(
            "SELECT * EXCEPT (node, version, first_tie, last_tie, entry_tie, exit_tie, url_hashes, project_id, entry_rank)
             FROM sessions FINAL WHERE project_id = ",
        );
        sql.param("UInt32", project).push("\n  AND session_id IN (SELECT assumeNotNull(`$session_id`) ");
        push_events_of(&mut sql, project, persons);
        sql.push(" AND `$session_id` IS NOT NULL)");
        self.lines(&sql, false)
    }

    /// The groups that these events belong to, one object for each.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub fn export_groups(&self, project: ProjectId, persons: &[PersonId]) -> Result<ExportedLines, ChError> {
        let mut sql = Sql::new(
            "SELECT group_type_index, group_key, count() AS events FROM (SELECT arrayJoin(arrayFilter(g -> g.2 != '', \
             [(0, ifNull(`$group_0`, '')), (1, ifNull(`$group_1`, '')), (2, ifNull(`$group_2`, '')), \
             (3, ifNull(`$group_3`, '')), (4, ifNull(`$group_4`, ''))])) AS of_group, of_group.1 AS group_type_index, \
             of_group.2 AS group_key ",
        );
        push_events_of(&mut sql, project, persons);
        sql.push(") GROUP BY group_type_index, group_key ORDER BY group_type_index, group_key");
        self.lines(&sql, false)
    }

    fn lines(&self, sql: &Sql, are_events: bool) -> Result<ExportedLines, ChError> {
        let query = self
            .ask(sql)
            .with_setting("max_execution_time", "3600")
            .with_setting("max_threads", "1")
            .with_setting("max_block_size", "2000")
            .with_setting("output_format_json_quote_64bit_integers", "0")
            .with_setting("output_format_json_quote_64bit_floats", "0")
            .with_setting("output_format_json_named_tuples_as_objects", "1");
        Ok(ExportedLines { cursor: query.fetch_bytes("JSONEachRow")?, rest: Vec::new(), are_events })
    }
}

fn push_events_of(sql: &mut Sql, project: ProjectId, persons: &[PersonId]) {
    let numbers: Vec<u64> = persons.iter().map(|person| person.get()).collect();
    sql.push("FROM events\nWHERE project_id = ").param("UInt32", project);
    sql.push("\n  AND person_id IN ").param("Array(UInt64)", numbers);
}
