//! Questions wait for the end of a batch that is being stored.
//!
//! Events are visible as soon as they are inserted; their people and sessions follow some milliseconds later. Who asked in
//! between would count events of nobody, in no session.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::ClickHouse;

/// A batch that cannot end, because a store is away, holds up no question for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Odd while a batch is half stored.
#[derive(Debug, Clone, Default)]
pub(super) struct Settling(Arc<watch::Sender<u64>>);

/// A batch is half stored while this lives.
#[derive(Debug)]
pub struct Unsettled(Settling);

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.0.0.send_modify(|changes| *changes += 1);
    }
}

impl Settling {
    fn begin(&self) -> Unsettled {
        self.0.send_modify(|changes| *changes += 1);
        Unsettled(self.clone())
    }

    async fn wait(&self) {
        let mut changes = self.0.subscribe();
        let now = *changes.borrow_and_update();
        if now % 2 == 1 {
            timeout(LONGEST_WAIT, changes.wait_for(|later| *later != now)).await.ok();
        }
    }
}

impl ClickHouse {
    /// The store of events holds part of a batch from now on, until what this gives is dropped. One at a time.
    #[must_use]
    pub fn unsettle(&self) -> Unsettled {
        self.settling.begin()
    }

    /// Waits until the batch that this process is storing now, if any, is whole; at most a second.
    pub async fn settled(&self) {
        self.settling.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_question_waits_for_the_batch_under_way_and_not_for_the_next() {
        let settling = Settling::default();
        settling.wait().await;
        let batch = settling.begin();
        let mut question = pin!(settling.wait());
        assert!((&mut question).now_or_never().is_none());
        drop(batch);
        let _next = settling.begin();
        assert!(question.now_or_never().is_some());
        assert!(settling.wait().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_batch_that_never_ends_holds_up_nobody_for_ever() {
        let settling = Settling::default();
        let _batch = settling.begin();
        settling.wait().await;
    }
}
