//! A spool's directory whose files hold anything.

use std::fs;
use std::path::PathBuf;

use crate::ingest::AcceptedEvent;
use crate::ingest::spool::{BatchLimits, Spool, SpoolConfig};

const HEADER: usize = 48;
const FRAME: usize = 36;
const CURSOR: usize = 40;

/// The first byte says what there is: 1 a cursor of 40 bytes, 2 two segments, 4 checksums that are put right. Then a byte
/// that says where the second segment begins, the cursor, and the segments.
pub(super) fn enter(data: &[u8]) {
    let [what, split, rest @ ..] = data else { return };
    let (cursor, segments) = rest.split_at(if what & 1 == 0 { 0 } else { rest.len().min(CURSOR) });
    let (first, second) = segments.split_at(match what & 2 {
        0 => segments.len(),
        _ => segments.len() * usize::from(*split) / 256,
    });
    let is_summed = what & 4 != 0;

    let dir = Directory::new();
    let segment = |number: u64, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if is_summed {
            sum_segment(&mut bytes);
        }
        fs::write(dir.0.join(format!("{number:020}.seg")), bytes).expect("a file can be written");
    };
    segment(1, first);
    if !second.is_empty() {
        segment(2, second);
    }
    if !cursor.is_empty() {
        let mut bytes = cursor.to_vec();
        if is_summed && bytes.len() == CURSOR {
            bytes[..16].copy_from_slice(b"TENRECCU\x01\0\0\0\0\0\0\0");
            sum(&mut bytes, 36);
        }
        fs::write(dir.0.join("cursor"), bytes).expect("a file can be written");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(use_it(&dir.0));
}

/// Whatever is in it: it opens, what it takes comes out again, and what is stored does not come back.
async fn use_it(dir: &std::path::Path) {
    let config = SpoolConfig::new(dir.to_owned(), 64 << 20);
    // A segment of a newer version, or numbers at their end.
    let Ok((spool, reader)) = Spool::open(&config) else { return };
    if spool.position() >= u64::MAX / 2 {
        return spool.close().await;
    }
    let ours = event();
    spool.append(&vec![ours.clone()].into()).await.expect("an open spool takes an event");
    let last = spool.position();
    let mut is_there = false;
    while let Some(batch) = reader.next_or_none(BatchLimits { events: 3, bytes: 1000 }).await.expect("it can be read") {
        assert!(batch.last_seq <= last || batch.events.is_empty(), "{} after {last}", batch.last_seq);
        is_there |= batch.events.contains(&ours);
        reader.stored(batch.last_seq).await.expect("it can be noted");
    }
    assert!(is_there, "an acknowledged event is not given out");
    reader.save().await.expect("the cursor can be written");
    spool.close().await;
    drop(reader);
    let (spool, reader) = Spool::open(&config).expect("what was closed in order opens");
    let more = reader.next_or_none(BatchLimits { events: 1, bytes: 1 }).await.expect("it can be read");
    assert!(more.is_none_or(|batch| batch.events.is_empty()), "what was stored came back");
    spool.close().await;
}

fn event() -> AcceptedEvent {
    let text = r#"{"project_id":1,"uuid":"01930000-0000-7000-8000-000000000001","event":"ours","distinct_id":"u",
        "timestamp":"2026-11-01T12:00:00Z","received_at":"2026-11-01T12:00:00Z","properties":{}}"#;
    serde_json::from_str(text).expect("an event")
}

fn sum(bytes: &mut [u8], end: usize) {
    let crc = crc32fast::hash(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Makes a segment of anything: what is in its frames gets through the checksums.
fn sum_segment(bytes: &mut [u8]) {
    if bytes.len() < HEADER {
        return;
    }
    bytes[..12].copy_from_slice(b"TENRECSP\x01\0\0\0");
    sum(bytes, 44);
    let mut at = HEADER;
    while at + FRAME <= bytes.len() {
        let left = bytes.len() - at - FRAME;
        let frame = &mut bytes[at..];
        frame[..4].copy_from_slice(&[0x1e, b'T', b'N', 0]);
        let wanted = u32::from_le_bytes([frame[4], frame[5], 0, 0]) as usize;
        let len = wanted.min(left);
        frame[4..8].copy_from_slice(&u32::try_from(len).expect("at most 64 KB").to_le_bytes());
        let crc = crc32fast::hash(&frame[FRAME..FRAME + len]);
        frame[28..32].copy_from_slice(&crc.to_le_bytes());
        sum(frame, 32);
        at += FRAME + len;
    }
}

/// A directory in memory, where there is one.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let dir = root.join(format!("tenrec-fuzz-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&dir).expect("a directory can be made");
        Self(dir)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
