//! What a spool does all day.

use std::io;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::super::cursor::read_records;
use super::super::frame::{Contents, FrameHeader, SegmentHeader, resync, whole};
use super::*;
use crate::ingest::{RejectedEvent, Rejection};

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
async fn a_spool_at_its_cap_refuses_until_something_is_stored() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = SpoolConfig::new(dir.path().to_owned(), 20_000);
    let (spool, reader) = Spool::open(&config).expect("a spool");
    let mut count = 0;
    let refused = loop {
        match spool.append(&vec![event(count)].into()).await {
            Ok(()) => count += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(refused, SpoolError::Full) && count > 10, "{count}: {refused}");
    assert!(spool.status().used_bytes <= 20_000);
    assert_eq!(drain(&reader).await, (0..count).collect::<Vec<_>>());
    spool.append(&vec![event(count)].into()).await.expect("room again");
    close(spool, reader).await;
}

#[tokio::test]
async fn a_directory_has_one_user_and_a_closed_spool_refuses() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = SpoolConfig::new(dir.path().to_owned(), 1 << 20);
    let (spool, reader) = Spool::open(&config).expect("a spool");
    assert!(matches!(Spool::open(&config), Err(SpoolOpenError::Io(e)) if e.kind() == io::ErrorKind::ResourceBusy));
    spool.append(&vec![event(1)].into()).await.expect("an append");
    spool.close().await;
    assert!(matches!(spool.append(&vec![event(2)].into()).await, Err(SpoolError::Failed(_))));
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
    let config = SpoolConfig::new(dir.path().to_owned(), 1 << 20);
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
        let _ = (SegmentHeader::read(&bytes), read_records(&bytes), resync(&bytes, 0));
        if let Some(header) = FrameHeader::read(&bytes) {
            let _ = header.contents(&bytes);
        }
    }
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
    assert_eq!(header.contents(payload), Ok(Contents::Arrivals(vec![event(1)].into())));
}
