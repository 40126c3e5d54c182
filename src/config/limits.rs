//! How much is too much. Sizes are after decompression.

use clap::builder::RangedU64ValueParser as Whole;
use serde::{Deserialize, Serialize};

/// Limits on what capture accepts.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitsConfig {
    /// Largest body of a capture request, in bytes; 46 MiB at most.
    #[arg(long, env = "TENREC_MAX_BODY_BYTES", default_value_t = 20 << 20, value_parser = Whole::<usize>::new().range(1024..=46 << 20))]
    pub max_body_bytes: usize,
    /// Largest single event, in bytes of its JSON.
    #[arg(long, env = "TENREC_MAX_EVENT_BYTES", default_value_t = 1 << 20, value_parser = Whole::<usize>::new().range(1024..=46 << 20))]
    pub max_event_bytes: usize,
    /// Largest event of a language model, in bytes of its JSON, where SDKs send those to an address of their own.
    #[arg(long, env = "TENREC_MAX_AI_EVENT_BYTES", default_value_t = 8 << 20, value_parser = Whole::<usize>::new().range(1024..=46 << 20))]
    pub max_ai_event_bytes: usize,
    /// How many times its size a body may become when it is unpacked; the first MiB of it is free. What becomes more is a bomb.
    #[arg(long, env = "TENREC_MAX_UNPACK_RATIO", default_value_t = 100, value_parser = Whole::<usize>::new().range(10..=10_000))]
    pub max_unpack_ratio: usize,
    /// Most values in the JSON of one request, however short they are: each takes a hundred bytes of memory and more.
    #[arg(long, env = "TENREC_MAX_REQUEST_VALUES", default_value_t = 2_000_000, value_parser = Whole::<usize>::new().range(10_000..=20_000_000))]
    pub max_request_values: usize,
    #[command(flatten)]
    pub event: EventLimits,
    #[command(flatten)]
    pub queries: QueryLimits,
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

/// Limits on questions: those of insights, from pages and over the API.
#[derive(Debug, Clone, clap::Args)]
pub struct QueryLimits {
    /// Questions that are answered at once; others wait their turn. A store of its own with more cores takes more.
    #[arg(long, env = "TENREC_MAX_QUERIES", default_value_t = 8, value_parser = Whole::<usize>::new().range(1..=1000))]
    pub max_queries: usize,
    /// Questions of one project that are answered at once; the last place is for people, not for programs.
    #[arg(long, env = "TENREC_MAX_QUERIES_PER_PROJECT", default_value_t = 4, value_parser = Whole::<usize>::new().range(1..=1000))]
    pub max_queries_per_project: usize,
    /// How long a question waits for its turn before it is answered 429 or 503, in seconds.
    #[arg(long, env = "TENREC_QUERY_WAIT_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub query_wait_seconds: u64,
    /// Memory for answers that may be given again, in MB; 0 keeps none. None is given again after a minute.
    #[arg(long, env = "TENREC_QUERY_CACHE_MB", default_value_t = 64, value_parser = Whole::<usize>::new().range(0..=100_000))]
    pub query_cache_mb: usize,
}

/// Limits on what is inside an event. Nothing is refused by these: what is over one is cut, kept as its text or replaced, and
/// the event says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default)]
pub struct EventLimits {
    /// Most properties of one event, and of each $set in it; the first ones stay.
    #[arg(long, env = "TENREC_MAX_EVENT_PROPERTIES", default_value_t = EventLimits::DEFAULT.max_event_properties, value_parser = Whole::<usize>::new().range(50..=10_000))]
    pub max_event_properties: usize,
    /// Most values in the objects and arrays among an event's properties; of what has more, the JSON text is kept.
    #[arg(long, env = "TENREC_MAX_EVENT_VALUES", default_value_t = EventLimits::DEFAULT.max_event_values, value_parser = Whole::<usize>::new().range(100..=100_000))]
    pub max_event_values: usize,
    /// Longest key of a property, in bytes; longer ones are cut.
    #[arg(long, env = "TENREC_MAX_KEY_BYTES", default_value_t = EventLimits::DEFAULT.max_key_bytes, value_parser = Whole::<usize>::new().range(64..=1000))]
    pub max_key_bytes: usize,
    /// Longest text, in bytes; longer ones are cut. A text of a language model may be as long as its event.
    #[arg(long, env = "TENREC_MAX_TEXT_BYTES", default_value_t = EventLimits::DEFAULT.max_text_bytes, value_parser = Whole::<usize>::new().range(2048..=46 << 20))]
    pub max_text_bytes: usize,
    /// How deep objects and arrays may nest, an event's properties being the first level; of what is deeper, the JSON text is
    /// kept.
    #[arg(long, env = "TENREC_MAX_NESTING", default_value_t = EventLimits::DEFAULT.max_nesting, value_parser = Whole::<usize>::new().range(2..=100))]
    pub max_nesting: usize,
    /// An event that claims to be further ahead than this, in hours, happened when it arrived.
    #[arg(long, env = "TENREC_MAX_EVENT_AHEAD_HOURS", default_value_t = EventLimits::DEFAULT.max_event_ahead_hours, value_parser = clap::value_parser!(u32).range(1..=8760))]
    pub max_event_ahead_hours: u32,
    /// An event that claims to be older than this, in days, happened when it arrived: one of a migration, too. 0 for no limit.
    #[arg(long, env = "TENREC_MAX_EVENT_AGE_DAYS", default_value_t = EventLimits::DEFAULT.max_event_age_days, value_parser = clap::value_parser!(u32).range(0..=36_500))]
    pub max_event_age_days: u32,
}

impl EventLimits {
    /// Where nothing else is said.
    pub const DEFAULT: Self = Self {
        max_event_properties: 1000,
        max_event_values: 2000,
        max_key_bytes: 200,
        max_text_bytes: 64 << 10,
        max_nesting: 64,
        // A day's worth of wrong time zone passes.
        max_event_ahead_hours: 23,
        max_event_age_days: 0,
    };

    /// Whether these are the defaults.
    #[must_use]
    pub fn are_default(&self) -> bool {
        *self == Self::DEFAULT
    }
}

impl Default for EventLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

fn at_least_one(s: &str) -> Result<usize, String> {
    s.parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(|| "must be a number, 1 or more".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{Args, FromArgMatches};

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<LimitsConfig, clap::Error> {
        let command = LimitsConfig::augment_args(clap::Command::new("tenrec").no_binary_name(true));
        let matches = command.mut_args(|arg| arg.env(None)).try_get_matches_from(arguments)?;
        LimitsConfig::from_arg_matches(&matches)
    }

    #[test]
    fn what_is_inside_an_event_has_the_defaults_that_are_written_down() {
        let limits = parsed(&[]).expect("every limit has a default");
        assert_eq!(limits.event, EventLimits::DEFAULT);
        assert_eq!(limits.event, EventLimits::default());
    }

    #[test]
    fn every_limit_is_within_bounds_and_a_wrong_one_is_named() {
        for (name, least, most) in [
            ("max-body-bytes", 1024, 46 << 20),
            ("max-event-bytes", 1024, 46 << 20),
            ("max-ai-event-bytes", 1024, 46 << 20),
            ("max-unpack-ratio", 10, 10_000),
            ("max-request-values", 10_000, 20_000_000),
            ("max-event-properties", 50, 10_000),
            ("max-event-values", 100, 100_000),
            ("max-key-bytes", 64, 1000),
            ("max-text-bytes", 2048, 46 << 20),
            ("max-nesting", 2, 100),
            ("max-event-ahead-hours", 1, 8760),
            ("max-event-age-days", 0, 36_500),
        ] {
            for right in [least, most] {
                parsed(&[&format!("--{name}={right}")]).unwrap_or_else(|e| panic!("{name} {right}: {e}"));
            }
            for wrong in [(least - 1).to_string(), (most + 1).to_string(), "many".to_owned(), "1.5".to_owned()] {
                let error = parsed(&[&format!("--{name}={wrong}")]).expect_err(name);
                assert_eq!(error.kind(), ErrorKind::ValueValidation);
                let text = error.to_string();
                assert!(text.contains(name) && text.contains(&wrong), "{text}");
            }
        }
    }

    #[test]
    fn limits_are_kept_as_what_differs_and_unknown_ones_are_left_out() {
        let read: EventLimits = serde_json::from_str(r#"{"max_key_bytes":100,"of_tomorrow":1}"#).expect("limits");
        assert_eq!(read, EventLimits { max_key_bytes: 100, ..EventLimits::DEFAULT });
    }
}
