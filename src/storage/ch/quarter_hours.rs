//! Counts of events by quarters of an hour, which parts of the table bring along (`migrations/clickhouse/0016`).
//!
//! A part without them, or with damaged ones, is read instead of them: it is right and slower, and is not merged with others.

use super::{ChError, ClickHouse, Sql};

const INCOMPLETE: &str = "SELECT assumeNotNull(
    (SELECT count() FROM system.parts
     WHERE database = currentDatabase() AND table = 'events' AND active AND rows > 0
       AND NOT has(projections, 'quarter_hours'))
  + (SELECT count() FROM system.projection_parts
     WHERE database = currentDatabase() AND table = 'events' AND active AND name = 'quarter_hours' AND is_broken))";

const UNDER_WAY: &str = "SELECT count() FROM system.mutations
WHERE database = currentDatabase() AND table = 'events' AND NOT is_done AND position(command, 'quarter_hours') > 0";

/// Whether a statement reads quarters of an hour, and so may be answered from their counts.
pub(super) fn may_be_counted(sql: &Sql) -> bool {
    sql.text().contains("toStartOfFifteenMinutes(events.timestamp)")
}

impl ClickHouse {
    /// Has ClickHouse work the counts out for all parts that lack them, in its background; how many do. They were written
    /// before there were counts, or lost them with the power: nothing waits until counts are on disk, for rows are.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or does not let us look.
    pub async fn complete_quarter_hours(&self) -> Result<u64, ChError> {
        let number = |sql: &'static str| self.client().query_raw(sql).fetch_one::<u64>();
        let parts = number(INCOMPLETE).await?;
        if parts > 0 && number(UNDER_WAY).await? == 0 {
            let change = self.client().query_raw("ALTER TABLE events MATERIALIZE PROJECTION quarter_hours");
            change.with_setting("mutations_sync", "0").execute().await?;
        }
        Ok(parts)
    }
}
