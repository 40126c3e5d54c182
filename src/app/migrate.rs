//! Both schemas, brought up to date in one turn.

use anyhow::Context;

use crate::storage::ch::ClickHouse;
use crate::storage::pg::Pg;

/// Migrates both stores. Instances that start together take turns by a lock in Postgres; safe to repeat.
///
/// # Errors
/// If a store does not answer, refuses a statement, or was made by a newer Tenrec.
pub async fn migrate(pg: &Pg, ch: &ClickHouse) -> anyhow::Result<()> {
    let turn = pg.lock_migrations().await.context("could not reach Postgres to migrate it")?;
    let result = async {
        pg.migrate().await.context("could not migrate Postgres")?;
        ch.migrate().await.context("could not migrate ClickHouse")
    };
    let result = result.await;
    turn.release().await;
    result
}
