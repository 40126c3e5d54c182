//! The command line.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::demo::DemoArgs;
use super::engine::EngineArgs;
use super::health::HealthArgs;
use super::migrate::MigrateArgs;
use super::reset_password::ResetPasswordArgs;
use crate::config::{Config, refuse_unknown_variables};

/// Self-hosted product analytics: one binary, nothing lost, nothing counted twice.
///
/// Without a command, `tenrec` serves.
#[derive(Debug, Parser)]
#[command(name = "tenrec", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What Tenrec can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve: capture, API and dashboard. The default.
    Serve(Box<Config>),
    /// Bring the schema of both stores up to date; `serve` does so by itself.
    Migrate(Box<MigrateArgs>),
    /// Check this machine and the configuration, and say what to do.
    Doctor(Box<Config>),
    /// Ask a server on this machine whether it is ready; for a container's health check.
    Health(HealthArgs),
    /// Fill a project with thirty days of a made-up shop.
    Demo(Box<DemoArgs>),
    /// Set a new password for a user who forgot theirs, and sign all their browsers out.
    ResetPassword(Box<ResetPasswordArgs>),
    /// Run the embedded ClickHouse engine alone, behind ClickHouse's HTTP interface.
    Engine(EngineArgs),
}

/// Parses arguments and environment. An empty variable counts as absent; a `TENREC_…` variable that no option reads is
/// refused.
///
/// # Errors
/// With what to print and the exit code, also for `--help` and `--version`.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let command = Cli::command();
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    refuse_unknown_variables(&command, names)
        .map_err(|e| command.clone().error(clap::error::ErrorKind::UnknownArgument, e))?;
    let matches = without_empty_variables(command).try_get_matches_from(with_default_command(args))?;
    Cli::from_arg_matches(&matches).map(|cli| cli.command)
}

/// `tenrec` and `tenrec --port 80` mean `tenrec serve …`.
fn with_default_command(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<_> = args.into_iter().collect();
    let first = args.get(1).map(|arg| arg.to_string_lossy().into_owned());
    let is_for_all = |arg: &str| ["-h", "--help", "-V", "--version"].contains(&arg);
    if first.is_none_or(|arg| arg.starts_with('-') && !is_for_all(&arg)) {
        args.insert(1.min(args.len()), "serve".into());
    }
    args
}

/// Forgets the variable of every option for which it is empty: compose files and app manifests hand out such.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| {
            let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
            if is_empty { arg.env(None) } else { arg }
        })
        .mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default() {
        let with = |args: &[&str]| with_default_command(args.iter().map(OsString::from));
        assert_eq!(with(&["tenrec"]), ["tenrec", "serve"]);
        assert_eq!(with(&["tenrec", "--port", "80"]), ["tenrec", "serve", "--port", "80"]);
        assert_eq!(with(&["tenrec", "doctor"]), ["tenrec", "doctor"]);
        assert_eq!(with(&["tenrec", "--help"]), ["tenrec", "--help"]);
    }
}
