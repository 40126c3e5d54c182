//! What Tenrec says about itself: the log and the metrics.

pub mod metrics;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::LogFormat;

/// Starts the log on standard output, once per process.
///
/// # Errors
/// If `filter` is not in the syntax of [`EnvFilter`].
pub fn start(filter: &str, format: LogFormat) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_target(false)
        .with_ansi(is_terminal);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Starts the log on standard error, for a process whose standard output says something else.
///
/// # Errors
/// If `filter` is not in the syntax of [`EnvFilter`].
pub fn start_on_stderr(filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
