//! What a page can do without.

use super::ExploreError;
use crate::storage::ch::{ChError, ClickHouse};

/// What was read; `None` if ClickHouse is away: nobody takes the question, or it hangs. A question that only takes long is
/// waited for.
///
/// # Errors
/// As `read` does, but for ClickHouse being away.
pub async fn unless_away<T>(
    ch: &ClickHouse,
    read: impl Future<Output = Result<T, ExploreError>>,
) -> Result<Option<T>, ExploreError> {
    match ch.or_away(read).await {
        Err(ExploreError::Ch(error @ (ChError::Network(_) | ChError::TimedOut))) => {
            tracing::warn!(%error, "ClickHouse does not answer");
            Ok(None)
        }
        found => found.map(Some),
    }
}
