//! Looking through what is in the spool: where is an event, and what is there of a person?

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::Spool;
use super::frame::{Contents, FrameHeader, SEGMENT_HEADER, resync, whole};
use super::shared::{Segment, Shared};
use crate::ingest::Arrivals;
use crate::ingest::enrich::Enricher;

/// Most bytes of segments read for one search.
const MOST_BYTES: u64 = 256 << 20;

/// What a search found.
#[derive(Debug)]
pub struct Waiting<T> {
    pub found: Vec<T>,
    /// Whether all that waits was looked at.
    pub is_complete: bool,
}

/// A walk through all that was in the spool when it began, a segment at a time. Whoever walks may see to something else
/// between two, or give up.
#[derive(Debug)]
pub struct Walk {
    shared: Arc<Shared>,
    segments: VecDeque<Segment>,
    stored: u64,
}

impl Spool {
    /// Looks at every request after the frame `stored`, the oldest first, but not at more than 256 MiB.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn search<T: Send + 'static>(
        &self,
        stored: u64,
        mut look: impl FnMut(Arrivals) -> Vec<T> + Send + 'static,
    ) -> io::Result<Waiting<T>> {
        let Walk { shared, segments, .. } = self.walk(stored);
        let work = move || {
            let (mut found, mut left) = (Vec::new(), MOST_BYTES);
            for segment in segments {
                let Some(rest) = left.checked_sub(segment.len) else {
                    return Ok(Waiting { found, is_complete: false });
                };
                left = rest;
                found.append(&mut look_into(&shared, &segment, stored, &mut look)?);
            }
            Ok(Waiting { found, is_complete: true })
        };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }

    /// Begins a walk through every request after the frame `stored`, the oldest first, however much that is.
    #[must_use]
    pub fn walk(&self, stored: u64) -> Walk {
        let segments = self.shared.segments().iter().filter(|s| !s.sealed || s.last_seq > stored).cloned().collect();
        Walk { shared: Arc::clone(&self.shared), segments, stored }
    }
}

impl Walk {
    /// Looks at every request of the next segment; none if there is no further one.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn next<T: Send + 'static>(
        &mut self,
        mut look: impl FnMut(Arrivals) -> Vec<T> + Send + 'static,
    ) -> io::Result<Option<Vec<T>>> {
        let Some(segment) = self.segments.pop_front() else { return Ok(None) };
        let (shared, stored) = (Arc::clone(&self.shared), self.stored);
        let work = move || look_into(&shared, &segment, stored, &mut look);
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?.map(Some)
    }
}

/// What `look` finds in a segment; nothing if it was stored and removed since.
fn look_into<T>(
    shared: &Shared,
    segment: &Segment,
    stored: u64,
    look: &mut impl FnMut(Arrivals) -> Vec<T>,
) -> io::Result<Vec<T>> {
    let Some(bytes) = shared.disk.read(&segment.name)? else { return Ok(Vec::new()) };
    let durable = usize::try_from(segment.len).unwrap_or(usize::MAX).min(bytes.len());
    Ok(frames(&bytes[..durable], stored).flat_map(look).collect())
}

/// The readable frames of a segment after `stored`.
fn frames(bytes: &[u8], stored: u64) -> impl Iterator<Item = Arrivals> {
    let mut at = SEGMENT_HEADER;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let Some((header, payload)) = whole(&bytes[at..]) else {
                at = resync(bytes, at + 1)?;
                continue;
            };
            at += header.frame_len();
            if header.seq > stored
                && let Some(arrivals) = arrivals(header, payload)
            {
                return Some(arrivals);
            }
        }
        None
    })
}

/// What a frame holds; `None` if it cannot be read.
fn arrivals(header: FrameHeader, payload: &[u8]) -> Option<Arrivals> {
    match header.contents(payload).ok()? {
        Contents::Arrivals(arrivals) => Some(arrivals),
        Contents::Request(request) => request.read(&Enricher::default()).ok(),
    }
}
