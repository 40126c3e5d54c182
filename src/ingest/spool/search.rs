//! Looking through what waits in the spool, for the question where an event is.

use std::io;
use std::sync::Arc;

use super::Spool;
use super::frame::{Contents, FrameHeader, SEGMENT_HEADER, resync, whole};
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
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let segments: Vec<_> =
                shared.segments().iter().filter(|s| !s.sealed || s.last_seq > stored).cloned().collect();
            let (mut found, mut left) = (Vec::new(), MOST_BYTES);
            for segment in segments {
                let Some(rest) = left.checked_sub(segment.len) else {
                    return Ok(Waiting { found, is_complete: false });
                };
                left = rest;
                // Nothing if it was stored and removed since.
                let Some(bytes) = shared.disk.read(&segment.name)? else { continue };
                let durable = usize::try_from(segment.len).unwrap_or(usize::MAX).min(bytes.len());
                for arrivals in frames(&bytes[..durable], stored) {
                    found.append(&mut look(arrivals));
                }
            }
            Ok(Waiting { found, is_complete: true })
        };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
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
