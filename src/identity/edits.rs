//! Properties changed by hand.

use jiff::Timestamp;
use serde_json::Value;

use super::resolve::Identity;
use crate::model::person_property::MAX_PERSON_PROPERTIES;
use crate::model::{PersonId, ProjectId, UserId};
use crate::storage::ch::ClickHouse;
use crate::storage::pg::{EditOutcome, PgError};

impl Identity {
    /// Sets properties of a person (`Some`) and deletes others (`None`), all or none, and notes who did it. Queries see it at
    /// once.
    ///
    /// # Errors
    /// If Postgres does not answer; nothing is changed then.
    pub async fn edit_person(
        &self,
        clickhouse: &ClickHouse,
        project: ProjectId,
        person: PersonId,
        changes: &[(String, Option<Value>)],
        by: UserId,
        at: Timestamp,
    ) -> Result<EditOutcome, PgError> {
        let edited = self.pg.edit_person_properties(project, person, changes, MAX_PERSON_PROPERTIES, by, at).await?;
        if edited == EditOutcome::Done {
            self.tell_queries(clickhouse).await;
        }
        Ok(edited)
    }

    /// The same for a group, by the index of its type and its key.
    ///
    /// # Errors
    /// As there.
    pub async fn edit_group(
        &self,
        clickhouse: &ClickHouse,
        project: ProjectId,
        (index, key): (i16, &str),
        changes: &[(String, Option<Value>)],
        by: UserId,
        at: Timestamp,
    ) -> Result<EditOutcome, PgError> {
        let most = MAX_PERSON_PROPERTIES;
        let edited = self.pg.edit_group_properties(project, index, key, changes, most, by, at).await?;
        if edited == EditOutcome::Done {
            self.tell_queries(clickhouse).await;
        }
        Ok(edited)
    }
}
