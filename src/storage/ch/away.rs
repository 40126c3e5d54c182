//! Noticing that ClickHouse hangs.

use std::time::Duration;

use super::{ChError, ClickHouse};

/// A question that takes longer than this is worth another one: whether ClickHouse answers at all.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// The longest that it may take to say that it is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl ClickHouse {
    /// What is read or written, which may take long, but is not waited for in vain.
    ///
    /// # Errors
    /// As `ask` does; and [`ChError::TimedOut`] if ClickHouse is found to hang meanwhile: it says nothing, not even that it is
    /// there.
    pub async fn or_away<T, E: From<ChError>>(&self, ask: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        tokio::select! {
            found = ask => found,
            () = self.until_away() => Err(ChError::TimedOut.into()),
        }
    }

    /// Ends when ClickHouse is found to hang.
    async fn until_away(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if tokio::time::timeout(ANSWER_WITHIN, self.is_there()).await != Ok(true) {
                tracing::warn!("ClickHouse does not answer: a question was given up");
                return;
            }
        }
    }
}
