//! Noticing that ClickHouse hangs.

use std::time::Duration;

use super::ClickHouse;

/// A question that takes longer than this is worth another one: whether ClickHouse answers at all.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// The longest that it may take to say that it is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl ClickHouse {
    /// Ends when ClickHouse is found to hang: it says nothing, not even that it is there. To be waited for beside a question,
    /// which may take long and may not be waited for in vain.
    pub async fn until_away(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if tokio::time::timeout(ANSWER_WITHIN, self.is_there()).await != Ok(true) {
                tracing::warn!("ClickHouse does not answer: a question was given up");
                return;
            }
        }
    }
}
