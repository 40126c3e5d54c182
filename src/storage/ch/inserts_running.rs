//! Inserts of events that run now, whoever sent them.

use serde::Deserialize;

use super::{ChError, ClickHouse, Sql};

/// What is known of inserts at one moment of ClickHouse's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clickhouse::Row)]
pub struct InsertsRunning {
    pub count: u64,
    /// ClickHouse's clock, in milliseconds since 1970.
    pub server_ms: i64,
}

impl ClickHouse {
    /// How many statements run in this database whose names start like this.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn inserts_running(&self, name: &str) -> Result<InsertsRunning, ChError> {
        // The embedded engine cannot name a statement; it keeps our name in front of the statement's comment.
        let mut sql =
            Sql::new("SELECT count() AS count, toUnixTimestamp64Milli(now64(3)) AS server_ms\nFROM system.processes");
        sql.push("\nWHERE current_database = ").param("String", self.database());
        sql.push("\n  AND (startsWith(query_id, ").param("String", name);
        sql.push(") OR startsWith(Settings['log_comment'], ").param("String", name).push("))");
        self.ask(&sql).fetch_one().await
    }
}
