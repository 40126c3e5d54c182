//! Events as blocks of columns: what one insert sends.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;
use foldhash::fast::FixedState;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::json_binary::{Leaves, entries};
use super::json_block::{ObjectPlace, Objects};
use super::native::{Block, Column, uuid_bytes};
use crate::model::property_columns::{ColumnKind, PROPERTY_COLUMNS, as_integer, as_number, position};
use crate::model::{PersonId, ProjectId, Properties};

/// Rows and bytes of one insert: one block, one part, all or nothing.
const MAX_ROWS: usize = 100_000;
const MAX_BYTES: usize = 64 << 20;

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
    pub properties: &'a Properties,
    /// The person's, as they were at the time; `None` for someone without a profile.
    pub person_properties: Option<&'a Map<String, Value>>,
}

/// Rows of one partition, ready to send.
#[derive(Debug, Clone)]
pub struct EventBlock {
    rows: usize,
    bytes: Bytes,
}

impl EventBlock {
    /// How many rows it holds.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// In Native format, the columns by their names.
    pub(super) fn bytes(&self) -> Bytes {
        self.bytes.clone()
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
    let mut open: Vec<(i32, Columns<'a>)> = Vec::new();
    let mut blocks = Vec::new();
    for row in rows {
        let month = partition(row.timestamp);
        let at = open.iter().position(|(m, _)| *m == month).unwrap_or_else(|| {
            open.push((month, Columns::default()));
            open.len() - 1
        });
        let columns = &mut open[at].1;
        columns.put(&row);
        // A row is at most a few MB: stopping short of the limit by that much keeps below it.
        if columns.rows == MAX_ROWS || columns.bytes > MAX_BYTES - (8 << 20) {
            blocks.push(open.swap_remove(at).1.into_block());
        }
    }
    blocks.extend(open.into_iter().map(|(_, columns)| columns.into_block()));
    blocks
}

/// Columns of every event, before those of its properties.
const FIXED: [(&str, &str); 8] = [
    ("project_id", "UInt32"),
    ("event", "LowCardinality(String)"),
    ("timestamp", "DateTime64(6, 'UTC')"),
    ("person_id", "UInt64"),
    ("uuid", "UUID"),
    ("distinct_id", "String"),
    ("received_at", "DateTime64(3, 'UTC')"),
    ("inserted_by", "UInt64"),
];

/// Columns of JSON, after all others, each with the number of paths that may have columns of their own.
const OBJECTS: [(&str, usize); 2] = [("properties", 16), ("person_properties", 0)];

/// The columns of a block, in their order.
pub(super) fn column_names() -> impl Iterator<Item = &'static str> {
    let fixed = FIXED.iter().map(|(name, _)| *name);
    fixed.chain(PROPERTY_COLUMNS.iter().map(|column| column.key)).chain(OBJECTS.iter().map(|(name, _)| *name))
}

/// Rows under construction.
#[derive(Debug)]
struct Columns<'a> {
    rows: usize,
    /// About how long the block will be.
    bytes: usize,
    fixed: [Column<'a>; FIXED.len()],
    properties: Vec<Column<'a>>,
    tail: Objects,
    person: Objects,
    /// Where a person's properties stand in `person`: the next event of that person has the same, mostly.
    persons: HashMap<usize, ObjectPlace, FixedState>,
}

impl Default for Columns<'_> {
    fn default() -> Self {
        Self {
            rows: 0,
            bytes: 0,
            fixed: FIXED.map(|(_, sql_type)| Column::of(sql_type)),
            properties: PROPERTY_COLUMNS.iter().map(|column| empty(column.kind)).collect(),
            tail: Objects::new(OBJECTS[0].1),
            person: Objects::new(OBJECTS[1].1),
            persons: HashMap::default(),
        }
    }
}

impl<'a> Columns<'a> {
    fn put(&mut self, row: &EventRow<'a>) {
        let [project_id, event, timestamp, person_id, uuid, distinct_id, received_at, inserted_by] = &mut self.fixed;
        project_id.put_plain(&row.project_id.as_u32().to_le_bytes());
        event.put_text(row.event.into());
        timestamp.put_plain(&row.timestamp.as_microsecond().to_le_bytes());
        person_id.put_plain(&row.person_id.get().to_le_bytes());
        uuid.put_plain(&uuid_bytes(row.uuid));
        distinct_id.put_text(row.distinct_id.into());
        received_at.put_plain(&row.received_at.as_millisecond().to_le_bytes());
        inserted_by.put_plain(&row.inserted_by.to_le_bytes());
        self.put_properties(row.properties);
        self.put_person(row.person_properties);
        self.rows += 1;
    }

    /// One pass says of each property whether it is a cell or part of the tail.
    fn put_properties(&mut self, properties: &'a Properties) {
        let mut cells = [None; PROPERTY_COLUMNS.len()];
        let tail = properties.iter().filter(|(key, value)| {
            let at = position(key).filter(|at| PROPERTY_COLUMNS[*at].kind.fits(value));
            at.inspect(|at| cells[*at] = Some(*value)).is_none()
        });
        self.bytes += 64 + self.tail.put(&Leaves::of(tail)).len();
        for ((column, into), value) in PROPERTY_COLUMNS.iter().zip(&mut self.properties).zip(cells) {
            self.bytes += put_cell(column.kind, value, into);
        }
    }

    fn put_person(&mut self, properties: Option<&'a Map<String, Value>>) {
        let same = properties.map_or(0, |properties| std::ptr::from_ref(properties).addr());
        let place = match self.persons.entry(same) {
            Entry::Occupied(known) => {
                self.person.put_again(known.get());
                known.into_mut()
            }
            Entry::Vacant(new) => new.insert(self.person.put(&Leaves::of(properties.into_iter().flat_map(entries)))),
        };
        self.bytes += place.len();
    }

    fn into_block(self) -> EventBlock {
        let mut block = Block::new(column_names().count(), self.rows, self.bytes + (64 << 10));
        block.put_all(&FIXED, &self.fixed);
        for (property, column) in PROPERTY_COLUMNS.iter().zip(&self.properties) {
            block.put(property.key, property.kind.sql_type(), column);
        }
        for ((name, _), objects) in OBJECTS.iter().zip([&self.tail, &self.person]) {
            objects.put_into(&mut block, name);
        }
        EventBlock { rows: self.rows, bytes: block.into_bytes().into() }
    }
}

fn empty<'a>(kind: ColumnKind) -> Column<'a> {
    match kind {
        ColumnKind::Word | ColumnKind::WordOrNumber => Column::nullable_words(),
        ColumnKind::Text => Column::NullableTexts(Vec::new(), Vec::new()),
        ColumnKind::Integer | ColumnKind::Number | ColumnKind::Flag => Column::NullablePlain(Vec::new(), Vec::new()),
    }
}

/// Puts in a value that fits, or that there is none; says about how many bytes that takes.
fn put_cell<'a>(kind: ColumnKind, value: Option<&'a Value>, into: &mut Column<'a>) -> usize {
    let width = match kind {
        ColumnKind::Integer => 4,
        ColumnKind::Number => 8,
        ColumnKind::Flag => 1,
        ColumnKind::Word | ColumnKind::WordOrNumber | ColumnKind::Text => 0,
    };
    match (kind, value) {
        (_, None) => into.put_null(width),
        (ColumnKind::Integer, Some(value)) => into.put_plain(&as_integer(value).unwrap_or_default().to_le_bytes()),
        (ColumnKind::Number, Some(value)) => into.put_plain(&as_number(value).unwrap_or_default().to_le_bytes()),
        (_, Some(Value::Bool(flag))) => into.put_plain(&[u8::from(*flag)]),
        (_, Some(Value::String(text))) => {
            into.put_text(text.into());
            return text.len();
        }
        (_, Some(value)) => into.put_text(Cow::Owned(value.to_string())),
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(timestamp: &str, properties: &'a Properties) -> EventRow<'a> {
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
        let none = Properties::default();
        let blocks = event_blocks([
            row("2026-10-31T23:59:59.999999Z", &none),
            row("2026-11-01T00:00:00Z", &none),
            row("2026-10-01T00:00:00Z", &none),
        ]);
        assert_eq!(blocks.iter().map(EventBlock::rows).collect::<Vec<_>>(), [2, 1]);
    }
}
