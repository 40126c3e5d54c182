//! A damaged directory, fault by fault.

use std::collections::BTreeSet;
use std::fs::File;

use super::super::cursor::{Cursor, Record, to_bytes};
use super::super::frame::whole;
use super::*;

#[tokio::test]
async fn a_tail_torn_at_any_byte_loses_only_what_was_torn() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 3, 1 << 20).await;
    let bytes = std::fs::read(&segments(dir.path())[0]).expect("a segment");
    let mut ends = vec![frame::SEGMENT_HEADER];
    while let Some((header, _)) = whole(&bytes[ends[ends.len() - 1]..]) {
        ends.push(ends[ends.len() - 1] + header.frame_len());
    }
    assert_eq!(ends.len(), 4);
    for len in 0..bytes.len() {
        let torn = copy(dir.path());
        let path = &segments(torn.path())[0];
        File::options().write(true).open(path).expect("a file").set_len(len as u64).expect("cut");
        let (spool, reader) = open(torn.path());
        let whole_frames = ends.iter().filter(|end| **end <= len).count().saturating_sub(1) as u128;
        // What comes after a crash is read too.
        spool.append(&vec![event(9)].into()).await.expect("an append");
        let batch = reader.next(ALL).await.expect("a batch");
        let numbers: Vec<_> = batch.events.iter().map(|e| e.uuid.as_u128()).collect();
        assert_eq!(numbers, (1..=whole_frames).chain([9]).collect::<Vec<_>>(), "cut at {len}");
        assert_eq!(spool.status().damaged, 0);
        close(spool, reader).await;
    }
}

#[tokio::test]
async fn a_flipped_bit_loses_at_most_its_own_frame() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 4, 1 << 20).await;
    let original = std::fs::read(&segments(dir.path())[0]).expect("a segment");
    for at in 0..original.len() {
        let flipped = copy(dir.path());
        let mut bytes = original.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&segments(flipped.path())[0], &bytes).expect("written");
        let (numbers, status) = reread(flipped.path()).await;
        let lost = 4 - numbers.len();
        if at < frame::SEGMENT_HEADER {
            assert_eq!(lost, 0, "byte {at} of the header");
        } else {
            assert_eq!(lost, 1, "byte {at}");
            assert!(status.damaged == 1 || status.torn_bytes > 0, "byte {at} is not counted");
        }
        assert!(numbers.is_sorted());
    }
}

#[tokio::test]
async fn segments_missing_twice_or_swapped_lose_only_what_is_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 30, 1000).await;
    let all: Vec<u128> = (1..=30).collect();

    let missing = copy(dir.path());
    let gone = &segments(missing.path())[2];
    let lost: BTreeSet<u64> = {
        let bytes = std::fs::read(gone).expect("a segment");
        let (mut at, mut seqs) = (frame::SEGMENT_HEADER, BTreeSet::new());
        while let Some((header, _)) = whole(&bytes[at..]) {
            seqs.insert(header.seq);
            at += header.frame_len();
        }
        seqs
    };
    std::fs::remove_file(gone).expect("removed");
    let (numbers, status) = reread(missing.path()).await;
    assert_eq!(numbers, all.iter().copied().filter(|n| !lost.contains(&(*n as u64))).collect::<Vec<_>>());
    // Without a cursor, nothing says what was before the first; here there is a later one that does.
    assert_eq!((status.missing_segments, status.damaged), (1, 0));

    let twice = copy(dir.path());
    std::fs::copy(&segments(twice.path())[1], twice.path().join(format!("{:020}.seg", 777))).expect("a copy");
    let (numbers, status) = reread(twice.path()).await;
    assert_eq!((numbers, status.missing_segments, status.damaged), (all.clone(), 0, 0));

    let swapped = copy(dir.path());
    let (a, b) = (segments(swapped.path())[1].clone(), segments(swapped.path())[3].clone());
    let aside = swapped.path().join("aside");
    std::fs::rename(&a, &aside)
        .and_then(|()| std::fs::rename(&b, &a))
        .and_then(|()| std::fs::rename(&aside, &b))
        .expect("swapped");
    let (numbers, status) = reread(swapped.path()).await;
    assert_eq!((numbers, status.missing_segments, status.damaged), (all, 0, 0));
}

#[tokio::test]
async fn an_old_a_damaged_and_a_lost_cursor_repeat_events_and_lose_none() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 6, 1 << 20).await;
    let (spool, reader) = open(dir.path());
    let batch = reader.next(BatchLimits { events: 4, ..ALL }).await.expect("a batch");
    reader.stored(batch.last_seq).await.expect("noted");
    reader.save().await.expect("saved");
    close(spool, reader).await;
    assert_eq!(reread(copy(dir.path()).path()).await.0, [5, 6]);

    for cursor in [file(2, 3), version_1(2, 3), vec![0; 40], b"junk".to_vec(), vec![]] {
        let other = copy(dir.path());
        std::fs::write(other.path().join("cursor"), &cursor).expect("written");
        let (numbers, status) = reread(other.path()).await;
        assert!(numbers.ends_with(&[3, 4, 5, 6]), "{numbers:?}");
        assert_eq!((status.damaged, status.missing_segments), (0, 0));
    }
    std::fs::remove_file(dir.path().join("cursor")).expect("removed");
    assert_eq!(reread(dir.path()).await.0, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_cursor_ahead_of_every_frame_hides_nothing_new() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 2, 1 << 20).await;
    std::fs::write(dir.path().join("cursor"), file(90, 95)).expect("written");
    let (spool, reader) = open(dir.path());
    spool.append(&vec![event(3)].into()).await.expect("an append");
    assert_eq!(drain(&reader).await, [3]);
    assert_eq!((spool.status().damaged, spool.status().missing_segments), (0, 0));
    close(spool, reader).await;
}

/// A cursor file that says this.
fn file(stored: u64, pending: u64) -> Vec<u8> {
    to_bytes(&[Record { cursor: Cursor { stored, pending }, at: 0 }])
}

/// As earlier versions wrote it.
fn version_1(stored: u64, pending: u64) -> Vec<u8> {
    let mut bytes = b"TENRECCU\x01\0\0\0\0\0\0\0".to_vec();
    bytes.extend([stored.to_le_bytes(), pending.to_le_bytes(), [0; 8]].concat());
    bytes.truncate(36);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}
