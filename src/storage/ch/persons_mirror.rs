//! The mirror of people as they are now, and of whose each distinct id is.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::json_binary::{Leaves, entries};
use super::mirror_block::MirrorBlock;
use super::native::uuid_bytes;
use super::row_binary::RowBinary;
use super::{ChError, ClickHouse};
use crate::model::channel::{initial_channel_type, initial_referring_domain_type};
use crate::model::{PersonId, ProjectId};

/// A person as the mirror keeps them. The highest version of one counts.
#[derive(Debug, Clone, PartialEq)]
pub struct MirroredPerson {
    pub project_id: ProjectId,
    pub id: PersonId,
    /// None if the person is gone.
    pub state: Option<MirroredState>,
    pub version: u64,
}

/// What is known of a person.
#[derive(Debug, Clone, PartialEq)]
pub struct MirroredState {
    pub uuid: Uuid,
    pub properties: Arc<Map<String, Value>>,
    pub is_identified: bool,
    pub created_at: Timestamp,
}

/// Whose a distinct id is. The highest version of one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirroredDistinctId {
    pub project_id: ProjectId,
    pub distinct_id: String,
    /// None if nobody's any more.
    pub person: Option<PersonId>,
    pub version: u64,
}

/// Columns of `persons`, before their properties.
const COLUMNS: [(&str, &str); 9] = [
    ("project_id", "UInt32"),
    ("number", "UInt64"),
    ("uuid", "UUID"),
    ("created_at", "DateTime64(6, 'UTC')"),
    ("is_identified", "Bool"),
    ("initial_channel_type", "LowCardinality(String)"),
    ("initial_referring_domain_type", "LowCardinality(String)"),
    ("version", "UInt64"),
    ("is_deleted", "Bool"),
];

impl ClickHouse {
    /// Writes people. Writing the same again changes nothing.
    ///
    /// # Errors
    /// If ClickHouse refuses or does not answer.
    pub async fn insert_mirrored_persons(&self, persons: &[MirroredPerson]) -> Result<(), ChError> {
        if persons.is_empty() {
            return Ok(());
        }
        let rows = block(persons);
        self.insert_mirror(&rows.insert_sql("persons"), rows.into_bytes()).await
    }

    /// Writes whose distinct ids are. Writing the same again changes nothing.
    ///
    /// # Errors
    /// If ClickHouse refuses or does not answer.
    pub async fn insert_mirrored_distinct_ids(&self, ids: &[MirroredDistinctId]) -> Result<(), ChError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::new();
        for id in ids {
            rows.put_u32(id.project_id.as_u32());
            rows.put_string(&id.distinct_id);
            rows.put_u64(id.person.map_or(0, PersonId::get));
            rows.put_u64(id.version);
            rows.push(u8::from(id.person.is_none()));
        }
        let sql =
            "INSERT INTO person_distinct_ids (project_id, distinct_id, person, version, is_deleted) FORMAT RowBinary";
        self.insert_mirror(sql, rows).await
    }

    /// Inserts rows of a table of which the highest version counts. Those that an insert holds twice are left to merges, as
    /// those of two inserts are.
    pub(super) async fn insert_mirror(&self, sql: &str, rows: Vec<u8>) -> Result<(), ChError> {
        let insert = self.client().insert_formatted_with(sql).with_setting("async_insert", "0");
        let mut insert = insert.with_setting("optimize_on_insert", "0");
        insert.send(Bytes::from(rows)).await?;
        insert.end().await
    }
}

/// A row for each person; of one who is gone it says nothing but that.
fn block(persons: &[MirroredPerson]) -> MirrorBlock<'_, { COLUMNS.len() }> {
    let mut rows = MirrorBlock::new(COLUMNS);
    let [project_id, number, uuid, created_at, is_identified, channel, domain, version, is_deleted] = &mut rows.columns;
    for person in persons {
        let state = person.state.as_ref();
        project_id.put_plain(&person.project_id.as_u32().to_le_bytes());
        number.put_plain(&person.id.get().to_le_bytes());
        uuid.put_plain(&uuid_bytes(state.map(|s| s.uuid).unwrap_or_default()));
        created_at.put_plain(&state.map_or(0, |s| s.created_at.as_microsecond()).to_le_bytes());
        is_identified.put_plain(&[u8::from(state.is_some_and(|s| s.is_identified))]);
        channel.put_text(state.map_or("", |s| initial_channel_type(&s.properties)).into());
        domain.put_text(state.map_or("", |s| initial_referring_domain_type(&s.properties)).into());
        rows.properties.put(&Leaves::of(state.iter().flat_map(|s| entries(&s.properties))));
        version.put_plain(&person.version.to_le_bytes());
        is_deleted.put_plain(&[u8::from(state.is_none())]);
    }
    rows
}
