//! The mirror of groups as they are now.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::json_binary::{Leaves, entries};
use super::row_binary::RowBinary;
use super::{ChError, ClickHouse};
use crate::model::ProjectId;

/// A group as the mirror keeps it. The highest version of one counts.
#[derive(Debug, Clone, PartialEq)]
pub struct MirroredGroup {
    pub project_id: ProjectId,
    /// 0 to 4.
    pub type_index: u8,
    pub key: String,
    /// Its properties and since when it is known; none if it is gone.
    pub state: Option<(Map<String, Value>, Timestamp)>,
    pub version: u64,
}

impl ClickHouse {
    /// Writes groups. Writing the same again changes nothing.
    ///
    /// # Errors
    /// If ClickHouse refuses or does not answer.
    pub async fn insert_mirrored_groups(&self, groups: &[MirroredGroup]) -> Result<(), ChError> {
        if groups.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::new();
        for group in groups {
            rows.put_u32(group.project_id.as_u32());
            rows.push(group.type_index);
            rows.put_string(&group.key);
            rows.put_i64(group.state.as_ref().map_or(0, |(_, created_at)| created_at.as_microsecond()));
            let properties = group.state.iter().flat_map(|(properties, _)| entries(properties));
            Leaves::of(properties).write(&mut rows);
            rows.put_u64(group.version);
            rows.push(u8::from(group.state.is_none()));
        }
        let sql = "INSERT INTO groups (project_id, type_index, key, created_at, properties, version, is_deleted) \
                   FORMAT RowBinary";
        self.insert_mirror(sql, rows).await
    }
}
