//! The mirror of which person ids have become another person.

use super::row_binary::RowBinary;
use super::{ChError, ClickHouse};
use crate::model::{PersonId, ProjectId};

/// One row: events of `from` belong to `into`. The highest version of a `from` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonOverride {
    pub project_id: ProjectId,
    pub from: PersonId,
    pub into: PersonId,
    pub version: u64,
}

impl ClickHouse {
    /// Writes rows. Writing the same again changes nothing.
    ///
    /// # Errors
    /// If ClickHouse refuses or does not answer.
    pub async fn insert_person_overrides(&self, overrides: &[PersonOverride]) -> Result<(), ChError> {
        if overrides.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(overrides.len() * 28);
        for row in overrides {
            rows.put_u32(row.project_id.as_u32());
            rows.put_u64(row.from.get());
            rows.put_u64(row.into.get());
            rows.put_u64(row.version);
        }
        let sql = "INSERT INTO person_overrides (project_id, from_id, into_id, version) FORMAT RowBinary";
        self.insert_mirror(sql, rows).await
    }
}
