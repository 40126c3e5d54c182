//! The mirror of groups as they are now.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::json_binary::{Leaves, entries};
use super::mirror_block::MirrorBlock;
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

/// Columns of `groups`, before their properties.
const COLUMNS: [(&str, &str); 6] = [
    ("project_id", "UInt32"),
    ("type_index", "UInt8"),
    ("key", "String"),
    ("created_at", "DateTime64(6, 'UTC')"),
    ("version", "UInt64"),
    ("is_deleted", "Bool"),
];

impl ClickHouse {
    /// Writes groups. Writing the same again changes nothing.
    ///
    /// # Errors
    /// If ClickHouse refuses or does not answer.
    pub async fn insert_mirrored_groups(&self, groups: &[MirroredGroup]) -> Result<(), ChError> {
        if groups.is_empty() {
            return Ok(());
        }
        let rows = block(groups);
        self.insert_mirror(&rows.insert_sql("groups"), rows.into_bytes()).await
    }
}

/// A row for each group; of one that is gone it says nothing but that.
fn block(groups: &[MirroredGroup]) -> MirrorBlock<'_, { COLUMNS.len() }> {
    let mut rows = MirrorBlock::new(COLUMNS);
    let [project_id, type_index, key, created_at, version, is_deleted] = &mut rows.columns;
    for group in groups {
        let since = group.state.as_ref().map_or(0, |(_, created_at)| created_at.as_microsecond());
        project_id.put_plain(&group.project_id.as_u32().to_le_bytes());
        type_index.put_plain(&[group.type_index]);
        key.put_text(group.key.as_str().into());
        created_at.put_plain(&since.to_le_bytes());
        rows.properties.put(&Leaves::of(group.state.iter().flat_map(|(properties, _)| entries(properties))));
        version.put_plain(&group.version.to_le_bytes());
        is_deleted.put_plain(&[u8::from(group.state.is_none())]);
    }
    rows
}
