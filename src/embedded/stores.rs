//! Both stores together.

use std::path::{Path, PathBuf};

use super::child::Supervised;
use super::data_dir::socket_dir;
use super::{DataDir, EmbeddedError, Parts, engine, postgres};
use crate::config::StoresConfig;

/// The embedded stores that the configuration asks for. Dropping this stops them.
#[derive(Debug)]
pub struct Embedded {
    // Stopped in this order, then the directory is given back.
    engine: Option<Supervised>,
    postgres: Option<Supervised>,
    sockets: EmbeddedSockets,
    data: DataDir,
}

/// Where the embedded stores listen.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedSockets {
    /// The directory of Postgres' socket, for port 5432, user and database `tenrec`.
    pub postgres: Option<PathBuf>,
    /// The engine's socket.
    pub engine: Option<PathBuf>,
}

impl EmbeddedSockets {
    /// Where the stores of a running Tenrec with this configuration listen.
    #[must_use]
    pub fn of(config: &StoresConfig) -> Self {
        let data = std::path::absolute(config.data_dir()).unwrap_or_else(|_| config.data_dir());
        let run = socket_dir(&data);
        Self {
            postgres: config.database_url.is_none().then(|| postgres::socket_dir(&run)),
            engine: config.clickhouse_url.is_none().then(|| engine::socket(&run)),
        }
    }
}

impl Embedded {
    /// Takes the data directory, starts each store that has no URL, and waits until they serve. **Blocks**: call it where
    /// blocking is allowed. `program` is Tenrec itself, which is also the engine.
    ///
    /// # Errors
    /// If the directory is not to be had, a part is missing, or a store does not start; the message is one line that says
    /// what to do.
    pub fn start(config: &StoresConfig, program: &Path) -> Result<Self, EmbeddedError> {
        let data = DataDir::open(&config.data_dir())?;
        let mut embedded = Self { engine: None, postgres: None, sockets: EmbeddedSockets::default(), data };
        if config.database_url.is_some() && config.clickhouse_url.is_some() {
            return Ok(embedded);
        }
        let parts = Parts::find(config.parts_dir.as_deref(), program)?;
        let run = embedded.data.make_socket_dir()?;
        // The engine loads while Postgres' files are made.
        if config.clickhouse_url.is_none() {
            let (child, socket) = engine::start(&embedded.data, &parts, &run, program, config.engine_memory_mb)?;
            embedded.engine = Some(child);
            embedded.sockets.engine = Some(socket);
        }
        if config.database_url.is_none() {
            let (child, sockets) = postgres::start(&embedded.data, &parts, &run)?;
            embedded.postgres = Some(child);
            embedded.sockets.postgres = Some(sockets);
        }
        for child in embedded.postgres.iter().chain(&embedded.engine) {
            child.wait_until_ready()?;
        }
        Ok(embedded)
    }

    /// Where they listen.
    #[must_use]
    pub fn sockets(&self) -> &EmbeddedSockets {
        &self.sockets
    }

    /// The data directory, ours while this lives.
    #[must_use]
    pub fn data_dir(&self) -> &DataDir {
        &self.data
    }

    /// Postgres' process id while it runs.
    #[must_use]
    pub fn postgres_pid(&self) -> Option<u32> {
        self.postgres.as_ref()?.pid()
    }

    /// The engine's process id while it runs.
    #[must_use]
    pub fn engine_pid(&self) -> Option<u32> {
        self.engine.as_ref()?.pid()
    }

    /// Stops both at once and waits until they have ended: 10 s at most. **Blocks.**
    pub fn stop(mut self) {
        std::thread::scope(|scope| {
            for child in self.engine.iter_mut().chain(&mut self.postgres) {
                scope.spawn(|| child.stop());
            }
        });
    }
}
