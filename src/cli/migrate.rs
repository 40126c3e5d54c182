//! `tenrec migrate`.

use anyhow::{Context, bail};

use crate::app::{self, Stores};
use crate::config::Config;

/// Options of `tenrec migrate`.
#[derive(Debug, clap::Args)]
pub struct MigrateArgs {
    /// Change nothing; fail if a migration is pending.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    pub config: Config,
}

/// Migrates both stores, or says what is pending.
pub(super) async fn run(args: &MigrateArgs) -> anyhow::Result<()> {
    let stores = Stores::open_or_join(&args.config.stores).await?;
    let result = if args.check { check(&stores).await } else { app::migrate(&stores.pg, &stores.ch).await };
    stores.close().await;
    result?;
    println!("Both schemas are up to date.");
    Ok(())
}

async fn check(stores: &Stores) -> anyhow::Result<()> {
    let pending = list_pending(stores).await?;
    if pending.is_empty() {
        return Ok(());
    }
    bail!("pending migrations: {}; run `tenrec migrate`", pending.join(", "))
}

/// What is pending, named for people.
pub(super) async fn list_pending(stores: &Stores) -> anyhow::Result<Vec<String>> {
    let pg = stores.pg.list_pending_migrations().await.context("could not ask Postgres for its migrations")?;
    let ch = stores.ch.list_pending_migrations().await.context("could not ask ClickHouse for its migrations")?;
    let pg = pg.into_iter().map(|name| format!("Postgres {name}"));
    Ok(pg.chain(ch.into_iter().map(|version| format!("ClickHouse {version}"))).collect())
}
