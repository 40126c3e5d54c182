//! Finding events by what their sender knows of them.

use jiff::Timestamp;
use uuid::Uuid;

use super::events_read::push_moment;
use super::events_record::{EventRecord, RawEvent, Wanted, push_columns};
use super::{ChError, ClickHouse, Sql};
use crate::model::ProjectId;

impl ClickHouse {
    /// Events with this uuid or distinct id that happened or came in between the two moments, newest first, with no other
    /// property than what is said of bots.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn find_events_by_id(
        &self,
        project: ProjectId,
        distinct_id: &str,
        uuid: Option<Uuid>,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<EventRecord>, ChError> {
        let mut sql = Sql::new("SELECT ");
        push_columns(&mut sql, &Wanted::Keys(vec!["$bot_class".to_owned()]));
        sql.push("\nFROM events\nWHERE project_id = ").param("UInt32", project);
        sql.push("\n  AND (distinct_id = ").param("String", distinct_id);
        if let Some(uuid) = uuid {
            sql.push(" OR uuid = ").param("UUID", uuid.to_string());
        }
        sql.push(")");
        if from.is_some() || until.is_some() {
            let (from, until) = (from.unwrap_or(Timestamp::UNIX_EPOCH), until.unwrap_or(Timestamp::MAX));
            // Two hundred and some years is as far as the column goes.
            let until = until.min(Timestamp::from_second(9_000_000_000).unwrap_or(until));
            push_moment(sql.push("\n  AND ((timestamp >= "), from);
            push_moment(sql.push(" AND timestamp < "), until);
            push_moment(sql.push(") OR (received_at >= "), from);
            push_moment(sql.push(" AND received_at < "), until);
            sql.push("))");
        }
        sql.push("\nORDER BY timestamp DESC, uuid\nLIMIT ").param("UInt64", limit as u64);
        Ok(self.json_rows::<RawEvent>(&sql).await?.into_iter().map(EventRecord::from).collect())
    }
}
