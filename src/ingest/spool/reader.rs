//! The pipeline's side: batches out, in order, and the cursor that says how far they are stored.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

use super::cursor::Cursor;
use super::frame::{Contents, FRAME_HEADER, FrameHeader, SEGMENT_HEADER, resync};
use super::shared::{Shared, SpoolPosition};
use crate::ingest::enrich::Enricher;
use crate::ingest::{AcceptedEvent, Arrivals, RejectedEvent};

const WINDOW: usize = 1 << 20;

/// How large a batch may become. One frame is always taken whole.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    pub events: usize,
    /// Of JSON.
    pub bytes: usize,
}

/// Events whose fate is decided together. Its boundaries are on disk: after a crash the same batch comes again.
#[derive(Debug, Clone)]
pub struct SpoolBatch {
    /// The same for the same events, different for all others: goes into every row.
    pub id: u64,
    /// Number of its last frame, for [`SpoolReader::stored`].
    pub last_seq: u64,
    pub events: Vec<AcceptedEvent>,
    /// What the door left out, for the ledger.
    pub rejected: Vec<RejectedEvent>,
}

/// Reads a spool. There is one for each.
#[derive(Debug)]
pub struct SpoolReader {
    shared: Arc<Shared>,
    inner: Arc<Mutex<Inner>>,
}

impl SpoolReader {
    pub(super) fn new(shared: Arc<Shared>, cursor: Option<Cursor>) -> Self {
        let inner = Inner {
            shared: Arc::clone(&shared),
            on_disk: cursor,
            stored: cursor.map_or(0, |c| c.stored),
            seen: cursor.map(|c| c.stored),
            open: None,
            ahead: None,
            tail_damaged: false,
            enricher: Enricher::default(),
        };
        Self { shared, inner: Arc::new(Mutex::new(inner)) }
    }

    /// The same reader, adding to the events of requests by this.
    #[must_use]
    pub fn with_enricher(self, enricher: Enricher) -> Self {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).enricher = enricher;
        self
    }

    /// The next batch, as soon as there is anything. Asks again for the same one until [`SpoolReader::stored`].
    /// Cancelling is safe.
    ///
    /// # Errors
    /// If the disk fails; nothing is skipped.
    pub async fn next(&self, limits: BatchLimits) -> io::Result<SpoolBatch> {
        let mut durable = self.shared.durable.subscribe();
        loop {
            durable.borrow_and_update();
            if let Some(batch) = self.next_or_none(limits).await? {
                return Ok(batch);
            }
            // The sender lives in `shared`, so this ends only when something was appended.
            durable.changed().await.ok();
        }
    }

    /// The next batch, or `None` if all is stored.
    ///
    /// # Errors
    /// If the disk fails; nothing is skipped.
    pub async fn next_or_none(&self, limits: BatchLimits) -> io::Result<Option<SpoolBatch>> {
        self.blocking(move |inner| inner.read_batch(limits)).await
    }

    /// Number of the last frame that both stores have.
    #[must_use]
    pub fn stored_seq(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).stored
    }

    /// This node's uuid: the same as long as the directory lives.
    #[must_use]
    pub fn node(&self) -> Uuid {
        self.shared.node
    }

    /// Follows what is durable.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<SpoolPosition> {
        self.shared.durable.subscribe()
    }

    /// Notes that both stores have this batch. Durable with the next batch, or with [`SpoolReader::save`].
    pub async fn stored(&self, last_seq: u64) -> io::Result<()> {
        self.blocking(move |inner| {
            inner.stored = inner.stored.max(last_seq);
            Ok(())
        })
        .await
    }

    /// Makes the cursor durable and removes the segments behind it.
    ///
    /// # Errors
    /// If the disk fails. The cursor is then older than it could be, which is harmless.
    pub async fn save(&self) -> io::Result<()> {
        self.blocking(|inner| {
            // A batch under way keeps its boundaries.
            let pending = inner.on_disk.map(|c| c.pending).filter(|pending| *pending > inner.stored).unwrap_or(0);
            inner.save(Cursor { stored: inner.stored, pending })
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let inner = Arc::clone(&self.inner);
        let work = move || work(&mut inner.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}

/// A frame that was read but not yet given out.
#[derive(Debug)]
struct Frame {
    header: FrameHeader,
    payload: Vec<u8>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// What the cursor file says; `None` if there is none yet.
    on_disk: Option<Cursor>,
    stored: u64,
    /// The highest number read or stored; `None` if neither is known, so that nothing is called missing.
    seen: Option<u64>,
    open: Option<OpenSegment>,
    ahead: Option<Frame>,
    /// Whether the segment just left ended in damage.
    tail_damaged: bool,
    enricher: Enricher,
}

impl Inner {
    fn read_batch(&mut self, limits: BatchLimits) -> io::Result<Option<SpoolBatch>> {
        // A batch that was asked for and never stored begins anew.
        if self.seen > Some(self.stored) {
            self.open = None;
            self.ahead = None;
            self.seen = Some(self.stored);
            self.tail_damaged = true; // what was read once is not called missing
        }
        let fixed_end = self.on_disk.map(|c| c.pending).filter(|pending| *pending > self.stored);
        let (mut events, mut rejected) = (Vec::new(), Vec::new());
        let (mut first_seq, mut last_seq, mut bytes) = (None, self.stored, 0);
        while let Some(frame) = self.next_frame()? {
            let Frame { header, payload } = &frame;
            let fits = match fixed_end {
                Some(end) => header.seq <= end,
                None => {
                    first_seq.is_none()
                        || (events.len() + rejected.len() + header.events as usize <= limits.events
                            && bytes + header.inflated <= limits.bytes)
                }
            };
            if !fits {
                self.ahead = Some(frame);
                break;
            }
            bytes += header.inflated;
            last_seq = header.seq;
            first_seq.get_or_insert(header.seq);
            match self.arrivals(header, payload) {
                Ok(more) => {
                    events.extend(more.events);
                    rejected.extend(more.rejected);
                }
                Err(reason) => {
                    self.shared.damaged.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(seq = header.seq, reason, "A frame of the spool is sound but unreadable");
                }
            }
        }
        let Some(first_seq) = first_seq else {
            // Nothing there, or nothing left of a batch that was fixed.
            self.stored = self.stored.max(fixed_end.unwrap_or(0));
            self.save(Cursor { stored: self.stored, pending: 0 })?;
            return if self.ahead.is_some() { self.read_batch(limits) } else { Ok(None) };
        };
        self.seen = Some(last_seq);
        let last_seq = fixed_end.unwrap_or(last_seq);
        self.save(Cursor { stored: self.stored, pending: last_seq })?;
        let mut id = [0; 8];
        let digest = Sha256::new().chain_update(self.shared.node).chain_update(first_seq.to_be_bytes()).finalize();
        id.copy_from_slice(&digest[..8]);
        Ok(Some(SpoolBatch { id: u64::from_be_bytes(id), last_seq, events, rejected }))
    }

    fn arrivals(&self, header: &FrameHeader, payload: &[u8]) -> Result<Arrivals, String> {
        match header.contents(payload)? {
            Contents::Arrivals(arrivals) => Ok(arrivals),
            Contents::Request(request) => request.read(&self.enricher).map_err(|e| e.to_string()),
        }
    }

    /// The next frame that is durable and not stored.
    fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        if let Some(frame) = self.ahead.take() {
            return Ok(Some(frame));
        }
        loop {
            let Some(Extent { limit, sealed, last_seq }) = self.current()? else { return Ok(None) };
            let open = self.open.as_mut().expect("current() opened one");
            let (frame, damaged) = open.next(limit)?;
            if damaged > 0 {
                self.shared.damaged.fetch_add(damaged, Ordering::Relaxed);
                tracing::error!(segment = %open.path.display(), "A part of the spool is damaged and was skipped");
            }
            match frame {
                Some(frame) if frame.header.seq > self.stored.max(open.highest) && frame.header.seq <= last_seq => {
                    open.highest = frame.header.seq;
                    return Ok(Some(frame));
                }
                Some(_) => {} // stored already, there twice, or not of this segment
                None if !sealed => return Ok(None),
                None => {
                    self.tail_damaged = damaged > 0;
                    if !self.advance()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Opens the first segment if none is open, and says how far the open one may be read.
    fn current(&mut self) -> io::Result<Option<Extent>> {
        if self.open.is_none() && !self.advance()? {
            return Ok(None);
        }
        let path = &self.open.as_ref().expect("it was just opened").path;
        let segments = self.shared.segments();
        let segment = segments.iter().find(|s| &s.path == path);
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
                Some(open) => segments.iter().position(|s| s.path == open.path).map_or(0, |at| at + 1),
                None => segments.iter().position(|s| !s.sealed || s.last_seq > self.stored).unwrap_or(segments.len()),
            };
            segments.get(at).cloned()
        };
        let Some(next) = next else { return Ok(false) };
        let highest = self.open.as_ref().map_or(0, |open| open.highest);
        if let Some(seen) = self.seen.max((highest > 0).then_some(highest))
            && next.first_seq.saturating_sub(next.skipped).saturating_sub(1) > seen
            && !self.tail_damaged
        {
            self.shared.missing.fetch_add(1, Ordering::Relaxed);
            tracing::error!(first = next.first_seq, "A segment of the spool is missing before this one");
        }
        self.tail_damaged = false;
        self.open = Some(OpenSegment {
            file: File::open(&next.path)?,
            path: next.path,
            window: Vec::new(),
            window_at: SEGMENT_HEADER as u64,
            pos: 0,
            highest,
        });
        Ok(true)
    }

    fn save(&mut self, cursor: Cursor) -> io::Result<()> {
        if self.on_disk != Some(cursor) {
            self.shared.disk.replace_named("cursor", &cursor.to_bytes())?;
            self.on_disk = Some(cursor);
        }
        // Only now: a cursor that is older than the oldest segment would look like a loss.
        while let Some(done) = self.stored_front() {
            self.shared.disk.remove(&done.path)?;
            self.shared.segments().pop_front();
            self.shared.sub_used(done.len);
        }
        Ok(())
    }

    /// The oldest segment, if all of it is stored.
    fn stored_front(&self) -> Option<super::shared::Segment> {
        let segments = self.shared.segments();
        let stored = self.on_disk.map_or(0, |c| c.stored);
        segments.front().filter(|s| s.sealed && s.last_seq <= stored).cloned()
    }
}

/// How far a segment may be read: all three taken at one moment.
struct Extent {
    limit: u64,
    sealed: bool,
    last_seq: u64,
}

/// A segment being read.
#[derive(Debug)]
struct OpenSegment {
    path: PathBuf,
    file: File,
    window: Vec<u8>,
    /// Where in the file the window starts.
    window_at: u64,
    /// Where in the window the next frame starts.
    pos: usize,
    /// The highest number given out so far, of earlier segments too.
    highest: u64,
}

impl OpenSegment {
    /// The next whole frame before `limit`, and how many damaged places were skipped on the way.
    fn next(&mut self, limit: u64) -> io::Result<(Option<Frame>, u64)> {
        let mut damaged = 0;
        loop {
            if self.fill(FRAME_HEADER, limit)? == 0 {
                return Ok((None, damaged));
            }
            if let Some(header) = FrameHeader::read(&self.window[self.pos..]) {
                self.fill(header.frame_len(), limit)?;
                let payload = self.window.get(self.pos + FRAME_HEADER..self.pos + header.frame_len());
                if let Some(payload) = payload.filter(|p| header.matches(p)) {
                    let payload = payload.to_vec();
                    self.pos += header.frame_len();
                    return Ok((Some(Frame { header, payload }), damaged));
                }
            }
            damaged += 1;
            self.fill(usize::MAX, limit)?;
            self.pos = resync(&self.window, self.pos + 1).unwrap_or(self.window.len());
        }
    }

    /// Reads until `want` bytes stand before the position, or all there are; gives how many do.
    fn fill(&mut self, want: usize, limit: u64) -> io::Result<usize> {
        let have = self.window.len() - self.pos;
        if have >= want {
            return Ok(have);
        }
        self.window.drain(..self.pos);
        self.window_at += self.pos as u64;
        self.pos = 0;
        if self.window.capacity() > 4 * WINDOW && want <= WINDOW {
            self.window.shrink_to(WINDOW);
        }
        let end = self.window_at + have as u64;
        let available = usize::try_from(limit.saturating_sub(end)).unwrap_or(usize::MAX);
        let more = want.saturating_sub(have).max(WINDOW).min(available);
        self.window.resize(have + more, 0);
        match self.file.read_exact_at(&mut self.window[have..], end) {
            Ok(()) => {}
            // Shorter than it was: somebody cut it. What is left is read.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                self.window.truncate(have);
                let mut rest = vec![0; more];
                let got = self.file.read_at(&mut rest, end)?;
                self.window.extend_from_slice(&rest[..got]);
            }
            Err(e) => {
                self.window.truncate(have);
                return Err(e);
            }
        }
        Ok(self.window.len())
    }
}
