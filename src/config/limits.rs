//! How much is too much. Sizes are after decompression.

/// Limits on what capture accepts.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitsConfig {
    /// Largest body of a capture request, in bytes.
    #[arg(long, env = "TENREC_MAX_BODY_BYTES", default_value_t = 20 << 20)]
    pub max_body_bytes: usize,
    /// Largest single event, in bytes of its JSON.
    #[arg(long, env = "TENREC_MAX_EVENT_BYTES", default_value_t = 1 << 20)]
    pub max_event_bytes: usize,
    /// Largest event of a language model, in bytes of its JSON, where SDKs send those to an address of their own.
    #[arg(long, env = "TENREC_MAX_AI_EVENT_BYTES", default_value_t = 8 << 20)]
    pub max_ai_event_bytes: usize,
    /// Most events a second of one project on the average, before capture answers 429; 0 for no limit. Server SDKs wait and
    /// send again, but the browser SDK drops what it hears 429 for.
    #[arg(long, env = "TENREC_EVENTS_PER_SECOND", default_value_t = 0)]
    pub events_per_second: u32,
    /// How many events of one project may come at once; 0 for ten seconds' worth. A larger batch passes if none came before.
    #[arg(long, env = "TENREC_EVENTS_BURST", default_value_t = 0)]
    pub events_burst: u32,
    /// Most capture requests a second from one address (of IPv6, from one /64) on the average, before capture answers 429; 0
    /// for no limit. Behind a proxy that is not in TENREC_TRUSTED_PROXIES everybody has the proxy's address.
    #[arg(long, env = "TENREC_REQUESTS_PER_SECOND_PER_IP", default_value_t = 0)]
    pub requests_per_second_per_ip: u32,
    /// How many capture requests may come at once from one address; 0 for ten seconds' worth.
    #[arg(long, env = "TENREC_REQUESTS_BURST_PER_IP", default_value_t = 0)]
    pub requests_burst_per_ip: u32,
    /// Connections open at once; more wait in the system's queue.
    #[arg(long, env = "TENREC_MAX_CONNECTIONS", default_value_t = 4096, value_parser = at_least_one)]
    pub max_connections: usize,
    /// Connections open at once from one address (of IPv6, from one /64); more are closed. Trusted proxies may have all.
    #[arg(long, env = "TENREC_MAX_CONNECTIONS_PER_IP", default_value_t = 2048, value_parser = at_least_one)]
    pub max_connections_per_ip: usize,
    /// Most that the spool may hold before capture answers 503, in MB.
    #[arg(long, env = "TENREC_SPOOL_MAX_MB", default_value_t = 4096)]
    pub spool_max_mb: u64,
    /// Most percent of the data directory's disk in use before capture answers 503.
    #[arg(long, env = "TENREC_DISK_MAX_USED_PERCENT", default_value_t = 95, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub disk_max_used_percent: u64,
    /// Least free space on the data directory's disk before capture answers 503, in MB.
    #[arg(long, env = "TENREC_DISK_MIN_FREE_MB", default_value_t = 1024)]
    pub disk_min_free_mb: u64,
    /// Space held on that disk for the stores, in MB: given to them when it is full, so that they can still clean up. 0 for none.
    #[arg(long, env = "TENREC_DISK_BALLAST_MB", default_value_t = 64)]
    pub disk_ballast_mb: u64,
    /// How long stored events stay in the spool, in minutes, to be looked at again after a power loss. 0 keeps none.
    #[arg(long, env = "TENREC_SPOOL_KEEP_MINUTES", default_value_t = 15)]
    pub spool_keep_minutes: u64,
    /// Most MB of stored events that stay in the spool.
    #[arg(long, env = "TENREC_SPOOL_KEEP_MAX_MB", default_value_t = 512)]
    pub spool_keep_max_mb: u64,
}

fn at_least_one(s: &str) -> Result<usize, String> {
    s.parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(|| "must be a number, 1 or more".to_owned())
}
