use std::collections::BTreeSet;
use std::fs::File;
use std::future::Future;
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::cursor::Cursor;
use super::frame::{Contents, FrameHeader, SegmentHeader, resync, whole};
use super::*;
use crate::ingest::{AcceptedEvent, RejectedEvent, Rejection};
use crate::model::ProjectId;

/// What the disk does wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    syncs: AtomicU64,
    fail_sync: AtomicBool,
    hold_sync: AtomicBool,
    disk_full: AtomicBool,
}

impl Faults {
    /// A full disk takes the first half.
    pub fn before_write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.disk_full.load(Ordering::SeqCst) {
            file.write_all_at(&bytes[..bytes.len() / 2], at)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub fn before_sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        while self.hold_sync.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        if self.fail_sync.load(Ordering::SeqCst) { Err(io::Error::other("the disk is gone")) } else { Ok(()) }
    }
}

const ALL: BatchLimits = BatchLimits { events: usize::MAX, bytes: usize::MAX };

fn event(number: u128) -> AcceptedEvent {
    AcceptedEvent {
        project_id: ProjectId::new(1),
        uuid: Uuid::from_u128(number),
        event: "$pageview".to_owned(),
        distinct_id: format!("id-{number}"),
        timestamp: "2026-11-01T12:00:00.123456Z".parse().expect("a time"),
        received_at: "2026-11-01T12:00:01Z".parse().expect("a time"),
        properties: json!({ "n": number.to_string(), "nested": { "list": [1, "ü", null] } })
            .as_object()
            .cloned()
            .expect("an object"),
    }
}

fn one(number: u128) -> Arrivals {
    vec![event(number)].into()
}

fn open(dir: &Path) -> (Spool, SpoolReader) {
    open_small(dir, 1 << 20)
}

fn open_small(dir: &Path, segment_bytes: u64) -> (Spool, SpoolReader) {
    Spool::open_with(disk::Disk::open(dir).expect("a disk"), 1 << 30, segment_bytes).expect("a spool")
}

/// Closes the spool and lets go of its lock.
async fn close(spool: Spool, reader: SpoolReader) {
    spool.close().await;
    drop((spool, reader));
}

/// Everything that is left, until nothing more comes.
async fn drain(reader: &SpoolReader) -> Vec<u128> {
    let mut numbers = Vec::new();
    while let Some(batch) = reader.next_or_none(ALL).await.expect("the disk reads") {
        numbers.extend(batch.events.iter().map(|e| e.uuid.as_u128()));
        for event in &batch.events {
            assert_eq!(*event, self::event(event.uuid.as_u128()), "an event comes out as it went in");
        }
        reader.stored(batch.last_seq).await.expect("it is noted");
    }
    reader.save().await.expect("the disk writes");
    numbers
}

fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .expect("a directory")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "seg"))
        .collect();
    found.sort();
    found
}

/// A spool of single-event frames 1..=count, closed.
async fn filled(dir: &Path, count: u128, segment_bytes: u64) {
    let (spool, reader) = open_small(dir, segment_bytes);
    for number in 1..=count {
        spool.append(&one(number)).await.expect("an append");
    }
    close(spool, reader).await;
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, to.path().join(path.file_name().expect("a name"))).expect("a copy");
    }
    to
}

async fn reread(dir: &Path) -> (Vec<u128>, SpoolStatus) {
    let (spool, reader) = open(dir);
    let numbers = drain(&reader).await;
    let status = spool.status();
    close(spool, reader).await;
    (numbers, status)
}

#[tokio::test]
async fn events_come_out_in_order_and_only_until_they_are_stored() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 5, 1 << 20).await;
    let (spool, reader) = open(dir.path());
    let two = BatchLimits { events: 2, bytes: usize::MAX };
    let first = reader.next(two).await.expect("a batch");
    assert_eq!(first.events, [event(1), event(2)]);
    close(spool, reader).await;

    // Not stored: the same batch, however large a new one might be.
    let (spool, reader) = open(dir.path());
    let again = reader.next(ALL).await.expect("a batch");
    assert_eq!((again.id, again.last_seq, again.events), (first.id, first.last_seq, first.events));
    reader.stored(again.last_seq).await.expect("noted");
    let rest = reader.next(ALL).await.expect("a batch");
    assert_eq!(rest.events, [event(3), event(4), event(5)]);
    assert_ne!(rest.id, first.id);
    reader.stored(rest.last_seq).await.expect("noted");
    assert_eq!(rest.last_seq, spool.position());
    reader.save().await.expect("saved");
    close(spool, reader).await;
    assert_eq!(reread(dir.path()).await.0, Vec::<u128>::new());
}

#[tokio::test]
async fn rejected_events_come_out_with_their_neighbours_and_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, reader) = open(dir.path());
    let rejected = RejectedEvent {
        project_id: ProjectId::new(1),
        received_at: event(1).received_at,
        reason: Rejection::InvalidUuid,
        count: 1,
        event: Some("e".to_owned()),
        distinct_id: None,
        uuid: Some("x".to_owned()),
        sample: "{}".to_owned(),
    };
    let both = Arrivals { events: vec![event(1)], rejected: vec![rejected.clone()] };
    let alone = Arrivals { events: Vec::new(), rejected: vec![rejected.clone()] };
    spool.append(&both).await.expect("an append");
    spool.append(&alone).await.expect("an append");
    assert_eq!(spool.position(), 2);
    let batch = reader.next(ALL).await.expect("a batch");
    assert_eq!((batch.events, batch.rejected), (vec![event(1)], vec![rejected.clone(), rejected]));
    close(spool, reader).await;
}

#[test]
fn a_frame_of_before_rejected_events_were_kept_is_read() {
    let json = serde_json::to_vec(&[event(1)]).expect("JSON");
    let mut bytes = Vec::new();
    frame::Payload::of_json(&json, 1).expect("it fits").write(1, &mut bytes);
    let (header, payload) = whole(&bytes).expect("a frame");
    assert_eq!(header.contents(payload), Ok(Contents::Arrivals(one(1))));
}

#[tokio::test]
async fn segments_go_when_they_are_stored_and_files_are_private() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 50, 1000).await;
    let before = segments(dir.path());
    assert!(before.len() > 5, "small segments are many: {}", before.len());
    for path in &before {
        assert_eq!(path.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(dir.path().metadata().expect("a directory").permissions().mode() & 0o777, 0o700);
    let (numbers, status) = reread(dir.path()).await;
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    assert_eq!((status.damaged, status.missing_segments, status.used_bytes), (0, 0, 0));
    assert!(segments(dir.path()).is_empty());
    // Numbers go on: a new frame is not taken for a stored one.
    filled(dir.path(), 1, 1000).await;
    assert_eq!(reread(dir.path()).await.0, [1]);
}

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
        spool.append(&one(9)).await.expect("an append");
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

    for cursor in [Cursor { stored: 2, pending: 3 }.to_bytes().to_vec(), vec![0; 40], b"junk".to_vec(), vec![]] {
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
    std::fs::write(dir.path().join("cursor"), Cursor { stored: 90, pending: 95 }.to_bytes()).expect("written");
    let (spool, reader) = open(dir.path());
    spool.append(&one(3)).await.expect("an append");
    assert_eq!(drain(&reader).await, [3]);
    assert_eq!((spool.status().damaged, spool.status().missing_segments), (0, 0));
    close(spool, reader).await;
}

#[tokio::test]
async fn a_failed_sync_seals_the_segment_and_fails_who_waits() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, reader) = open(dir.path());
    spool.append(&one(1)).await.expect("an append");
    let faults = Arc::clone(&spool.shared.disk.faults);
    faults.fail_sync.store(true, Ordering::SeqCst);
    assert!(matches!(spool.append(&one(2)).await, Err(SpoolError::Failed(_))));
    assert!(matches!(spool.append(&one(3)).await, Err(SpoolError::Failed(_))));
    faults.fail_sync.store(false, Ordering::SeqCst);
    spool.append(&one(4)).await.expect("an append");
    assert_eq!(drain(&reader).await, [1, 4]);
    let status = spool.status();
    assert_eq!((status.failed_writes, status.damaged, status.missing_segments), (2, 0, 0));
    close(spool, reader).await;
}

#[tokio::test]
async fn a_full_disk_refuses_leaves_no_half_frame_and_recovers() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, reader) = open(dir.path());
    spool.append(&one(1)).await.expect("an append");
    let faults = Arc::clone(&spool.shared.disk.faults);
    faults.disk_full.store(true, Ordering::SeqCst);
    assert!(matches!(spool.append(&one(2)).await, Err(SpoolError::Full)));
    faults.disk_full.store(false, Ordering::SeqCst);
    spool.append(&one(3)).await.expect("an append");
    assert_eq!(segments(dir.path()).len(), 1, "the segment is used on");
    assert_eq!(drain(&reader).await, [1, 3]);
    assert_eq!(spool.status().damaged, 0);
    close(spool, reader).await;
}

#[tokio::test]
async fn a_spool_at_its_cap_refuses_until_something_is_stored() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = SpoolConfig { dir: dir.path().to_owned(), max_bytes: 20_000 };
    let (spool, reader) = Spool::open(&config).expect("a spool");
    let mut count = 0;
    let refused = loop {
        match spool.append(&one(count)).await {
            Ok(()) => count += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(refused, SpoolError::Full) && count > 10, "{count}: {refused}");
    assert!(spool.status().used_bytes <= 20_000);
    assert_eq!(drain(&reader).await, (0..count).collect::<Vec<_>>());
    spool.append(&one(count)).await.expect("room again");
    close(spool, reader).await;
}

#[tokio::test]
async fn a_thousand_who_wait_share_one_sync() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, reader) = open(dir.path());
    let faults = Arc::clone(&spool.shared.disk.faults);
    faults.hold_sync.store(true, Ordering::SeqCst);
    let events: Vec<_> = (0..1000).map(one).collect();
    {
        let mut appends = std::pin::pin!(futures_util::future::join_all(events.iter().map(|e| spool.append(e))));
        // Polled once, every append is in the queue, and the first of them holds the writer in its sync.
        assert!(poll_fn(|cx| Poll::Ready(appends.as_mut().poll(cx).is_pending())).await);
        faults.hold_sync.store(false, Ordering::SeqCst);
        assert!(appends.await.iter().all(Result::is_ok));
    }
    let syncs = faults.syncs.load(Ordering::SeqCst);
    assert!(syncs <= 3, "{syncs} syncs");
    assert_eq!(drain(&reader).await.len(), 1000);
    close(spool, reader).await;
}

#[tokio::test]
async fn a_directory_has_one_user_and_a_closed_spool_refuses() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = SpoolConfig { dir: dir.path().to_owned(), max_bytes: 1 << 20 };
    let (spool, reader) = Spool::open(&config).expect("a spool");
    assert!(matches!(Spool::open(&config), Err(SpoolOpenError::Io(e)) if e.kind() == io::ErrorKind::ResourceBusy));
    spool.append(&one(1)).await.expect("an append");
    spool.close().await;
    assert!(matches!(spool.append(&one(2)).await, Err(SpoolError::Failed(_))));
    assert_eq!(drain(&reader).await, [1]);
}

#[test]
fn a_segment_of_a_newer_version_is_left_alone() {
    let mut bytes = SegmentHeader { node: Uuid::nil(), first_seq: 1, skipped: 0 }.to_bytes();
    bytes[8] = 9;
    let crc = crc32fast::hash(&bytes[..44]);
    bytes[44..].copy_from_slice(&crc.to_le_bytes());
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("00000000000000000001.seg"), bytes).expect("written");
    let config = SpoolConfig { dir: dir.path().to_owned(), max_bytes: 1 << 20 };
    assert!(matches!(Spool::open(&config), Err(SpoolOpenError::Newer { version: 9, .. })));
    assert_eq!(segments(dir.path()).len(), 1);
}

/// One step of a spool's life.
#[derive(Debug, Clone)]
enum Step {
    Append(u8),
    Store(u8),
    ReadOnly,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..6_u8).prop_map(Step::Append),
        3 => (1..8_u8).prop_map(Step::Store),
        1 => Just(Step::ReadOnly),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is appended is stored once and in order, through restarts with and without a stored batch.
    #[test]
    fn nothing_is_lost_or_reordered(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let dir = tempfile::tempdir().expect("a directory");
            let (mut spool, mut reader) = open_small(dir.path(), 900);
            let (mut appended, mut stored) = (0_u128, 0_u128);
            for step in steps {
                let limits = |n: u8| BatchLimits { events: n.into(), bytes: usize::MAX };
                match step {
                    Step::Append(n) => {
                        let events: Vec<_> = (1..=n).map(|i| event(appended + u128::from(i))).collect();
                        spool.append(&events.into()).await.expect("an append");
                        appended += u128::from(n);
                    }
                    Step::Store(n) if stored < appended => {
                        let batch = reader.next(limits(n)).await.expect("a batch");
                        for event in batch.events {
                            stored += 1;
                            assert_eq!(event.uuid.as_u128(), stored);
                        }
                        reader.stored(batch.last_seq).await.expect("noted");
                    }
                    Step::ReadOnly if stored < appended => {
                        reader.next(limits(3)).await.expect("a batch");
                    }
                    Step::Restart => {
                        reader.save().await.expect("saved");
                        close(spool, reader).await;
                        (spool, reader) = open_small(dir.path(), 900);
                    }
                    Step::Store(_) | Step::ReadOnly => {}
                }
            }
            assert_eq!(drain(&reader).await, (stored + 1..=appended).collect::<Vec<_>>());
            close(spool, reader).await;
        });
    }

    /// Bytes from anywhere are read without a panic.
    #[test]
    fn any_bytes_are_read_calmly(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (SegmentHeader::read(&bytes), Cursor::read(&bytes), resync(&bytes, 0));
        if let Some(header) = FrameHeader::read(&bytes) {
            let _ = header.contents(&bytes);
        }
    }
}
