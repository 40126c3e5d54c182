//! Both stores, embedded or not.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::config::StoresConfig;
use crate::embedded::{Embedded, EmbeddedError, EmbeddedSockets};
use crate::storage::ch::{ClickHouse, ClickHouseAddress};
use crate::storage::pg::{Pg, PgAddress};

/// The database of the embedded stores, in each of them.
const DATABASE: &str = "tenrec";

/// Clients of both stores, and the children behind them.
#[derive(Debug)]
pub struct Stores {
    pub pg: Pg,
    pub ch: ClickHouse,
    /// None if another Tenrec holds the data directory, and we use its stores.
    embedded: Option<Embedded>,
    data_dir: PathBuf,
}

impl Stores {
    /// Takes the data directory, starts what is embedded, and gives clients of both.
    ///
    /// # Errors
    /// If a URL is malformed or an embedded store does not start.
    pub async fn open(config: &StoresConfig) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("could not find the path of this program")?;
        let embedded = start(config, &program).await??;
        Self::new(config, Some(embedded))
    }

    /// Like [`Stores::open`], but uses the stores of a Tenrec that runs on the same data directory already.
    ///
    /// # Errors
    /// As there.
    pub async fn open_or_join(config: &StoresConfig) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("could not find the path of this program")?;
        match start(config, &program).await? {
            Ok(embedded) => Self::new(config, Some(embedded)),
            Err(EmbeddedError::InUse { .. }) => Self::new(config, None),
            Err(e) => Err(e.into()),
        }
    }

    fn new(config: &StoresConfig, embedded: Option<Embedded>) -> anyhow::Result<Self> {
        let sockets = embedded.as_ref().map_or_else(|| EmbeddedSockets::of(config), |e| e.sockets().clone());
        let pg = match (&config.database_url, sockets.postgres) {
            (Some(url), _) => url.expose().parse()?,
            (None, dir) => PgAddress::Socket {
                dir: dir.expect("without a URL Postgres is embedded"),
                database: DATABASE.to_owned(),
            },
        };
        let ch = match (&config.clickhouse_url, sockets.engine) {
            (Some(url), _) => url.expose().parse()?,
            (None, path) => ClickHouseAddress::Socket {
                path: path.expect("without a URL ClickHouse is embedded"),
                database: DATABASE.to_owned(),
            },
        };
        let data_dir = embedded.as_ref().map_or_else(|| config.data_dir(), |e| e.data_dir().path().to_owned());
        Ok(Self {
            pg: Pg::new(pg.options(), config.database_connections),
            ch: ClickHouse::new(&ch),
            embedded,
            data_dir,
        })
    }

    /// Whether the data directory is held by another Tenrec.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.embedded.is_none()
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Closes the clients and stops the children: 10 s at most.
    pub async fn close(self) {
        self.pg.close().await;
        if let Some(embedded) = self.embedded {
            let _ = tokio::task::spawn_blocking(move || embedded.stop()).await;
        }
    }
}

async fn start(config: &StoresConfig, program: &Path) -> anyhow::Result<Result<Embedded, EmbeddedError>> {
    // A malformed URL is told before anything is started.
    if let Some(url) = &config.database_url {
        url.expose().parse::<PgAddress>()?;
    }
    if let Some(url) = &config.clickhouse_url {
        url.expose().parse::<ClickHouseAddress>()?;
    }
    let (config, program) = (config.clone(), program.to_owned());
    tokio::task::spawn_blocking(move || Embedded::start(&config, &program))
        .await
        .context("the start of the stores panicked")
}
