//! Configuration: every option is a flag, an environment variable and a line of `--help` at once.
//!
//! An empty value counts as not given, because compose files and app manifests hand out empty variables.

mod enrich;
mod init;
mod limits;
mod secret;
mod server;
mod stores;
mod unknown;

pub use enrich::EnrichConfig;
pub use init::InitConfig;
pub use limits::{EventLimits, LimitsConfig, QueryLimits};
pub use secret::Secret;
pub use server::{LogFormat, ServerConfig};
pub use stores::{Ack, StoresConfig};
pub use unknown::{UnknownVariable, refuse_unknown_variables};

/// All that `tenrec serve` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    #[command(flatten)]
    pub server: ServerConfig,
    #[command(flatten)]
    pub stores: StoresConfig,
    #[command(flatten)]
    pub limits: LimitsConfig,
    #[command(flatten)]
    pub enrich: EnrichConfig,
    #[command(flatten)]
    pub init: InitConfig,
}

impl Config {
    /// The defaults, as with no flag and no variable: for tests to change.
    ///
    /// # Panics
    /// Never: every option has a default or may be absent.
    #[must_use]
    pub fn defaults() -> Self {
        use clap::{Args, FromArgMatches};
        let command =
            Config::augment_args(clap::Command::new("tenrec").no_binary_name(true)).mut_args(|arg| arg.env(None));
        let matches = command.try_get_matches_from::<_, &str>([]).expect("every option has a default");
        Self::from_arg_matches(&matches).expect("every option has a default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_need_nothing() {
        let config = Config::defaults();
        assert_eq!(config.server.port, 8000);
        assert!(config.stores.database_url.is_none());
    }
}
