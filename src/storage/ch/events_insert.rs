//! Events in: rows as bytes, inserts of one partition, and the look-up that says which are there already.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use clickhouse::Row;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::json_text::write_object;
use super::row_binary::RowBinary;
use super::{ChError, ClickHouse, Sql, error_code};
use crate::model::property_columns::{ColumnKind, PROPERTY_COLUMNS, position};
use crate::model::{PersonId, ProjectId};

/// Rows and bytes of one insert: one block, one part, all or nothing.
const MAX_ROWS: usize = 100_000;
const MAX_BYTES: usize = 64 << 20;
/// The server gives up before the client does, so that no insert commits after its outcome was looked up.
const SERVER_SECONDS: &str = "60";
const CLIENT_TIMEOUT: Duration = Duration::from_secs(90);

/// Longer texts in a column of few different values would blow up its dictionary: they go to the tail.
const MAX_WORD_BYTES: usize = 1000;

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let mut columns = "project_id, event, timestamp, person_id, uuid, distinct_id, received_at, inserted_by".to_owned();
    for column in PROPERTY_COLUMNS {
        write!(columns, ", `{}`", column.key).expect("a text takes text");
    }
    format!("INSERT INTO events ({columns}, properties, person_properties) FORMAT RowBinary")
});

/// One event on its way into the table.
#[derive(Debug, Clone, Copy)]
pub struct EventRow<'a> {
    pub project_id: ProjectId,
    pub event: &'a str,
    pub timestamp: Timestamp,
    pub person_id: PersonId,
    pub uuid: Uuid,
    pub distinct_id: &'a str,
    pub received_at: Timestamp,
    /// The batch that writes it.
    pub inserted_by: u64,
    pub properties: &'a Map<String, Value>,
    /// The person's, as they were at the time; `None` for someone without a profile.
    pub person_properties: Option<&'a Map<String, Value>>,
}

/// Rows of one partition, ready to send.
#[derive(Debug, Clone)]
pub struct EventBlock {
    rows: usize,
    bytes: Bytes,
}

/// An event that is stored.
#[derive(Debug, Clone, Copy, Row, Deserialize)]
pub struct StoredEvent {
    project_id: u32,
    #[serde(with = "clickhouse::serde::uuid")]
    pub uuid: Uuid,
    /// The batch that wrote it.
    pub inserted_by: u64,
    person_id: u64,
}

impl StoredEvent {
    /// Whose it was when it was stored.
    #[must_use]
    pub fn person(&self) -> PersonId {
        PersonId::from_event(self.person_id)
    }

    /// The project it belongs to.
    #[must_use]
    pub fn project_id(&self) -> ProjectId {
        ProjectId::new(self.project_id.cast_signed())
    }
}

/// The partition of the table that holds this moment: year and month.
#[must_use]
pub fn partition(timestamp: Timestamp) -> i32 {
    let date = timestamp.to_zoned(TimeZone::UTC).date();
    i32::from(date.year()) * 100 + i32::from(date.month())
}

/// Puts rows into blocks: one partition each, none above what one insert may hold. Order is kept inside a partition.
#[must_use]
pub fn event_blocks<'a>(rows: impl IntoIterator<Item = EventRow<'a>>) -> Vec<EventBlock> {
    let mut open: Vec<(i32, usize, Vec<u8>)> = Vec::new();
    let mut blocks = Vec::new();
    let mut scratch = Vec::new();
    for row in rows {
        let month = partition(row.timestamp);
        let at = open.iter().position(|(m, ..)| *m == month).unwrap_or_else(|| {
            open.push((month, 0, Vec::new()));
            open.len() - 1
        });
        let (_, count, bytes) = &mut open[at];
        put_row(&row, bytes, &mut scratch);
        *count += 1;
        // A row is at most a few MB: stopping short of the limit by that much keeps below it.
        if *count == MAX_ROWS || bytes.len() > MAX_BYTES - (8 << 20) {
            let (_, rows, bytes) = open.swap_remove(at);
            blocks.push(EventBlock { rows, bytes: bytes.into() });
        }
    }
    blocks.extend(open.into_iter().map(|(_, rows, bytes)| EventBlock { rows, bytes: bytes.into() }));
    blocks
}

fn put_row(row: &EventRow<'_>, to: &mut Vec<u8>, scratch: &mut Vec<u8>) {
    to.put_u32(row.project_id.as_u32());
    to.put_string(row.event);
    to.put_i64(row.timestamp.as_microsecond());
    to.put_u64(row.person_id.get());
    to.put_uuid(row.uuid);
    to.put_string(row.distinct_id);
    to.put_i64(row.received_at.as_millisecond());
    to.put_u64(row.inserted_by);
    // One pass says of each property whether it is a cell or part of the tail.
    let mut cells = [None; PROPERTY_COLUMNS.len()];
    scratch.clear();
    write_object(row.properties, scratch, |key, value| {
        let at = position(key).filter(|at| fits(PROPERTY_COLUMNS[*at].kind, value));
        at.inspect(|at| cells[*at] = Some(value)).is_none()
    });
    for (column, value) in PROPERTY_COLUMNS.iter().zip(cells) {
        put_cell(column.kind, value, to);
    }
    to.put_bytes(scratch);
    scratch.clear();
    match row.person_properties {
        Some(properties) => write_object(properties, scratch, |_, _| true),
        None => scratch.extend_from_slice(b"{}"),
    }
    to.put_bytes(scratch);
}

/// Whether a column of this kind can hold the value unchanged. If not, the tail holds it under its own key.
#[must_use]
pub fn fits(kind: ColumnKind, value: &Value) -> bool {
    match (kind, value) {
        (ColumnKind::Word, Value::String(text)) => text.len() <= MAX_WORD_BYTES,
        (ColumnKind::Text, Value::String(_)) | (ColumnKind::Flag, Value::Bool(_)) => true,
        (ColumnKind::Integer, value) => as_integer(value).is_some(),
        (ColumnKind::Number, value) => as_number(value).is_some(),
        _ => false,
    }
}

/// Writes a value that fits, or that there is none.
fn put_cell(kind: ColumnKind, value: Option<&Value>, to: &mut Vec<u8>) {
    to.put_is_set(value.is_some());
    let Some(value) = value else { return };
    match (kind, value) {
        (ColumnKind::Integer, value) => to.extend(as_integer(value).unwrap_or_default().to_le_bytes()),
        (ColumnKind::Number, value) => to.extend(as_number(value).unwrap_or_default().to_le_bytes()),
        (_, Value::Bool(flag)) => to.push(u8::from(*flag)),
        (_, value) => to.put_string(value.as_str().unwrap_or_default()),
    }
}

fn as_integer(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|n| i32::try_from(n).ok())
}

/// A number that a double holds exactly as it was sent.
fn as_number(value: &Value) -> Option<f64> {
    const EXACT: i64 = 1 << 53;
    match value.as_i64() {
        Some(n) => (-EXACT..=EXACT).contains(&n).then_some(n as f64),
        None if value.is_u64() => None,
        None => value.as_f64(),
    }
}

impl EventBlock {
    /// How many rows it holds.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }
}

impl ClickHouse {
    /// Inserts a block: all of its rows or none. `name` marks the statement, so that [`ClickHouse::inserts_running`] finds it.
    ///
    /// # Errors
    /// If ClickHouse refuses or does not answer. Without an answer the rows may be stored all the same: look again with
    /// [`ClickHouse::find_stored`] once [`ClickHouse::inserts_running`] says none.
    pub async fn insert_events(&self, name: &str, block: &EventBlock) -> Result<(), ChError> {
        let mut insert = self
            .client()
            .insert_formatted_with(INSERT.as_str())
            .with_setting("query_id", name)
            .with_setting("log_comment", name)
            .with_setting("async_insert", "0")
            .with_setting("max_execution_time", SERVER_SECONDS)
            .with_setting("insert_deduplicate", "0")
            .with_setting("max_insert_block_size", "1000000")
            .with_setting("max_insert_threads", "1")
            .with_setting("input_format_binary_read_json_as_string", "1")
            .with_setting("json_type_escape_dots_in_keys", "1")
            // A text that looks like a date stays the text it was.
            .with_setting("input_format_try_infer_dates", "0")
            .with_setting("input_format_try_infer_datetimes", "0")
            // And `true` in a list beside texts or numbers stays `true`.
            .with_setting("input_format_json_read_bools_as_strings", "0")
            .with_setting("input_format_json_read_bools_as_numbers", "0")
            .with_timeouts(Some(CLIENT_TIMEOUT), Some(CLIENT_TIMEOUT));
        insert.send(block.bytes.clone()).await?;
        insert.end().await
    }

    /// Which of these events are stored, if their moment was between `from` and `to`.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn find_stored(
        &self,
        projects: &[ProjectId],
        uuids: &[Uuid],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<StoredEvent>, ChError> {
        let projects: Vec<u64> = projects.iter().map(|p| p.as_u32().into()).collect();
        let mut sql = Sql::new("SELECT project_id, uuid, inserted_by, person_id FROM events\nWHERE project_id IN ");
        sql.param("Array(UInt32)", projects)
            .push("\n  AND timestamp >= fromUnixTimestamp64Micro(")
            .param("Int64", from.as_microsecond())
            .push(")\n  AND timestamp <= fromUnixTimestamp64Micro(")
            .param("Int64", to.as_microsecond())
            .push(")\n  AND uuid IN ")
            .uuids(uuids);
        // Slow is better than never: without this answer nothing is stored.
        let query =
            || self.ask(&sql).with_setting("max_query_size", "33554432").with_setting("max_execution_time", "300");
        match query().fetch_all().await {
            // CORRUPTED_DATA: a full disk may leave the index of a part without its end. The rows are there all the same.
            Err(error) if error_code(&error) == Some(246) => {
                query().with_setting("use_skip_indexes", "0").fetch_all().await
            }
            found => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row<'a>(timestamp: &str, properties: &'a Map<String, Value>) -> EventRow<'a> {
        EventRow {
            project_id: ProjectId::new(1),
            event: "e",
            timestamp: timestamp.parse().expect("a time"),
            person_id: PersonId::from_row(1),
            uuid: Uuid::nil(),
            distinct_id: "d",
            received_at: timestamp.parse().expect("a time"),
            inserted_by: 1,
            properties,
            person_properties: None,
        }
    }

    #[test]
    fn a_block_holds_one_month() {
        let none = Map::new();
        let blocks = event_blocks([
            row("2026-10-31T23:59:59.999999Z", &none),
            row("2026-11-01T00:00:00Z", &none),
            row("2026-10-01T00:00:00Z", &none),
        ]);
        assert_eq!(blocks.iter().map(EventBlock::rows).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_value_stands_in_its_column_only_if_nothing_is_lost() {
        let cases = [
            (ColumnKind::Integer, json!(1080), true),
            (ColumnKind::Integer, json!(1080.5), false),
            (ColumnKind::Integer, json!(4_000_000_000_u64), false),
            (ColumnKind::Number, json!(9_007_199_254_740_993_i64), false),
            (ColumnKind::Number, json!(-1.5), true),
            (ColumnKind::Number, json!("1"), false),
            (ColumnKind::Word, json!("x".repeat(2000)), false),
            (ColumnKind::Text, json!("x".repeat(2000)), true),
            (ColumnKind::Text, json!(3), false),
            (ColumnKind::Flag, json!(true), true),
            (ColumnKind::Flag, json!("true"), false),
            (ColumnKind::Text, json!(null), false),
        ];
        for (kind, value, expected) in cases {
            assert_eq!(fits(kind, &value), expected, "{kind:?} {value}");
        }
    }
}
