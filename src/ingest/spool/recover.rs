//! What is found when the spool is opened.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::cursor::Cursor;
use super::disk::Disk;
use super::frame::{BadHeader, SEGMENT_HEADER, SegmentHeader, resync, whole};
use super::shared::Segment;

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpoolOpenError {
    /// The directory cannot be made, read or locked.
    #[error("the spool directory cannot be used: {0}")]
    Io(#[from] io::Error),
    /// Its format is not known here.
    #[error("{path} was written by a newer Tenrec (spool version {version}): install that version again")]
    Newer { path: String, version: u32 },
}

#[derive(Debug)]
pub(super) struct Recovered {
    pub disk: Arc<Disk>,
    pub node: Uuid,
    /// `None` if there is none, or it is damaged.
    pub cursor: Option<Cursor>,
    /// Oldest first, all sealed.
    pub segments: Vec<Segment>,
    /// The number of the next frame.
    pub next_seq: u64,
    /// How many numbers before that no frame has.
    pub skipped: u32,
    pub torn_bytes: u64,
}

/// Reads the directory and cuts the newest segment behind its last whole frame.
pub(super) fn recover(disk: Disk) -> Result<Recovered, SpoolOpenError> {
    let node = match disk.read_named("node")?.and_then(|bytes| Uuid::from_slice(&bytes).ok()) {
        Some(node) => node,
        None => {
            let node = Uuid::new_v4();
            disk.replace_named("node", node.as_bytes())?;
            node
        }
    };
    let cursor = disk.read_named("cursor")?.and_then(|bytes| {
        let cursor = Cursor::read(&bytes);
        if cursor.is_none() {
            tracing::warn!("The spool's cursor is damaged: reading again from the oldest segment");
        }
        cursor
    });

    let mut segments = Vec::new();
    let mut highest_name = 0;
    for (name, path) in disk.segments()? {
        let (first_seq, skipped) = match read_header(&path)? {
            Ok(header) => (header.first_seq, header.skipped.into()),
            Err(BadHeader::Damaged) => (name, u64::MAX),
            Err(BadHeader::Newer(version)) => {
                return Err(SpoolOpenError::Newer { path: path.display().to_string(), version });
            }
        };
        let len = std::fs::metadata(&path)?.len();
        highest_name = highest_name.max(name);
        segments.push(Segment { path, first_seq, last_seq: 0, skipped, len, sealed: true });
    }
    segments.sort_by_key(|s| s.first_seq);

    let mut torn_bytes = 0;
    let mut last_seq = cursor.map_or(0, |c| c.stored);
    while let Some(newest) = segments.last_mut() {
        let (end, seq) = scan(&disk.read(&newest.path)?);
        torn_bytes += newest.len.saturating_sub(end.max(SEGMENT_HEADER as u64));
        match seq {
            Some(seq) => {
                if end < newest.len {
                    disk.cut(&newest.path, end)?;
                    newest.len = end;
                }
                newest.last_seq = seq;
                last_seq = last_seq.max(seq);
                break;
            }
            None => {
                disk.remove(&newest.path)?;
                segments.pop();
            }
        }
    }
    if torn_bytes > 0 {
        tracing::warn!(torn_bytes, "Cut {torn_bytes} bytes that a crash left half-written in the spool");
    }
    for at in (0..segments.len().saturating_sub(1)).rev() {
        let next = &segments[at + 1];
        let twin = segments[at].first_seq == next.first_seq;
        segments[at].last_seq = if twin { next.last_seq } else { next.first_seq.saturating_sub(1) };
    }

    // The reader goes by the numbers in headers: one that is ahead of the frames, as in a segment of another spool, must not
    // let it run ahead of what is appended next.
    let highest_begun = segments.last().map_or(0, |s| s.first_seq.saturating_sub(1));
    let highest = last_seq.max(highest_name).max(highest_begun).max(cursor.map_or(0, |c| c.pending));
    Ok(Recovered {
        disk: Arc::new(disk),
        node,
        cursor,
        segments,
        next_seq: highest.saturating_add(1),
        skipped: u32::try_from(highest - last_seq).unwrap_or(u32::MAX),
        torn_bytes,
    })
}

fn read_header(path: &Path) -> io::Result<Result<SegmentHeader, BadHeader>> {
    let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
    File::open(path)?.take(SEGMENT_HEADER as u64).read_to_end(&mut bytes)?;
    Ok(SegmentHeader::read(&bytes))
}

/// Where the last whole frame of a segment ends, and the highest number in it.
fn scan(bytes: &[u8]) -> (u64, Option<u64>) {
    let (mut at, mut end, mut highest) = (SEGMENT_HEADER, 0, None);
    while at < bytes.len() {
        if let Some((header, _)) = whole(&bytes[at..]) {
            at += header.frame_len();
            end = at;
            highest = highest.max(Some(header.seq));
        } else if let Some(next) = resync(bytes, at + 1) {
            at = next;
        } else {
            break;
        }
    }
    (end as u64, highest)
}
