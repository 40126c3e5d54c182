//! What the pipeline did and how far it is behind.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::quarantine;
use crate::model::Clock;
use crate::telemetry::metrics;

/// Counts since the start, and the lag.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PipelineStatus {
    /// Number of the last frame of the spool that both stores have.
    pub stored_seq: u64,
    /// Events stored.
    pub stored: u64,
    /// Events left out because their uuid was stored before.
    pub duplicates: u64,
    /// Events that a store had lost again, stored anew from what the spool kept.
    pub restored: u64,
    /// Events not stored, by reason; they are in the quarantine.
    pub quarantined: BTreeMap<&'static str, u64>,
    /// Things that events asked for and did not get, by reason; the events are stored.
    pub warnings: BTreeMap<&'static str, u64>,
    /// Tries that failed because a store was away or slow.
    pub retries: u64,
    /// Why the batch under way waits, if it does.
    pub waiting_for: Option<String>,
    /// Age of the oldest event that is being stored; zero when all is stored.
    pub lag: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct Counters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    stored: AtomicU64,
    duplicates: AtomicU64,
    restored: AtomicU64,
    retries: AtomicU64,
    /// Microseconds since the epoch; 0 for none.
    oldest: AtomicI64,
    by_reason: Mutex<ByReason>,
}

#[derive(Debug, Default)]
struct ByReason {
    quarantined: BTreeMap<&'static str, u64>,
    warnings: BTreeMap<&'static str, u64>,
    waiting_for: Option<String>,
}

impl Counters {
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            stored: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            restored: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            oldest: AtomicI64::new(0),
            by_reason: Mutex::default(),
        }))
    }

    pub fn stored(&self, events: usize) {
        self.0.stored.fetch_add(events as u64, Ordering::Relaxed);
        metrics::EVENTS_STORED.add(events as u64);
    }

    pub fn duplicates(&self, events: usize) {
        self.0.duplicates.fetch_add(events as u64, Ordering::Relaxed);
        metrics::EVENTS_DUPLICATE.add(events as u64);
    }

    pub fn restored(&self, events: usize) {
        self.0.restored.fetch_add(events as u64, Ordering::Relaxed);
        if events > 0 {
            tracing::warn!(events, "Stored {events} events again that a store had lost");
        }
    }

    pub fn quarantined(&self, reason: &'static str) {
        self.with(|by| *by.quarantined.entry(reason).or_default() += 1);
        metrics::EVENTS_QUARANTINED.with(reason).add(1);
    }

    pub fn warning(&self, reason: &'static str, times: u64) {
        self.with(|by| *by.warnings.entry(reason).or_default() += times);
    }

    pub fn retry(&self, why: String) {
        self.0.retries.fetch_add(1, Ordering::Relaxed);
        metrics::PIPELINE_RETRIES.add(1);
        self.with(|by| by.waiting_for = Some(why));
    }

    /// A batch begins, or all is stored.
    pub fn oldest(&self, received_at: Option<Timestamp>) {
        self.0.oldest.store(received_at.map_or(0, Timestamp::as_microsecond), Ordering::Relaxed);
        self.with(|by| by.waiting_for = None);
    }

    fn with(&self, change: impl FnOnce(&mut ByReason)) {
        change(&mut self.0.by_reason.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn status(&self, stored_seq: u64) -> PipelineStatus {
        let lag = match self.0.oldest.load(Ordering::Relaxed) {
            0 => 0,
            oldest => u64::try_from(self.0.clock.now().as_microsecond() - oldest).unwrap_or(0),
        };
        let by = self.0.by_reason.lock().unwrap_or_else(PoisonError::into_inner);
        PipelineStatus {
            stored_seq,
            stored: self.0.stored.load(Ordering::Relaxed),
            duplicates: self.0.duplicates.load(Ordering::Relaxed),
            restored: self.0.restored.load(Ordering::Relaxed),
            quarantined: by.quarantined.clone(),
            warnings: by.warnings.clone(),
            retries: self.0.retries.load(Ordering::Relaxed),
            waiting_for: by.waiting_for.clone(),
            lag: Duration::from_micros(lag),
        }
    }
}

/// Looks at a pipeline from outside. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PipelineHandle {
    stored: watch::Receiver<u64>,
    counters: Counters,
    quarantine_dir: PathBuf,
}

impl PipelineHandle {
    pub(super) fn new(stored: watch::Receiver<u64>, counters: Counters, quarantine_dir: PathBuf) -> Self {
        Self { stored, counters, quarantine_dir }
    }

    /// Waits until everything up to this position of the spool is stored: with [`Spool::position`] as it is now, all that
    /// was acknowledged so far. `false` if the pipeline ended before.
    ///
    /// [`Spool::position`]: crate::ingest::spool::Spool::position
    pub async fn stored_up_to(&self, position: u64) -> bool {
        self.stored.clone().wait_for(|stored| *stored >= position).await.is_ok()
    }

    /// Follows the number of the last stored frame.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.stored.clone()
    }

    /// Where events are kept that no store takes.
    #[must_use]
    pub fn quarantine_dir(&self) -> &Path {
        &self.quarantine_dir
    }

    /// How many bytes the quarantine takes on disk.
    ///
    /// # Errors
    /// If its directory cannot be read.
    pub async fn quarantine_bytes(&self) -> io::Result<u64> {
        let dir = self.quarantine_dir.clone();
        let look = move || match quarantine::size(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            size => size,
        };
        tokio::task::spawn_blocking(look).await.map_err(io::Error::other)?
    }

    /// Counts and lag, for health pages and metrics.
    #[must_use]
    pub fn status(&self) -> PipelineStatus {
        self.counters.status(*self.stored.borrow())
    }
}
