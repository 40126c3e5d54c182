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
    /// Most that the spool may hold before capture answers 503, in MB.
    #[arg(long, env = "TENREC_SPOOL_MAX_MB", default_value_t = 4096)]
    pub spool_max_mb: u64,
}
