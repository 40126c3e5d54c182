//! Parts of tables that ClickHouse found damaged and put aside: rows that were stored and are not there any more.

use super::{ChError, ClickHouse, Sql};

impl ClickHouse {
    /// The names of damaged parts put aside, sorted, each after its table.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or does not let us look.
    pub async fn list_broken_parts(&self) -> Result<Vec<String>, ChError> {
        let sql = Sql::new(
            "SELECT concat(table, '/', name) AS part FROM system.detached_parts
WHERE database = currentDatabase() AND startsWith(coalesce(reason, ''), 'broken')
ORDER BY part",
        );
        self.ask(&sql).fetch_all::<String>().await
    }

    /// Lets ClickHouse look through the parts of events as it does when it starts: damaged ones are put aside, where
    /// [`ClickHouse::list_broken_parts`] finds them. The table is not there for a moment; what is asked of it then fails.
    ///
    /// # Errors
    /// If ClickHouse does not answer. The table may be left out then: it is back when this is done again, or ClickHouse
    /// started.
    pub(super) async fn put_broken_events_aside(&self) -> Result<(), ChError> {
        for statement in ["DETACH TABLE IF EXISTS events SYNC", "ATTACH TABLE IF NOT EXISTS events"] {
            self.execute_in(Some(self.database()), statement).await?;
        }
        Ok(())
    }
}
