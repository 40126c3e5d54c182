//! The one thread that writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::SpoolError;
use super::disk::DirFile;
use super::frame::{Payload, SEGMENT_HEADER, SegmentHeader};
use super::shared::{Reserved, Segment, Shared};

/// Most bytes behind one sync: keeps the wait of the first in the group short.
const GROUP_BYTES: usize = 8 << 20;
/// An older segment is ended by the next append: what is stored can only be removed by the segment.
const SEGMENT_AGE: Duration = Duration::from_secs(15 * 60);

/// One append on its way to the disk.
#[derive(Debug)]
pub(super) struct Append {
    pub payload: Payload,
    /// With an empty payload: ends the segment, also while there is room.
    pub ends_segment: bool,
    pub reserved: Reserved,
    pub done: oneshot::Sender<Result<(), SpoolError>>,
}

impl Append {
    /// No events: only wakes the writer, or ends its segment.
    pub const fn empty(ends_segment: bool, done: oneshot::Sender<Result<(), SpoolError>>) -> Self {
        Self { payload: Payload::empty(), ends_segment, reserved: Reserved::none(), done }
    }
}

struct Open {
    file: Box<dyn DirFile>,
    len: u64,
    since: Instant,
}

/// An append whose frame is in the buffer.
struct Written {
    reserved: Reserved,
    done: oneshot::Sender<Result<(), SpoolError>>,
    events: u64,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    segment_bytes: u64,
    next_seq: u64,
    /// Numbers given out in vain since the last durable frame.
    skipped: u32,
    open: Option<Open>,
    buffer: Vec<u8>,
    group: Vec<Written>,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, segment_bytes: u64, next_seq: u64, skipped: u32) -> Self {
        Self { shared, segment_bytes, next_seq, skipped, open: None, buffer: Vec::new(), group: Vec::new() }
    }

    /// Writes until every [`super::Spool`] is gone, or one was closed and the queue is empty.
    pub fn run(mut self, mut appends: mpsc::Receiver<Append>) {
        while let Some(first) = appends.blocking_recv() {
            self.take(first);
            while self.buffer.len() < GROUP_BYTES
                && let Ok(next) = appends.try_recv()
            {
                self.take(next);
            }
            self.flush();
            if *self.shared.close.borrow() {
                appends.close(); // what is queued is still written: the loop ends when it is empty
            }
        }
    }

    fn take(&mut self, append: Append) {
        let Append { payload, ends_segment, reserved, done } = append;
        if payload.events == 0 {
            self.flush();
            if ends_segment || !self.shared.room.is_open() {
                self.seal_if_used();
            }
            done.send(Ok(())).ok();
            return;
        }
        let header = SEGMENT_HEADER as u64;
        let used = self.open.as_ref().map_or(header, |open| open.len) + self.buffer.len() as u64;
        let is_old = self.open.as_ref().is_some_and(|open| open.since.elapsed() > SEGMENT_AGE);
        if used > header && (is_old || used + payload.frame_len() > self.segment_bytes) {
            self.flush();
            self.seal();
        }
        payload.write(self.next_seq, &mut self.buffer);
        self.next_seq += 1;
        self.group.push(Written { reserved, done, events: payload.events.into() });
    }

    /// Makes the group durable and tells those who wait.
    fn flush(&mut self) {
        if self.group.is_empty() {
            return;
        }
        let frames = u32::try_from(self.group.len()).unwrap_or(u32::MAX);
        let outcome = self.write_group();
        let written = self.buffer.len() as u64;
        self.buffer.clear();
        if self.buffer.capacity() > 2 * GROUP_BYTES {
            self.buffer = Vec::new();
        }
        let events: u64 = self.group.iter().map(|w| w.events).sum();
        match outcome {
            Ok(()) => {
                self.skipped = 0;
                self.shared.add_used(written);
                self.shared.waiting_events.fetch_add(events.cast_signed(), Ordering::Relaxed);
                self.shared.durable.send_modify(|position| {
                    position.seq = self.next_seq - 1;
                    position.events += events;
                });
                for Written { done, reserved, .. } in self.group.drain(..) {
                    drop(reserved);
                    done.send(Ok(())).ok();
                }
            }
            Err(error) => {
                self.skipped = self.skipped.saturating_add(frames);
                self.shared.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(error = %error, events, "The spool could not be written, {events} events were refused");
                for Written { done, reserved, .. } in self.group.drain(..) {
                    drop(reserved);
                    done.send(Err(refusal(&error))).ok();
                }
            }
        }
    }

    fn write_group(&mut self) -> io::Result<()> {
        let first_seq = self.next_seq - self.group.len() as u64;
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin_segment(first_seq)?,
        };
        if let Err(error) = open.file.write_at(&self.buffer, open.len) {
            // Nothing was synced: once cut, the segment is as it was.
            let is_whole = open.file.set_len(open.len).is_ok();
            if is_whole && is_full(&error) && open.len == SEGMENT_HEADER as u64 {
                self.open = Some(open);
            } else {
                // Also on a full disk: only the space of an ended segment comes back once it is stored.
                self.seal();
            }
            return Err(error);
        }
        if let Err(error) = open.file.sync() {
            // Whether the bytes are on disk is unknowable now, and a second sync may say so falsely.
            open.file.set_len(open.len).ok();
            self.seal();
            return Err(error);
        }
        let len = open.len + self.buffer.len() as u64;
        if let Some(segment) = self.shared.segments().back_mut() {
            segment.len = len;
            segment.last_seq = self.next_seq - 1;
        }
        self.open = Some(Open { len, ..open });
        Ok(())
    }

    fn begin_segment(&self, first_seq: u64) -> io::Result<Open> {
        let header = SegmentHeader { node: self.shared.node, first_seq, skipped: self.skipped };
        let (name, file) = self.shared.disk.create_segment(first_seq, &header.to_bytes())?;
        let len = SEGMENT_HEADER as u64;
        self.shared.add_used(len);
        let skipped = self.skipped.into();
        let segment = Segment { name, first_seq, last_seq: first_seq - 1, skipped, len, sealed: false, stored: None };
        self.shared.segments().push_back(segment);
        Ok(Open { file, len, since: Instant::now() })
    }

    /// Ends the segment if a frame is in it: one without is as good as new, and nobody would remove it.
    fn seal_if_used(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.len > SEGMENT_HEADER as u64) {
            self.seal();
        }
    }

    fn seal(&mut self) {
        self.open = None;
        if let Some(segment) = self.shared.segments().back_mut() {
            segment.sealed = true;
        }
        // The reader shall let go of it, or its space would not come back.
        self.shared.durable.send_modify(|_| ());
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn refusal(error: &io::Error) -> SpoolError {
    if is_full(error) { SpoolError::Full } else { SpoolError::Failed(io::Error::new(error.kind(), error.to_string())) }
}
