//! What is found when the spool is opened.

use std::io;
use std::sync::Arc;

use uuid::Uuid;

use super::again::{self, Again, Keep};
use super::cursor::CursorLog;
use super::disk::{Disk, read_full_at};
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
    pub cursor: CursorLog,
    /// Stored batches to hand out first.
    pub again: Option<Again>,
    /// Oldest first, all sealed.
    pub segments: Vec<Segment>,
    /// The number of the next frame.
    pub next_seq: u64,
    /// How many numbers before that no frame has.
    pub skipped: u32,
    pub torn_bytes: u64,
}

/// Reads the directory and cuts the newest segment behind its last whole frame.
pub(super) fn recover(disk: Disk, keep: &Keep) -> Result<Recovered, SpoolOpenError> {
    let node = match disk.read("node")?.and_then(|bytes| Uuid::from_slice(&bytes).ok()) {
        Some(node) => node,
        None => {
            let node = Uuid::new_v4();
            disk.replace("node", node.as_bytes())?;
            node
        }
    };
    let log = CursorLog::open(&disk)?;
    let cursor = log.cursor();

    let mut segments = Vec::new();
    let mut highest_name = 0;
    for (number, name) in disk.segments()? {
        let (header, len) = read_header(&disk, &name)?;
        let (first_seq, skipped) = match header {
            Ok(header) => (header.first_seq, header.skipped.into()),
            // Its name may be as wrong as its header.
            Err(BadHeader::Damaged) => (first_frame(&disk, &name)?.unwrap_or(number), u64::MAX),
            Err(BadHeader::Newer(version)) => return Err(SpoolOpenError::Newer { path: name, version }),
        };
        highest_name = highest_name.max(number);
        segments.push(Segment { name, first_seq, last_seq: 0, skipped, len, sealed: true, stored: None });
    }
    segments.sort_by_key(|s| s.first_seq);

    let mut torn_bytes = 0;
    let mut last_seq = cursor.map_or(0, |c| c.stored);
    while let Some(newest) = segments.last_mut() {
        let (end, seq) = scan(&disk.read(&newest.name)?.unwrap_or_default(), newest.frames_at() as usize);
        torn_bytes += newest.len.saturating_sub(end.max(SEGMENT_HEADER as u64));
        match seq {
            Some(seq) => {
                if end < newest.len {
                    disk.cut(&newest.name, end)?;
                    newest.len = end;
                }
                newest.last_seq = seq;
                last_seq = last_seq.max(seq);
                break;
            }
            None => {
                disk.remove(&newest.name)?;
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
    for segment in &mut segments {
        let stored = log.records().iter().find(|record| record.cursor.stored >= segment.last_seq);
        segment.stored = stored.map(|record| (segment.last_seq, record.at));
    }

    // The reader goes by the numbers in headers: one that is ahead of the frames, as in a segment of another spool, must not
    // let it run ahead of what is appended next.
    let highest_begun = segments.last().map_or(0, |s| s.first_seq.saturating_sub(1));
    let highest = last_seq.max(highest_name).max(highest_begun).max(cursor.map_or(0, |c| c.pending));
    Ok(Recovered {
        again: again::plan(&disk, keep, log.records(), &segments)?,
        disk: Arc::new(disk),
        node,
        cursor: log,
        segments,
        next_seq: highest.saturating_add(1),
        skipped: u32::try_from(highest - last_seq).unwrap_or(u32::MAX),
        torn_bytes,
    })
}

/// The header of a segment, and how long the file is.
fn read_header(disk: &Disk, name: &str) -> io::Result<(Result<SegmentHeader, BadHeader>, u64)> {
    let file = disk.open(name)?;
    let mut bytes = [0; SEGMENT_HEADER];
    let read = read_full_at(&*file, &mut bytes, 0)?;
    Ok((SegmentHeader::read(&bytes[..read]), file.len()?))
}

/// The number of the first whole frame of a segment.
fn first_frame(disk: &Disk, name: &str) -> io::Result<Option<u64>> {
    let bytes = disk.read(name)?.unwrap_or_default();
    let found = resync(&bytes, 0);
    Ok(found.and_then(|at| whole(&bytes[at..])).map(|(header, _)| header.seq))
}

/// Where the last whole frame of a segment ends, and the highest number in it.
fn scan(bytes: &[u8], from: usize) -> (u64, Option<u64>) {
    let (mut at, mut end, mut highest) = (from, 0, None);
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
