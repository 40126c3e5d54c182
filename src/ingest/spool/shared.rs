//! What writer, reader, keeper and door know together.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use super::disk::Disk;
use super::frame::SEGMENT_HEADER;
use super::recover::Recovered;
use super::room::{Room, RoomConfig};
use super::{Keep, QUEUE_BYTES, SpoolConfig};
use crate::model::Clock;

/// What is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpoolPosition {
    /// Number of the last durable frame; 0 before the first.
    pub seq: u64,
    /// Entries appended since the spool was opened, accepted and rejected.
    pub events: u64,
}

/// Sizes and counters of a spool; what is counted is counted since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolStatus {
    /// Whether events are taken: there is room below the cap, and on the disk.
    pub is_accepting: bool,
    /// Bytes of all segments, and of appends under way.
    pub used_bytes: u64,
    /// Those of them that both stores have, kept for looking again after a power loss. They give way to new events.
    pub kept_bytes: u64,
    pub max_bytes: u64,
    /// Bytes free on the disk; `None` if nobody looked yet.
    pub free_bytes: Option<u64>,
    pub segments: usize,
    /// Events that are not stored yet. Those found when the spool was opened are counted within a moment.
    pub waiting_events: u64,
    /// Whether stored batches are looked at again, because the machine or a store lost its memory. New ones wait meanwhile.
    pub is_looking_again: bool,
    /// Bytes cut from the end of the newest segment when the spool was opened: never acknowledged.
    pub torn_bytes: u64,
    /// Places where whole frames could not be read. Each may be a loss.
    pub damaged: u64,
    /// Events in damaged frames, where the damage left their number readable: these are lost.
    pub lost_events: u64,
    /// Segments that must have been there and were not. Each is a loss.
    pub missing_segments: u64,
    /// Syncs or writes that failed; their events were refused.
    pub failed_writes: u64,
}

impl SpoolStatus {
    /// Bytes of events that are not stored yet.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.used_bytes.saturating_sub(self.kept_bytes)
    }
}

/// A segment on disk.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub name: String,
    pub first_seq: u64,
    /// Number of its last frame, if one is known.
    pub last_seq: u64,
    /// See [`super::frame::SegmentHeader`]; everything, if the header is damaged.
    pub skipped: u64,
    /// Bytes that may be read.
    pub len: u64,
    /// No more frames will be added.
    pub sealed: bool,
    /// Which `last_seq` was found stored, and when, in seconds since the epoch.
    pub stored: Option<(u64, i64)>,
}

impl Segment {
    /// Where its frames begin; where they are looked for, if the header is damaged and may have lost bytes.
    pub fn frames_at(&self) -> u64 {
        if self.skipped == u64::MAX { 0 } else { SEGMENT_HEADER as u64 }
    }

    /// Since when both stores have all of it, as the cursor on disk says.
    fn stored_at(&self) -> Option<i64> {
        self.stored.filter(|(seq, _)| self.sealed && *seq == self.last_seq).map(|(_, at)| at)
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub disk: Arc<Disk>,
    pub node: Uuid,
    pub clock: Clock,
    pub durable: watch::Sender<SpoolPosition>,
    pub close: watch::Sender<bool>,
    pub room: Room,
    pub room_config: RoomConfig,
    pub keep: Keep,
    /// Set while stored batches are looked at again: none grows too old meanwhile.
    pub is_looking_again: AtomicBool,
    /// Events appended and not stored. Parts are added in any order, so that it may be below zero for a moment.
    pub waiting_events: AtomicI64,
    segments: Mutex<VecDeque<Segment>>,
    /// Held while segments are removed: the front stays the front.
    removing: Mutex<()>,
    used: AtomicU64,
    reserved: AtomicU64,
    max_bytes: u64,
    torn_bytes: u64,
    pub damaged: AtomicU64,
    pub lost_events: AtomicU64,
    pub missing: AtomicU64,
    pub failed: AtomicU64,
}

impl Shared {
    pub fn new(recovered: &Recovered, config: &SpoolConfig) -> Self {
        Self {
            disk: Arc::clone(&recovered.disk),
            node: recovered.node,
            clock: config.clock.clone(),
            durable: watch::Sender::new(SpoolPosition { seq: recovered.next_seq - 1, events: 0 }),
            close: watch::Sender::new(false),
            room: Room::new(),
            room_config: config.room,
            keep: config.keep.clone(),
            is_looking_again: AtomicBool::new(recovered.again.is_some()),
            waiting_events: AtomicI64::new(0),
            used: AtomicU64::new(recovered.segments.iter().map(|s| s.len).sum()),
            segments: Mutex::new(recovered.segments.iter().cloned().collect()),
            removing: Mutex::new(()),
            reserved: AtomicU64::new(0),
            max_bytes: config.max_bytes,
            torn_bytes: recovered.torn_bytes,
            damaged: AtomicU64::new(0),
            lost_events: AtomicU64::new(0),
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
        let waiting = self.reserved.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // An empty queue takes any append that fits a frame, so that no size is refused for ever.
        let fits_queue = waiting <= QUEUE_BYTES || waiting == bytes;
        let fits_cap = || self.used.load(Ordering::Relaxed) + waiting <= self.max_bytes;
        // What is only kept makes way.
        while fits_queue && !fits_cap() {
            if !self.remove_oldest(|_| true) {
                return None;
            }
        }
        (fits_queue && self.room.is_open()).then_some(reserved)
    }

    pub fn add_used(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that the cursor on disk says: stored up to this number.
    pub fn note_stored(&self, seq: u64) {
        let now = self.now();
        for segment in self.segments().iter_mut().take_while(|s| s.first_seq <= seq) {
            if segment.last_seq <= seq && segment.stored.is_none_or(|(noted, _)| noted != segment.last_seq) {
                segment.stored = Some((segment.last_seq, now));
            }
        }
    }

    /// Removes stored segments that are kept no longer: for their age, for their size, or because the spool nears its cap.
    pub fn sweep(&self) {
        let now = self.now();
        let most_age = i64::try_from(self.keep.time.as_secs()).unwrap_or(i64::MAX);
        let is_looking_again = self.is_looking_again.load(Ordering::Relaxed);
        // A clock that was ahead once must not keep them for ever.
        self.segments().iter_mut().filter_map(|s| s.stored.as_mut()).for_each(|(_, at)| *at = now.min(*at));
        while self.remove_oldest(|stored_at| {
            let is_old = now.saturating_sub(stored_at) >= most_age && !is_looking_again;
            let used = self.used.load(Ordering::Relaxed) + self.reserved.load(Ordering::Relaxed);
            is_old || self.kept_bytes() > self.keep.max_bytes || used > self.max_bytes / 4 * 3
        }) {}
    }

    /// Removes the oldest segment if it is stored and `wanted` says so, given since when it is stored.
    pub fn remove_oldest(&self, wanted: impl Fn(i64) -> bool) -> bool {
        let _one_at_a_time = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((name, stored_at, len)) =
            self.segments().front().and_then(|s| Some((s.name.clone(), s.stored_at()?, s.len)))
        else {
            return false;
        };
        if !wanted(stored_at) {
            return false;
        }
        if let Err(error) = self.disk.remove(&name) {
            tracing::warn!(error = %error, "A stored segment of the spool cannot be removed");
            return false;
        }
        self.segments().pop_front();
        self.used.fetch_sub(len, Ordering::Relaxed);
        true
    }

    fn kept_bytes(&self) -> u64 {
        self.segments().iter().filter(|s| s.stored_at().is_some()).map(|s| s.len).sum()
    }

    /// Seconds since the epoch.
    pub fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// From when on stored batches may be looked at again.
    pub fn kept_since(&self) -> i64 {
        self.now().saturating_sub(i64::try_from(self.keep.time.as_secs()).unwrap_or(i64::MAX))
    }

    pub fn status(&self) -> SpoolStatus {
        let used_bytes = self.used.load(Ordering::Relaxed) + self.reserved.load(Ordering::Relaxed);
        let kept_bytes = self.kept_bytes();
        SpoolStatus {
            is_accepting: self.room.is_open() && used_bytes.saturating_sub(kept_bytes) < self.max_bytes,
            used_bytes,
            kept_bytes,
            max_bytes: self.max_bytes,
            free_bytes: self.room.free(),
            segments: self.segments().len(),
            waiting_events: u64::try_from(self.waiting_events.load(Ordering::Relaxed)).unwrap_or(0),
            is_looking_again: self.is_looking_again.load(Ordering::Relaxed),
            torn_bytes: self.torn_bytes,
            damaged: self.damaged.load(Ordering::Relaxed),
            lost_events: self.lost_events.load(Ordering::Relaxed),
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
            shared.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}
