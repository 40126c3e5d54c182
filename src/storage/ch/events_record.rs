//! A stored event, put together again from its typed columns and its tail.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Sql;
use super::events_read::micros;
use super::json_keys::original_key;
use crate::model::PersonId;
use crate::model::property_columns::{self, ColumnKind, PROPERTY_COLUMNS, is_number_text};

/// An event as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    pub uuid: Uuid,
    pub name: String,
    pub at: Timestamp,
    pub received_at: Timestamp,
    pub distinct_id: String,
    /// The person at the time the event was stored; people merged since then have another number.
    pub person: PersonId,
    /// The properties that were asked for, sorted by key. What ClickHouse's JSON type does not keep is not here: a null,
    /// an empty object.
    pub properties: Map<String, Value>,
    /// The person's properties as they were at the event's time; empty unless everything was asked for.
    pub person_properties: Map<String, Value>,
}

/// Which properties to read. A list shows a few of many, and each column costs time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Wanted {
    #[default]
    Everything,
    /// At least the properties of these keys. A value that does not fit its column is left out, unless another key has
    /// no column.
    Keys(Vec<String>),
}

impl Wanted {
    fn column(&self, key: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Keys(keys) => keys.iter().any(|wanted| wanted == key),
        }
    }

    fn tail(&self) -> bool {
        match self {
            Self::Everything => true,
            Self::Keys(keys) => keys.iter().any(|key| property_columns::find(key).is_none()),
        }
    }
}

/// A row as ClickHouse prints it: our own names first, every other column in `typed`.
#[derive(Debug, Deserialize)]
pub(super) struct RawEvent {
    row_uuid: Uuid,
    row_name: String,
    row_at_us: i64,
    row_received_ms: i64,
    row_distinct_id: String,
    row_person_id: u64,
    #[serde(default)]
    row_tail: Map<String, Value>,
    #[serde(default)]
    row_person_properties: Map<String, Value>,
    #[serde(flatten)]
    typed: Map<String, Value>,
}

/// Pushes the columns that [`RawEvent`] reads.
pub(super) fn push_columns(sql: &mut Sql, wanted: &Wanted) {
    sql.push("uuid AS row_uuid, toString(event) AS row_name, toUnixTimestamp64Micro(timestamp) AS row_at_us");
    sql.push(", toUnixTimestamp64Milli(received_at) AS row_received_ms, distinct_id AS row_distinct_id");
    sql.push(", person_id AS row_person_id");
    if wanted.tail() {
        sql.push(", properties AS row_tail");
    }
    if *wanted == Wanted::Everything {
        sql.push(", person_properties AS row_person_properties");
    }
    for column in PROPERTY_COLUMNS.iter().filter(|column| wanted.column(column.key)) {
        sql.push(", `").push(column.key).push("`");
    }
}

impl From<RawEvent> for EventRecord {
    fn from(row: RawEvent) -> Self {
        let mut properties = as_sent(row.row_tail);
        let typed = row.typed.into_iter().filter(|(_, value)| !value.is_null());
        properties.extend(typed.map(|(key, value)| {
            let value = number_as_sent(&key, value);
            (key, value)
        }));
        properties.sort_keys();
        let mut person_properties = as_sent(row.row_person_properties);
        person_properties.sort_keys();
        Self {
            uuid: row.row_uuid,
            name: row.row_name,
            at: micros(row.row_at_us),
            received_at: micros(row.row_received_ms.saturating_mul(1000)),
            distinct_id: row.row_distinct_id,
            person: PersonId::from_event(row.row_person_id),
            properties,
            person_properties,
        }
    }
}

/// A number that was kept among words.
fn number_as_sent(key: &str, value: Value) -> Value {
    match value {
        Value::String(text)
            if is_number_text(&text)
                && property_columns::find(key).is_some_and(|column| column.kind == ColumnKind::WordOrNumber) =>
        {
            text.parse::<serde_json::Number>().map_or(Value::String(text), Value::Number)
        }
        value => value,
    }
}

/// An object of the tail with its keys as they were sent, at every depth.
fn as_sent(object: Map<String, Value>) -> Map<String, Value> {
    object.into_iter().map(|(key, value)| (original_key(&key).into_owned(), value_as_sent(value))).collect()
}

fn value_as_sent(value: Value) -> Value {
    match value {
        Value::Object(object) => as_sent(object).into(),
        Value::Array(values) => values.into_iter().map(value_as_sent).collect(),
        value => value,
    }
}
