//! What is added to events.

use std::path::PathBuf;

/// Options of what Tenrec finds out about the sender of an event.
#[derive(Debug, Clone, clap::Args)]
pub struct EnrichConfig {
    /// Database of addresses in MaxMind's format (.mmdb). Default: the country database among the parts, if it is there.
    #[arg(long, env = "TENREC_GEOIP_DB")]
    pub geoip_db: Option<PathBuf>,
    /// Keep the address of the client on its events, as $ip. By default it is dropped once its country is known.
    #[arg(long, env = "TENREC_STORE_IP")]
    pub store_ip: bool,
}
