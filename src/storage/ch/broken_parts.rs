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
}
