//! The mirror of people as they are now, and of whose each distinct id is.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::json_binary::{Leaves, entries};
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

impl ClickHouse {
    /// Writes people. Writing the same again changes nothing.
    ///
    /// # Errors
    /// If ClickHouse refuses or does not answer.
    pub async fn insert_mirrored_persons(&self, persons: &[MirroredPerson]) -> Result<(), ChError> {
        if persons.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::new();
        for person in persons {
            let state = person.state.as_ref();
            rows.put_u32(person.project_id.as_u32());
            rows.put_u64(person.id.get());
            rows.put_uuid(state.map(|s| s.uuid).unwrap_or_default());
            rows.put_i64(state.map_or(0, |s| s.created_at.as_microsecond()));
            rows.push(u8::from(state.is_some_and(|s| s.is_identified)));
            rows.put_string(state.map_or("", |s| initial_channel_type(&s.properties)));
            rows.put_string(state.map_or("", |s| initial_referring_domain_type(&s.properties)));
            Leaves::of(state.iter().flat_map(|state| entries(&state.properties))).write(&mut rows);
            rows.put_u64(person.version);
            rows.push(u8::from(state.is_none()));
        }
        let sql = "INSERT INTO persons (project_id, number, uuid, created_at, is_identified, initial_channel_type, \
                   initial_referring_domain_type, properties, version, is_deleted) FORMAT RowBinary";
        self.insert_mirror(sql, rows).await
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

    pub(super) async fn insert_mirror(&self, sql: &'static str, rows: Vec<u8>) -> Result<(), ChError> {
        let mut insert = self.client().insert_formatted_with(sql).with_setting("async_insert", "0");
        insert.send(Bytes::from(rows)).await?;
        insert.end().await
    }
}
