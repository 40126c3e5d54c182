//! `tenrec engine`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;

use crate::config::Secret;
use crate::embedded::Parts;
use crate::engine::{self, EngineOptions};
use crate::telemetry;

/// Options of the engine process.
#[derive(Debug, clap::Args)]
pub struct EngineArgs {
    /// Directory of the engine's data.
    #[arg(long)]
    data_dir: PathBuf,
    /// Serve on this Unix socket, to this user alone.
    #[arg(long)]
    socket: Option<PathBuf>,
    /// Serve on this loopback address too, to user `default` with a password. Port 0 takes a free one.
    #[arg(long, requires = "password")]
    listen: Option<SocketAddr>,
    /// The password for --listen.
    #[arg(long, env = "TENREC_ENGINE_PASSWORD", hide_env_values = true)]
    password: Option<Secret>,
    /// The engine's library, libchdb.so. Default: the one among the parts.
    #[arg(long)]
    library: Option<PathBuf>,
    /// Memory for all statements together, in bytes.
    #[arg(long, default_value_t = EngineOptions::DEFAULT_MEMORY_LIMIT_BYTES)]
    memory_limit_bytes: u64,
    /// Statements that run side by side; more wait.
    #[arg(long, default_value_t = EngineOptions::DEFAULT_MAX_QUERIES)]
    max_queries: usize,
    /// End when standard input closes.
    #[arg(long)]
    exit_with_stdin: bool,
    /// What to log on standard error, in the syntax of tracing's EnvFilter.
    #[arg(long, default_value = "info")]
    log: String,
}

/// Runs the engine until SIGTERM. Starts no thread before it is confined.
pub(super) fn run(args: EngineArgs) -> anyhow::Result<()> {
    telemetry::start_on_stderr(&args.log).context("--log is no log filter")?;
    let library = match args.library {
        Some(library) => library,
        None => {
            let program = std::env::current_exe().context("could not find the path of this program")?;
            Parts::find(None, &program)?.engine_library()?
        }
    };
    engine::run(&EngineOptions {
        library,
        data_dir: args.data_dir,
        socket: args.socket,
        listen: args.listen,
        password: args.password.map(|password| password.expose().to_owned()),
        memory_limit_bytes: args.memory_limit_bytes,
        max_queries: args.max_queries,
        exit_with_stdin: args.exit_with_stdin,
    })
}
