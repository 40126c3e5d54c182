//! Frames, in order, cut into batches.

mod looking_again;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};

use super::again::Again;
use super::cursor::{Cursor, CursorLog, Record};
use super::frame::{Contents, FrameHeader};
use super::reader::{BatchLimits, SpoolBatch};
use super::segment::{Damage, Frame, OpenSegment};
use super::shared::Shared;
use crate::ingest::Arrivals;
use crate::ingest::enrich::Enricher;

/// What [`SpoolReader`](super::SpoolReader) does, on its own thread.
#[derive(Debug)]
pub(super) struct Batches {
    shared: Arc<Shared>,
    cursor: CursorLog,
    /// Stored batches that are given out once more, before any other.
    again: Option<Again>,
    stored: u64,
    /// The highest number read or stored; `None` if neither is known, so that nothing is called missing.
    seen: Option<u64>,
    open: Option<OpenSegment>,
    /// Read and not given out yet, in order.
    ahead: VecDeque<ReadFrame>,
    /// Whether the segment just left ended in damage.
    tail_damaged: bool,
    /// Events in the batch that was given out last and is not stored yet.
    given: u64,
    pub enricher: Enricher,
    /// A batch that begins at or before this frame ends there.
    pub end_at: u64,
}

/// A frame with what is in it, or why that cannot be read.
#[derive(Debug)]
struct ReadFrame {
    header: FrameHeader,
    contents: Result<Arrivals, String>,
}

/// The frames of a batch.
#[derive(Default)]
struct Cut {
    first_seq: Option<u64>,
    last_seq: u64,
    arrivals: Arrivals,
    bytes: usize,
    /// As the headers say.
    counted: u64,
}

impl Batches {
    pub fn new(shared: Arc<Shared>, cursor: CursorLog, again: Option<Again>) -> Self {
        let stored = cursor.cursor().map(|c| c.stored);
        // What is only kept may have been removed: it is not missing.
        let seen = if again.is_some() { None } else { stored };
        let stored = again.as_ref().map_or(stored.unwrap_or(0), |again| again.from);
        Self {
            shared,
            cursor,
            again,
            stored,
            seen,
            open: None,
            ahead: VecDeque::new(),
            tail_damaged: false,
            given: 0,
            enricher: Enricher::default(),
            end_at: 0,
        }
    }

    pub fn stored(&self) -> u64 {
        self.stored
    }

    pub fn durably_stored(&self) -> u64 {
        self.cursor.cursor().map_or(0, |c| c.stored)
    }

    pub fn note_stored(&mut self, last_seq: u64) {
        if last_seq > self.stored {
            self.stored = last_seq;
            self.shared.waiting_events.fetch_sub(self.given.cast_signed(), Ordering::Relaxed);
            self.given = 0;
        }
    }

    /// See [`SpoolReader::next_or_none`](super::SpoolReader::next_or_none).
    pub fn next(&mut self, limits: BatchLimits) -> io::Result<Option<SpoolBatch>> {
        // A batch that was asked for and never stored begins anew.
        if self.seen > Some(self.stored) {
            self.begin_anew();
        }
        loop {
            let fixed_end = match &mut self.again {
                Some(again) => {
                    let Some(end) = again.end_after(self.stored) else {
                        self.finish_again()?;
                        continue;
                    };
                    Some(end)
                }
                None => self.cursor.cursor().map(|c| c.pending).filter(|pending| *pending > self.stored),
            };
            // Frames that were read before a failure would be left out by a second try.
            let cut = self.cut(fixed_end, limits).inspect_err(|_| self.begin_anew())?;
            let start = self.stored + 1;
            let Some(first_seq) = cut.first_seq.map(|first| if start > 1 { start } else { first }) else {
                // Nothing there, or nothing left of a batch that was fixed.
                self.stored = self.stored.max(fixed_end.unwrap_or(0));
                self.write_cursor(0)?;
                if fixed_end.is_none() {
                    return Ok(None);
                }
                continue;
            };
            self.seen = Some(cut.last_seq);
            let last_seq = fixed_end.unwrap_or(cut.last_seq);
            self.write_cursor(last_seq)?;
            let is_repeated = self.again.is_some();
            self.given = if is_repeated { 0 } else { cut.counted };
            let Arrivals { events, rejected } = cut.arrivals;
            return Ok(Some(SpoolBatch { id: self.id(first_seq), last_seq, is_repeated, events, rejected }));
        }
    }

    /// Makes the cursor durable.
    pub fn save(&mut self) -> io::Result<()> {
        // A batch under way keeps its boundaries.
        self.write_cursor(self.cursor.cursor().map(|c| c.pending).filter(|pending| *pending > self.stored).unwrap_or(0))
    }

    fn begin_anew(&mut self) {
        self.open = None;
        self.ahead.clear();
        self.seen = self.seen.map(|_| self.stored);
        self.tail_damaged = true; // what was read once is not called missing
    }

    fn cut(&mut self, fixed_end: Option<u64>, limits: BatchLimits) -> io::Result<Cut> {
        let mut cut = Cut { last_seq: self.stored, ..Cut::default() };
        while let Some(frame) = self.next_read()? {
            let header = &frame.header;
            let fits = match fixed_end {
                Some(end) => header.seq <= end,
                None => {
                    cut.first_seq.is_none_or(|first| first > self.end_at || header.seq <= self.end_at)
                        && (cut.first_seq.is_none()
                            || cut.arrivals.len() + header.events as usize <= limits.events
                                && cut.bytes + header.inflated <= limits.bytes)
                }
            };
            if !fits {
                self.ahead.push_front(frame);
                break;
            }
            cut.bytes += header.inflated;
            cut.counted += u64::from(header.events);
            cut.last_seq = header.seq;
            cut.first_seq.get_or_insert(header.seq);
            match frame.contents {
                Ok(more) => {
                    cut.arrivals.events.extend(more.events);
                    cut.arrivals.rejected.extend(more.rejected);
                }
                Err(reason) => {
                    self.shared.damaged.fetch_add(1, Ordering::Relaxed);
                    self.shared.lost_events.fetch_add(header.events.into(), Ordering::Relaxed);
                    tracing::error!(seq = cut.last_seq, reason, "A frame of the spool is sound but unreadable");
                }
            }
        }
        Ok(cut)
    }

    /// Reads one more frame of the batches to come; `false` if there is none now, or one batch is read.
    pub fn read_ahead(&mut self, limits: BatchLimits) -> bool {
        let events: usize = self.ahead.iter().map(|frame| frame.header.events as usize).sum();
        let bytes: usize = self.ahead.iter().map(|frame| frame.header.inflated).sum();
        if self.again.is_some() || events >= limits.events || bytes >= limits.bytes {
            return false;
        }
        match self.next_frame() {
            Ok(Some(frame)) => {
                let frame = self.read(&frame);
                self.ahead.push_back(frame);
                true
            }
            Ok(None) => false,
            // Whoever needs the frames meets the error again; what was read before it must not be left out then.
            Err(_) => {
                self.begin_anew();
                false
            }
        }
    }

    /// The next frame with what is in it.
    fn next_read(&mut self) -> io::Result<Option<ReadFrame>> {
        if let Some(frame) = self.ahead.pop_front() {
            return Ok(Some(frame));
        }
        Ok(self.next_frame()?.map(|frame| self.read(&frame)))
    }

    fn read(&self, Frame { header, payload }: &Frame) -> ReadFrame {
        ReadFrame { contents: self.arrivals(header, payload), header: *header }
    }

    fn arrivals(&self, header: &FrameHeader, payload: &[u8]) -> Result<Arrivals, String> {
        match header.contents(payload)? {
            Contents::Arrivals(arrivals) => Ok(arrivals),
            Contents::Request(request) => request.read(&self.enricher).map_err(|e| e.to_string()),
        }
    }

    /// The same for the same place in the same node's spool, different for all others. The place is where the batch before
    /// ended: frames may be gone from the front.
    fn id(&self, first_seq: u64) -> u64 {
        let mut id = [0; 8];
        let digest = Sha256::new().chain_update(self.shared.node).chain_update(first_seq.to_be_bytes()).finalize();
        id.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(id)
    }

    /// The next frame that is durable and not stored.
    fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            let Some(Extent { limit, sealed, last_seq }) = self.current()? else { return Ok(None) };
            let open = self.open.as_mut().expect("current() opened one");
            let (frame, damage) = open.next(limit)?;
            let is_damaged = damage.places > 0;
            if is_damaged {
                let highest = open.highest;
                self.count(&damage, highest, last_seq);
            }
            let open = self.open.as_mut().expect("current() opened one");
            match frame {
                Some(frame) if frame.header.seq > self.stored.max(open.highest) && frame.header.seq <= last_seq => {
                    open.highest = frame.header.seq;
                    return Ok(Some(frame));
                }
                Some(_) => {} // stored already, there twice, or not of this segment
                None if !sealed => return Ok(None),
                None => {
                    self.tail_damaged = is_damaged;
                    if !self.advance()? {
                        self.open.iter_mut().for_each(OpenSegment::close);
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Counts damage; what it cost, only where that was not stored or read from elsewhere before.
    fn count(&self, damage: &Damage, highest: u64, last_seq: u64) {
        let known = self.durably_stored().max(highest);
        let lost = damage.headers.iter().filter(|header| header.seq > known && header.seq <= last_seq);
        let lost_events: u64 = lost.map(|header| u64::from(header.events)).sum();
        self.shared.damaged.fetch_add(damage.places, Ordering::Relaxed);
        self.shared.lost_events.fetch_add(lost_events, Ordering::Relaxed);
        self.shared.waiting_events.fetch_sub(lost_events.cast_signed(), Ordering::Relaxed);
        let segment = self.open.as_ref().map_or("", |open| &open.name);
        tracing::error!(segment, lost_events, "A part of the spool is damaged and was skipped");
    }

    /// Opens the first segment if none is open, and says how far the open one may be read.
    fn current(&mut self) -> io::Result<Option<Extent>> {
        if self.open.is_none() && !self.advance()? {
            return Ok(None);
        }
        let name = &self.open.as_ref().expect("it was just opened").name;
        let segments = self.shared.segments();
        let segment = segments.iter().find(|s| &s.name == name);
        Ok(Some(match segment {
            Some(s) => Extent { limit: s.len, sealed: s.sealed, last_seq: s.last_seq },
            // Removed behind us, since all of it is stored.
            None => Extent { limit: 0, sealed: true, last_seq: 0 },
        }))
    }

    /// Goes to the segment after the open one, or to the first that may hold something; `false` if there is none.
    fn advance(&mut self) -> io::Result<bool> {
        let next = {
            let segments = self.shared.segments();
            let at = match &self.open {
                Some(open) => segments.iter().position(|s| s.name == open.name).map_or(0, |at| at + 1),
                None => segments.iter().position(|s| !s.sealed || s.last_seq > self.stored).unwrap_or(segments.len()),
            };
            segments.get(at).cloned()
        };
        let Some(next) = next else { return Ok(false) };
        let highest = self.open.as_ref().map_or(0, |open| open.highest);
        let open = match OpenSegment::open(&self.shared.disk, next.name.clone(), next.frames_at(), highest) {
            // Made way this moment, being only kept.
            Err(e) if e.kind() == io::ErrorKind::NotFound && self.again.is_some() => return self.advance(),
            open => open?,
        };
        let before = next.first_seq.saturating_sub(next.skipped).saturating_sub(1);
        let seen = self.seen.max((highest > 0).then_some(highest));
        let is_gap = match &self.again {
            None => seen.is_some_and(|seen| before > seen),
            // What is only kept may have made way; what is not stored may not.
            Some(_) => before > seen.unwrap_or(0).max(self.durably_stored()),
        };
        if is_gap && !self.tail_damaged {
            self.shared.missing.fetch_add(1, Ordering::Relaxed);
            tracing::error!(first = next.first_seq, "A segment of the spool is missing before this one");
        }
        self.tail_damaged = false;
        self.open = Some(open);
        Ok(true)
    }

    /// Writes the cursor, with the end of the batch under way or 0.
    fn write_cursor(&mut self, pending: u64) -> io::Result<()> {
        // Looking again leaves it where it is: it is right, and says how the rest was cut.
        if self.again.is_none() {
            let cursor = Cursor { stored: self.stored, pending };
            if !self.cursor.stands_at(cursor) {
                let (record, since) = (Record { cursor, at: self.shared.now() }, self.shared.kept_since());
                self.cursor.save(&self.shared.disk, record, since)?;
            }
            // Only now: a cursor that is older than the oldest segment would look like a loss.
            self.shared.note_stored(cursor.stored);
        }
        self.shared.sweep();
        Ok(())
    }
}

/// How far a segment may be read: all three taken at one moment.
struct Extent {
    limit: u64,
    sealed: bool,
    last_seq: u64,
}
