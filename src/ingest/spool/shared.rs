//! What writer, reader and door know together.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use super::QUEUE_BYTES;
use super::disk::Disk;
use super::recover::Recovered;

/// What is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpoolPosition {
    /// Number of the last durable frame; 0 before the first.
    pub seq: u64,
    /// Entries appended since the spool was opened, accepted and rejected.
    pub events: u64,
}

/// Sizes and counters of a spool since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolStatus {
    /// Bytes of all segments, and of appends under way.
    pub used_bytes: u64,
    pub max_bytes: u64,
    pub segments: usize,
    /// Bytes cut from the end of the newest segment when the spool was opened: never acknowledged.
    pub torn_bytes: u64,
    /// Places where whole frames could not be read. Each may be a loss.
    pub damaged: u64,
    /// Segments that must have been there and were not. Each is a loss.
    pub missing_segments: u64,
    /// Syncs or writes that failed; their events were refused.
    pub failed_writes: u64,
}

/// A segment on disk.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub path: PathBuf,
    pub first_seq: u64,
    /// Number of its last frame, if one is known.
    pub last_seq: u64,
    /// See [`super::frame::SegmentHeader`]; everything, if the header is damaged.
    pub skipped: u64,
    /// Bytes that may be read.
    pub len: u64,
    /// No more frames will be added.
    pub sealed: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub disk: Arc<Disk>,
    pub node: Uuid,
    pub durable: watch::Sender<SpoolPosition>,
    pub close: watch::Sender<bool>,
    segments: Mutex<VecDeque<Segment>>,
    used: AtomicU64,
    waiting: AtomicU64,
    max_bytes: u64,
    torn_bytes: u64,
    pub damaged: AtomicU64,
    pub missing: AtomicU64,
    pub failed: AtomicU64,
}

impl Shared {
    pub fn new(recovered: &Recovered, max_bytes: u64) -> Self {
        Self {
            disk: Arc::clone(&recovered.disk),
            node: recovered.node,
            durable: watch::Sender::new(SpoolPosition { seq: recovered.next_seq - 1, events: 0 }),
            close: watch::Sender::new(false),
            used: AtomicU64::new(recovered.segments.iter().map(|s| s.len).sum()),
            segments: Mutex::new(recovered.segments.iter().cloned().collect()),
            waiting: AtomicU64::new(0),
            max_bytes,
            torn_bytes: recovered.torn_bytes,
            damaged: AtomicU64::new(0),
            missing: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets room aside, or `None` if there is none.
    pub fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        let reserved = Reserved { shared: Some(Arc::clone(self)), bytes };
        let waiting = self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let used = self.used.load(Ordering::Relaxed);
        // An empty queue takes any append that fits a frame, so that no size is refused for ever.
        (used + waiting <= self.max_bytes && (waiting <= QUEUE_BYTES || waiting == bytes)).then_some(reserved)
    }

    pub fn add_used(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn sub_used(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn status(&self) -> SpoolStatus {
        SpoolStatus {
            used_bytes: self.used.load(Ordering::Relaxed) + self.waiting.load(Ordering::Relaxed),
            max_bytes: self.max_bytes,
            segments: self.segments().len(),
            torn_bytes: self.torn_bytes,
            damaged: self.damaged.load(Ordering::Relaxed),
            missing_segments: self.missing.load(Ordering::Relaxed),
            failed_writes: self.failed.load(Ordering::Relaxed),
        }
    }
}

/// Room set aside for an append under way; given back when dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    shared: Option<Arc<Shared>>,
    bytes: u64,
}

impl Reserved {
    pub const fn none() -> Self {
        Self { shared: None, bytes: 0 }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}
