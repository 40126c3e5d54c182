//! Events in: inserts of one partition, and the look-up that says which are there already.

use std::sync::LazyLock;
use std::time::Duration;

use clickhouse::Row;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::days::{push_from, push_up_to};
use super::events_block::{EventBlock, column_names};
use super::failure::blames_events;
use super::native::insert_sql;
use super::{ChError, ClickHouse, Sql};
use crate::model::{PersonId, ProjectId};

/// The server gives up before the client does, so that no insert commits after its outcome was looked up.
const SERVER_SECONDS: &str = "60";
const CLIENT_TIMEOUT: Duration = Duration::from_secs(90);

static INSERT: LazyLock<String> = LazyLock::new(|| insert_sql("events", column_names()));

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
            // The block holds each event once, so there is nothing to merge in it: to merge it anyway took the engine a
            // quarter of an insert.
            .with_setting("optimize_on_insert", "0")
            .with_setting("max_insert_block_size", "1000000")
            .with_setting("max_insert_threads", "1")
            .with_timeouts(Some(CLIENT_TIMEOUT), Some(CLIENT_TIMEOUT));
        insert.send(block.bytes()).await?;
        insert.end().await
    }

    /// Which of these events are stored, if their moment was between `from` and `to`.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or cannot read a part. The embedded engine has put it aside then: what is in it is not
    /// stored any more, and the next look-up does not meet it.
    pub async fn find_stored(
        &self,
        projects: &[ProjectId],
        uuids: &[Uuid],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<StoredEvent>, ChError> {
        if uuids.is_empty() {
            return Ok(Vec::new());
        }
        let projects: Vec<u64> = projects.iter().map(|p| p.as_u32().into()).collect();
        let mut sql = Sql::new("SELECT project_id, uuid, inserted_by, person_id FROM events\nWHERE project_id IN ");
        sql.param("Array(UInt32)", projects);
        push_from(&mut sql, from);
        push_up_to(&mut sql, to);
        sql.push("\n  AND uuid IN ").uuids(uuids);
        // Slow is better than never: without this answer nothing is stored.
        let query =
            || self.ask(&sql).with_setting("max_query_size", "33554432").with_setting("max_execution_time", "300");
        match query().fetch_all().await {
            // A full disk may leave the index of a part without its end. The rows are there all the same, most often.
            Err(error) if blames_events(&error) => {
                match query().with_setting("use_skip_indexes", "0").fetch_all().await {
                    Err(error) if blames_events(&error) && !self.is_remote() => {
                        tracing::error!(%error, "Events cannot be read; damaged parts are put aside now");
                        self.put_broken_events_aside().await?;
                        Err(error)
                    }
                    found => found,
                }
            }
            found => found,
        }
    }
}
