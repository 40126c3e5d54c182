//! How far the spool's events are stored, and how they were cut into batches.
//!
//! The file grows by a record for each batch: one write and one sync. It is written anew, with the records that are still
//! wanted, when the spool is opened and when it has grown.

use std::io;

use super::disk::{DirFile, Disk};
use super::frame::{u32_at, u64_at};

const NAME: &str = "cursor";
const MAGIC: &[u8; 8] = b"TENRECCU";
const VERSION: u32 = 2;
/// A header takes the room of a record, so that no record stands across two sectors.
const RECORD: usize = 32;
/// Bytes of a cursor of version 1: a single position.
const V1: usize = 40;
/// Records that are always worth an append rather than a new file.
const FEW: usize = 2048;

/// The durable position of the reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Every frame up to this number is in both stores.
    pub stored: u64,
    /// The last frame of the batch under way; not above `stored` if there is none.
    pub pending: u64,
}

/// A position, and when it was noted, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub cursor: Cursor,
    pub at: i64,
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..8].copy_from_slice(&self.cursor.stored.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.cursor.pending.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.at.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let sound = crc32fast::hash(&bytes[..28]) == u32_at(bytes, 28);
        let cursor = Cursor { stored: u64_at(bytes, 0), pending: u64_at(bytes, 8) };
        sound.then(|| Self { cursor, at: u64_at(bytes, 16).cast_signed() })
    }
}

/// The records in the bytes of a cursor file, oldest first: all that are whole. Never panics, whatever it is given.
pub(super) fn read_records(bytes: &[u8]) -> Vec<Record> {
    if bytes.get(..8) != Some(MAGIC) || bytes.len() < RECORD {
        return Vec::new();
    }
    match u32_at(bytes, 8) {
        1 if bytes.len() == V1 && crc32fast::hash(&bytes[..36]) == u32_at(bytes, 36) => {
            vec![Record { cursor: Cursor { stored: u64_at(bytes, 16), pending: u64_at(bytes, 24) }, at: 0 }]
        }
        VERSION => bytes[RECORD..].chunks_exact(RECORD).filter_map(Record::read).collect(),
        _ => Vec::new(),
    }
}

/// The records from this moment on, and the one before them: the end of its batch may be younger.
pub(super) fn recent(records: &[Record], since: i64) -> &[Record] {
    let first = records.iter().position(|record| record.at >= since).unwrap_or(records.len());
    &records[first.saturating_sub(1)..]
}

/// The bytes of a file with these records.
pub(super) fn to_bytes(records: &[Record]) -> Vec<u8> {
    let mut bytes = vec![0; RECORD];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    records.iter().for_each(|record| bytes.extend_from_slice(&record.to_bytes()));
    bytes
}

/// The cursor file.
#[derive(Debug)]
pub(super) struct CursorLog {
    records: Vec<Record>,
    /// The file to append to; `None` before it was written by this process, and after a write of it failed.
    file: Option<Box<dyn DirFile>>,
    /// With more records than this it is written anew.
    most: usize,
}

impl CursorLog {
    /// Reads the file. Without one, or if it is damaged, no position is known.
    pub fn open(disk: &Disk) -> io::Result<Self> {
        let bytes = disk.read(NAME)?;
        let records = bytes.as_deref().map(read_records).unwrap_or_default();
        if bytes.is_some() && records.is_empty() {
            tracing::warn!("The spool's cursor is damaged: reading again from the oldest segment");
        }
        Ok(Self { records, file: None, most: 0 })
    }

    /// Where the file stands; `None` if nothing is known.
    pub fn cursor(&self) -> Option<Cursor> {
        self.records.last().map(|record| record.cursor)
    }

    /// Whether the file durably stands here. What another process left may be in the page cache only, if its last sync failed.
    pub fn stands_at(&self, cursor: Cursor) -> bool {
        self.file.is_some() && self.cursor() == Some(cursor)
    }

    /// All positions that are still known, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Notes a position, durably. Records from before `since` may go.
    ///
    /// # Errors
    /// If the disk fails; the file then says what it said, or this.
    pub fn save(&mut self, disk: &Disk, record: Record, since: i64) -> io::Result<()> {
        if let Some(file) = self.file.take().filter(|_| self.records.len() < self.most) {
            // Taken out: what a failed write or sync left is not built upon.
            file.write_at(&record.to_bytes(), ((self.records.len() + 1) * RECORD) as u64)?;
            file.sync()?;
            self.file = Some(file);
            self.records.push(record);
            return Ok(());
        }
        let mut records = recent(&self.records, since).to_vec();
        records.push(record);
        let file = disk.replace(NAME, &to_bytes(&records))?;
        self.most = FEW.max(2 * records.len());
        (self.records, self.file) = (records, Some(file));
        Ok(())
    }
}
