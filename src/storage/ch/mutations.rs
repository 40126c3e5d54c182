//! What is changed in rows that are stored: ClickHouse writes it down at once and changes its parts one by one, each after a
//! merge that it is in, which may take minutes. Questions need not wait for that: every statement of ours asks for
//! `apply_mutations_on_fly` ([`ClickHouse::new`]), which does to what is read what has not been done to its part.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ChError, ClickHouse, Sql};

/// To write a mutation down takes milliseconds.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

const FORGET: &str = "KILL MUTATION WHERE database = currentDatabase() AND is_done
AND (position(command, '_row_exists') > 0 OR position(command, 'APPLY DELETED MASK') > 0)
AND (table, mutation_id) NOT IN (
    SELECT changed.table, changed.mutation_id
    FROM system.mutations AS changed
    INNER JOIN (
        SELECT table, min(data_version) AS oldest
        FROM system.parts
        WHERE database = currentDatabase() AND NOT active
        GROUP BY table
    ) AS replaced ON replaced.table = changed.table
    WHERE changed.database = currentDatabase()
      AND toUInt64OrZero(extract(changed.mutation_id, '[0-9]+')) > replaced.oldest
)";

/// The last mutation of each table that has had any, by its number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LastMutations(BTreeMap<String, u64>);

impl ClickHouse {
    /// The mutations asked for so far.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn last_mutations(&self) -> Result<LastMutations, ChError> {
        let sql = "SELECT table, max(toUInt64OrZero(extract(mutation_id, '[0-9]+'))) FROM system.mutations \
                   WHERE database = currentDatabase() GROUP BY table";
        Ok(LastMutations(self.ask(&Sql::new(sql)).fetch_all::<(String, u64)>().await?.into_iter().collect()))
    }

    /// Whether these mutations, and those before them, have changed all parts.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or says why it cannot change a part; it goes on trying.
    pub async fn are_mutations_done(&self, last: &LastMutations) -> Result<bool, ChError> {
        let sql = "SELECT table, toUInt64OrZero(extract(mutation_id, '[0-9]+')) AS number, latest_fail_reason \
                   FROM system.mutations WHERE database = currentDatabase() AND NOT is_done ORDER BY table, number";
        let undone: Vec<(String, u64, String)> = self.ask(&Sql::new(sql)).fetch_all().await?;
        let mut of_these = undone
            .into_iter()
            .filter(|(table, number, _)| last.0.get(table).is_some_and(|last| number <= last))
            .map(|(_, _, reason)| reason)
            .peekable();
        let is_done = of_these.peek().is_none();
        match of_these.find(|reason| !reason.is_empty()) {
            Some(reason) => Err(ChError::BadResponse(reason)),
            None => Ok(is_done),
        }
    }

    /// Has ClickHouse forget the deletes that are done, and remove their texts. As long as it remembers one it takes every
    /// statement for one that must leave out rows, and answers none from counts that parts bring along.
    ///
    /// Those stay of which it still has parts from before: if a loss of power damages the part that took the place of such a
    /// one, the old one is back at the next start, and the delete is needed again.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or does not let us; its answers are right either way.
    pub async fn forget_deletes_done(&self) -> Result<(), ChError> {
        self.client().query_raw(FORGET).execute().await
    }

    /// Asks for a mutation. Questions answer as if it were done.
    pub(super) async fn mutate(&self, sql: &str) -> Result<(), ChError> {
        let mutation = self
            .client()
            .query_raw(sql)
            .with_setting("mutations_sync", "0")
            .with_setting("lightweight_deletes_sync", "0")
            .with_setting("max_query_size", "67108864")
            .execute();
        tokio::time::timeout(CLIENT_TIMEOUT, mutation).await.map_err(|_| ChError::TimedOut)?
    }
}
