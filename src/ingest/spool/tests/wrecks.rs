//! Directories with several kinds of damage at once: what is whole is read, what is not is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::frame::{Contents, SEGMENT_HEADER, whole};
use super::sim::SimDir;
use super::*;

type Files = BTreeMap<String, Vec<u8>>;

/// What happens to a segment, or to the cursor.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, Index),
    Truncate(Index, Index),
    ZeroTail(Index, Index),
    /// Some bytes in the middle are gone, and the rest moved up.
    CutOut(Index, Index, u8),
    Remove(Index),
    Swap(Index, Index),
    Double(Index),
    OldCursor,
    FlipCursor(Index),
    NoCursor,
    TruncateCursor(Index),
    FlipOther(Index, Index),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let index = any::<Index>;
    let damage = prop_oneof![
        6 => (index(), index()).prop_map(|(file, at)| Damage::Flip(file, at)),
        3 => (index(), index()).prop_map(|(file, at)| Damage::Truncate(file, at)),
        3 => (index(), index()).prop_map(|(file, at)| Damage::ZeroTail(file, at)),
        2 => (index(), index(), 1..200_u8).prop_map(|(file, at, len)| Damage::CutOut(file, at, len)),
        2 => index().prop_map(Damage::Remove),
        1 => Just(Damage::OldCursor),
        1 => index().prop_map(Damage::FlipCursor),
        1 => Just(Damage::NoCursor),
        1 => index().prop_map(Damage::TruncateCursor),
        1 => (index(), index()).prop_map(|(file, at)| Damage::FlipOther(file, at)),
    ];
    // Files change places last: each then has one content, damaged or not.
    let place =
        prop_oneof![(index(), index()).prop_map(|(a, b)| Damage::Swap(a, b)), index().prop_map(Damage::Double),];
    (proptest::collection::vec(damage, 1..4), proptest::collection::vec(place, 0..2))
        .prop_map(|(damages, places)| [damages, places].concat())
}

/// A frame of the undamaged spool.
#[derive(Debug, Clone)]
struct Original {
    seq: u64,
    at: usize,
    bytes: Vec<u8>,
    numbers: Vec<u128>,
}

/// A spool of which a third is stored, partly kept.
struct Spoiled {
    files: Files,
    old_cursor: Vec<u8>,
    frames: Vec<Original>,
    stored_seq: u64,
}

fn config() -> SpoolConfig {
    let clock = Clock::frozen("2026-11-01T12:00:00Z".parse().expect("a time"));
    let keep = Keep { time: Duration::from_secs(900), max_bytes: 1500, damage: String::new() };
    SpoolConfig { clock, keep, ..SpoolConfig::new("nowhere".into(), 1 << 30) }
}

async fn build() -> Spoiled {
    let disk = SimDir::new(1);
    let (spool, reader) = open_on(disk.mount(), &config(), 1500).expect("a spool");
    let mut number = 0;
    for frame in 0..36_u128 {
        let events: Vec<_> = (0..=frame % 4).map(|n| event(number + n)).collect();
        number += events.len() as u128;
        spool.append(&events.into()).await.expect("an append");
    }
    let mut old_cursor = Vec::new();
    for _ in 0..6 {
        let batch = reader.next(BatchLimits { events: 5, ..ALL }).await.expect("a batch");
        reader.stored(batch.last_seq).await.expect("noted");
        old_cursor = std::mem::replace(&mut old_cursor, disk.files().remove("cursor").expect("a cursor"));
    }
    reader.save().await.expect("saved");
    let stored_seq = reader.durably_stored();
    close(spool, reader).await;
    let files = disk.files();
    let mut frames = Vec::new();
    for (_, bytes) in files.iter().filter(|(name, _)| name.ends_with(".seg")) {
        let mut at = SEGMENT_HEADER;
        while let Some((header, payload)) = whole(&bytes[at..]) {
            let Ok(Contents::Arrivals(arrivals)) = header.contents(payload) else { panic!("a sound frame") };
            let numbers = arrivals.events.iter().map(|e| e.uuid.as_u128()).collect();
            let end = at + header.frame_len();
            frames.push(Original { seq: header.seq, at, bytes: bytes[at..end].to_vec(), numbers });
            at = end;
        }
    }
    assert!(stored_seq > frames[0].seq, "some stored frames are kept");
    Spoiled { files, old_cursor, frames, stored_seq }
}

fn nth(files: &Files, index: Index, is_segment: bool) -> Option<String> {
    let names: Vec<_> = files.keys().filter(|name| name.ends_with(".seg") == is_segment).collect();
    (!names.is_empty()).then(|| (*index.get(&names)).clone())
}

fn spoil(files: &mut Files, damage: &Damage, spoiled: &Spoiled) {
    let segment = |files: &Files, index: Index| nth(files, index, true);
    let mut change = |name: Option<String>, at: Index, change: &dyn Fn(&mut Vec<u8>, usize)| {
        if let Some(bytes) = name.and_then(|name| files.get_mut(&name)).filter(|bytes| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            change(bytes, at);
        }
    };
    let flip = |bytes: &mut Vec<u8>, at: usize| bytes[at] ^= 1 << (at % 8);
    match damage {
        Damage::Flip(file, at) => change(segment(&spoiled.files, *file), *at, &flip),
        Damage::FlipCursor(at) => change(Some("cursor".to_owned()), *at, &flip),
        Damage::FlipOther(file, at) => change(nth(&spoiled.files, *file, false), *at, &flip),
        Damage::Truncate(file, at) => change(segment(&spoiled.files, *file), *at, &|bytes, at| bytes.truncate(at)),
        Damage::TruncateCursor(at) => change(Some("cursor".to_owned()), *at, &|bytes, at| bytes.truncate(at)),
        Damage::ZeroTail(file, at) => change(segment(&spoiled.files, *file), *at, &|bytes, at| bytes[at..].fill(0)),
        Damage::CutOut(file, at, len) => change(segment(&spoiled.files, *file), *at, &|bytes, at| {
            bytes.drain(at..bytes.len().min(at + usize::from(*len)));
        }),
        Damage::OldCursor => drop(files.insert("cursor".to_owned(), spoiled.old_cursor.clone())),
        Damage::NoCursor => drop(files.remove("cursor")),
        Damage::Remove(file) => drop(segment(files, *file).and_then(|name| files.remove(&name))),
        Damage::Double(file) => {
            if let Some(bytes) = segment(files, *file).and_then(|name| files.get(&name)).cloned() {
                files.insert(format!("{:020}.seg", 777), bytes);
            }
        }
        Damage::Swap(a, b) => {
            if let (Some(a), Some(b)) = (segment(files, *a), segment(files, *b))
                && a != b
            {
                let (of_a, of_b) = (files[&a].clone(), files[&b].clone());
                files.insert(a, of_b);
                files.insert(b, of_a);
            }
        }
    }
}

/// Whether the frame still stands somewhere, at its place or moved up by what was cut out.
fn survives(frame: &Original, files: &Files, is_moved: bool) -> bool {
    let holds = |bytes: &[u8]| match bytes.get(frame.at..frame.at + frame.bytes.len()) {
        Some(there) if there == frame.bytes => true,
        _ => is_moved && bytes.windows(frame.bytes.len()).any(|there| there == frame.bytes),
    };
    files.iter().any(|(name, bytes)| name.ends_with(".seg") && holds(bytes))
}

async fn check(spoiled: &Spoiled, damages: Vec<Damage>) {
    let mut files = spoiled.files.clone();
    damages.iter().for_each(|damage| spoil(&mut files, damage, spoiled));
    let is_moved = damages.iter().any(|d| matches!(d, Damage::CutOut(..)));
    let (whole, broken): (Vec<_>, Vec<_>) = spoiled.frames.iter().partition(|frame| survives(frame, &files, is_moved));
    let numbers = |frames: &mut dyn Iterator<Item = &&Original>| -> BTreeSet<u128> {
        frames.flat_map(|frame| frame.numbers.iter().copied()).collect()
    };

    let disk = SimDir::new(1);
    disk.set_files(files.clone());
    let (spool, reader) = open_on(disk.mount(), &config(), 1500).expect("a damaged spool opens");
    spool.append(&vec![event(5000)].into()).await.expect("it takes events");
    let mut read = BTreeSet::new();
    while let Some(batch) = reader.next_or_none(BatchLimits { events: 5, ..ALL }).await.expect("the disk reads") {
        for event in &batch.events {
            assert_eq!(*event, self::event(event.uuid.as_u128()), "an event comes out as it went in");
            read.insert(event.uuid.as_u128());
        }
        reader.stored(batch.last_seq).await.expect("noted");
    }
    let status = spool.status();
    assert!(read.remove(&5000), "what comes after damage is read");
    let (all, waiting) =
        (numbers(&mut whole.iter()), numbers(&mut whole.iter().filter(|f| f.seq > spoiled.stored_seq)));
    assert!(read.is_subset(&all), "invented: {:?}", read.difference(&all).collect::<Vec<_>>());
    let lost: Vec<_> = waiting.difference(&read).collect();
    assert!(lost.is_empty(), "whole frames were not read: {lost:?}, {status:?}");

    let lost = numbers(&mut broken.iter().filter(|f| f.seq > spoiled.stored_seq));
    // A frame that is damaged in a segment and whole in its double was not lost, and one damaged in both not twice.
    let is_double = damages.iter().any(|d| matches!(d, Damage::Double(_)));
    assert!(status.lost_events <= numbers(&mut broken.iter()).len() as u64 || is_double, "{status:?}");
    // Nobody can know of frames that would have come last, and nobody looks behind what is stored.
    let last = whole.iter().map(|f| f.seq).max().unwrap_or(0);
    let has_cursor = files.get("cursor").is_some_and(|bytes| !super::super::cursor::read_records(bytes).is_empty());
    if broken.iter().any(|f| f.seq > spoiled.stored_seq && f.seq < last) && has_cursor {
        let counted = status.damaged + status.missing_segments + status.torn_bytes;
        assert!(counted > 0, "{} events were lost in silence: {status:?}", lost.len());
    }
    reader.save().await.expect("saved");
    close(spool, reader).await;
    // And it is a spool like any other again.
    let (spool, reader) = open_on(disk.mount(), &config(), 1500).expect("it opens again");
    assert!(reader.next_or_none(ALL).await.expect("the disk reads").is_none_or(|batch| batch.is_repeated));
    close(spool, reader).await;
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    static SPOILED: Spoiled = RUNTIME.with(|runtime| runtime.block_on(build()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(500, 10_000), ..ProptestConfig::default() })]

    #[test]
    fn damage_costs_what_it_hit_and_is_counted(damages in damages()) {
        SPOILED.with(|spoiled| RUNTIME.with(|runtime| runtime.block_on(check(spoiled, damages))));
    }
}

#[tokio::test]
async fn events_of_a_frame_with_a_whole_header_are_counted_exactly() {
    let spoiled = build().await;
    let newest = spoiled.files.keys().filter(|name| name.ends_with(".seg")).max().expect("segments").clone();
    for (name, bytes) in spoiled.files.iter().filter(|(name, _)| name.ends_with(".seg") && **name != newest) {
        let mut at = SEGMENT_HEADER;
        while let Some((header, _)) = whole(&bytes[at..]) {
            let mut files = spoiled.files.clone();
            files.get_mut(name).expect("it is there")[at + header.frame_len() - 1] ^= 4;
            let disk = SimDir::new(1);
            disk.set_files(files);
            let (spool, reader) = open_on(disk.mount(), &config(), 1500).expect("a spool");
            while let Some(batch) = reader.next_or_none(ALL).await.expect("the disk reads") {
                reader.stored(batch.last_seq).await.expect("noted");
            }
            let status = spool.status();
            let is_waiting = header.seq > spoiled.stored_seq;
            let expected = if is_waiting { u64::from(header.events) } else { 0 };
            assert_eq!(status.lost_events, expected, "frame {}", header.seq);
            assert!(status.damaged == 1 || !is_waiting, "frame {}: {status:?}", header.seq);
            close(spool, reader).await;
            at += header.frame_len();
        }
    }
}
