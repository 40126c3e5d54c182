//! Subcommands.

mod args;
mod demo;
mod doctor;
mod engine;
mod health;
mod migrate;
mod reset_password;

use std::process::ExitCode;

use anyhow::Context;

use crate::config::{Config, LogFormat};
use crate::{app, telemetry};

pub use args::{Command, parse};

/// Carries out a command. A failure is one line on standard error and exit code 1.
#[must_use]
pub fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Serve(config) => start_log(&config).and_then(|()| block_on(app::serve(*config))),
        Command::Migrate(args) => start_log(&args.config).and_then(|()| block_on(migrate::run(&args))),
        Command::Demo(args) => start_quiet_log(&args.config).and_then(|()| block_on(demo::run(*args))),
        Command::ResetPassword(args) => {
            start_quiet_log(&args.config).and_then(|()| block_on(reset_password::run(&args)))
        }
        Command::Doctor(config) => start_quiet_log(&config).and_then(|()| block_on(doctor::run(&config))),
        Command::Health(args) => health::run(&args),
        // Confines itself before it starts a thread, so it makes its own runtime.
        Command::Engine(args) => engine::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(config: &Config) -> anyhow::Result<()> {
    let filter = &config.server.log;
    telemetry::start(filter, config.server.log_format)
        .with_context(|| format!("TENREC_LOG={filter:?} is no log filter, such as info or tenrec=debug"))
}

/// For a command whose output is for people: only warnings beside it, unless more was asked for.
fn start_quiet_log(config: &Config) -> anyhow::Result<()> {
    match config.server.log.as_str() {
        "info" => telemetry::start("error", LogFormat::Text).context("could not start the log"),
        _ => start_log(config),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("could not start threads")?;
    let result = runtime.block_on(work);
    // A start that was interrupted may still wait for a child, which ends with us.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}
