//! What is being answered: one run for all who ask the same, for as long as one of them waits.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::QueryKey;
use crate::insights::InsightError;

/// An answer of any type, and what is known of it.
#[derive(Debug)]
pub(super) struct Held {
    pub value: Box<dyn Any + Send + Sync>,
    /// Of the value, about.
    pub bytes: usize,
    pub fresh_for: Duration,
    /// When a store was asked, by the time of day and by [`crate::model::Clock::elapsed`].
    pub asked_at: Timestamp,
    pub asked: Duration,
}

pub(super) type Outcome = Result<Arc<Held>, InsightError>;

/// A run that somebody waits for. Dropping the last one of a run ends it.
#[derive(Debug)]
pub(super) struct Flight {
    outcome: watch::Receiver<Option<Outcome>>,
    has_begun: Arc<AtomicBool>,
    end: CancellationToken,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl Flight {
    /// Waits for the answer.
    pub async fn wait(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().expect("that is what was waited for"),
            Err(_) => Err(InsightError::Broken),
        }
    }
}

/// The runs by what they answer. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    by_key: Mutex<HashMap<QueryKey, (u64, Weak<Flight>)>>,
}

impl Flights {
    /// Joins the run of this question, or begins one. With `must_be_new` one is joined only if no store was asked yet: what
    /// happened until now is in its answer.
    ///
    /// `work` is told where to say that a store is being asked from now on.
    pub fn join<F>(
        &self,
        key: QueryKey,
        must_be_new: bool,
        tasks: &TaskTracker,
        work: impl FnOnce(Arc<AtomicBool>) -> F,
    ) -> (Arc<Flight>, bool)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut by_key = self.0.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let running = by_key.get(&key).and_then(|(_, flight)| flight.upgrade());
        if let Some(flight) = running.filter(|flight| !must_be_new || !flight.has_begun.load(Ordering::SeqCst)) {
            return (flight, true);
        }
        let (sender, outcome) = watch::channel(None);
        let has_begun = Arc::new(AtomicBool::new(false));
        let end = CancellationToken::new();
        let flight = Arc::new(Flight { outcome, has_begun: Arc::clone(&has_begun), end: end.clone() });
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        by_key.insert(key, (number, Arc::downgrade(&flight)));
        let landed = Landed { flights: self.clone(), key, number };
        let work = work(has_begun);
        tasks.spawn(async move {
            let outcome = end.run_until_cancelled(work).await;
            // Before the answer is told: who asks after it begins anew.
            drop(landed);
            if let Some(outcome) = outcome {
                sender.send_replace(Some(outcome));
            }
        });
        (flight, false)
    }

    /// How many runs there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.by_key.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Takes a run off the list, however it ended.
struct Landed {
    flights: Flights,
    key: QueryKey,
    number: u64,
}

impl Drop for Landed {
    fn drop(&mut self) {
        let mut by_key = self.flights.0.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if by_key.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            by_key.remove(&self.key);
        }
    }
}
