//! Workers, and the order in which everything ends.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What runs, and what ends it. Cheap to clone.
///
/// The end has two steps: first no more requests, then, when those in flight have been answered, no more work. So
/// nothing that was accepted finds its worker gone.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    no_more_requests: CancellationToken,
    no_more_work: CancellationToken,
    requests: TaskTracker,
    workers: TaskTracker,
    failure: Arc<OnceLock<String>>,
}

impl Lifecycle {
    /// A new one, with everything to come.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when no more requests are taken: the end has begun.
    #[must_use]
    pub fn no_more_requests(&self) -> CancellationToken {
        self.no_more_requests.clone()
    }

    /// Cancelled when workers shall finish what is queued, and return.
    #[must_use]
    pub fn no_more_work(&self) -> CancellationToken {
        self.no_more_work.clone()
    }

    /// Where tasks that belong to a request are started, so that the end waits for them.
    #[must_use]
    pub fn tasks(&self) -> &TaskTracker {
        &self.workers
    }

    /// Starts a worker that must live as long as the server: if it panics, fails or returns before it was asked to, the
    /// server stops and says so.
    pub fn spawn_worker<E>(&self, name: &'static str, work: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: std::fmt::Display + Send,
    {
        let this = self.clone();
        self.workers.spawn(async move {
            let on_panic = StopOnDrop { lifecycle: this.clone(), name };
            let result = work.await;
            std::mem::forget(on_panic);
            match result {
                Err(e) => this.fail(format!("the {name} failed: {e:#}")),
                Ok(()) if !this.no_more_work.is_cancelled() => this.fail(format!("the {name} ended by itself")),
                Ok(()) => {}
            }
        });
    }

    /// Begins the end because of a failure.
    fn fail(&self, reason: String) {
        tracing::error!("Stopping, because {reason}");
        let _ = self.failure.set(reason);
        self.no_more_requests.cancel();
    }

    /// Starts what takes requests. It must end soon after [`Lifecycle::no_more_requests`].
    pub fn spawn_requests(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.requests.spawn(work);
    }

    /// Begins the end, and waits until the requests in flight are answered.
    pub async fn stop_requests(&self) {
        self.no_more_requests.cancel();
        self.requests.close();
        self.requests.wait().await;
    }

    /// Ends the workers and waits for them, but not longer than `patience`.
    pub async fn stop_workers(&self, patience: Duration) {
        self.no_more_work.cancel();
        self.workers.close();
        if tokio::time::timeout(patience, self.workers.wait()).await.is_err() {
            tracing::warn!("Work is left after {patience:?}; what was accepted is in the spool for the next start");
        }
    }

    /// Why the end began, if not because somebody asked for it.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

/// Stops the server unless it is forgotten: a panic unwinds through it.
struct StopOnDrop {
    lifecycle: Lifecycle,
    name: &'static str,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        // Dropped with the runtime it is no panic.
        if std::thread::panicking() {
            self.lifecycle.fail(format!("the {} panicked", self.name));
        }
    }
}

/// The signals that end Tenrec.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes them over.
    pub fn watch() -> anyhow::Result<Self> {
        let watch = |kind| signal(kind).context("could not watch signals");
        Ok(Self { terminate: watch(SignalKind::terminate())?, interrupt: watch(SignalKind::interrupt())? })
    }

    /// Waits for the next; gives its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_worker_stops_the_server_and_is_named() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_worker("tester", async {
            if lifecycle_is_real() {
                panic!("on purpose");
            }
            Ok::<_, String>(())
        });
        lifecycle.no_more_requests().cancelled().await;
        assert_eq!(lifecycle.failure(), Some("the tester panicked"));
    }

    fn lifecycle_is_real() -> bool {
        true
    }

    #[tokio::test]
    async fn a_worker_that_was_asked_to_end_is_no_failure() {
        let lifecycle = Lifecycle::new();
        let stop = lifecycle.no_more_work();
        lifecycle.spawn_worker("tester", async move {
            stop.cancelled().await;
            Ok::<_, String>(())
        });
        lifecycle.stop_workers(Duration::from_secs(5)).await;
        assert_eq!(lifecycle.failure(), None);
        assert!(!lifecycle.no_more_requests().is_cancelled());
    }

    #[tokio::test]
    async fn a_worker_that_ends_by_itself_stops_the_server() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_worker("tester", async { Ok::<_, String>(()) });
        lifecycle.no_more_requests().cancelled().await;
        assert_eq!(lifecycle.failure(), Some("the tester ended by itself"));
    }
}
