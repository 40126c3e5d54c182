//! Where data lives.

use std::path::PathBuf;

use super::Secret;

/// Options of the two stores. Without a URL, the store is embedded: a child process with its data in the data directory.
#[derive(Debug, Clone, clap::Args)]
pub struct StoresConfig {
    /// Postgres server to use instead of the embedded one: postgres://user:password@host:5432/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Secret>,
    /// ClickHouse server to use instead of the embedded one: http://user:password@host:8123/database
    #[arg(long, env = "CLICKHOUSE_URL", hide_env_values = true)]
    pub clickhouse_url: Option<Secret>,
    /// Directory for the spool and the embedded stores. Default: /var/lib/tenrec for root, else $XDG_DATA_HOME/tenrec.
    #[arg(long, env = "TENREC_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The node_modules directory with the embedded stores. Default: beside the binary or in the working directory.
    #[arg(long, env = "TENREC_PARTS_DIR")]
    pub parts_dir: Option<PathBuf>,
    /// Memory the embedded ClickHouse engine may use, in MB.
    #[arg(long, env = "TENREC_ENGINE_MEMORY_MB", default_value_t = 1500, value_parser = clap::value_parser!(u64).range(300..))]
    pub engine_memory_mb: u64,
    /// When capture answers 200: once events are on this machine's disk (spool), or once both stores have them (store), for
    /// platforms whose disk is not kept.
    #[arg(long, env = "TENREC_ACK", value_enum, default_value_t = Ack::Spool)]
    pub ack: Ack,
    /// Most connections to Postgres.
    #[arg(long, env = "TENREC_DATABASE_CONNECTIONS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=200))]
    pub database_connections: u32,
}

/// What an acknowledgement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Ack {
    /// The events are on this machine's disk.
    Spool,
    /// Both stores have the events. Nothing is kept on disk; while a store is away, capture answers 503.
    Store,
}

impl StoresConfig {
    /// The data directory: as configured, else the system's place for it.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        if let Some(dir) = &self.data_dir {
            return dir.clone();
        }
        if nix::unistd::Uid::effective().is_root() {
            return PathBuf::from("/var/lib/tenrec");
        }
        let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        var("XDG_DATA_HOME")
            .or_else(|| var("HOME").map(|home| home.join(".local/share")))
            .unwrap_or_else(std::env::temp_dir)
            .join("tenrec")
    }
}
