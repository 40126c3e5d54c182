//! What is stored stays for a while, and comes again when somebody lost their memory.

use std::time::Duration;

use super::super::disk::Dir as _;
use super::super::keeper::Keeper;
use super::sim::SimDir;
use super::*;

fn config(damage: &str) -> SpoolConfig {
    let clock = Clock::frozen("2026-11-01T12:00:00Z".parse().expect("a time"));
    let keep = Keep { time: Duration::from_secs(900), max_bytes: 1 << 20, damage: damage.to_owned() };
    SpoolConfig { clock, keep, ..SpoolConfig::new("nowhere".into(), 1 << 30) }
}

fn count(disk: &SimDir) -> usize {
    disk.files().keys().filter(|name| name.ends_with(".seg")).count()
}

async fn append(spool: &Spool, numbers: impl IntoIterator<Item = u128>) {
    for number in numbers {
        spool.append(&vec![event(number)].into()).await.expect("an append");
    }
}

/// Takes batches of so many events until there are none, and stores them.
async fn store(reader: &SpoolReader, events: usize) -> Vec<SpoolBatch> {
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_or_none(BatchLimits { events, ..ALL }).await.expect("the disk reads") {
        reader.stored(batch.last_seq).await.expect("noted");
        batches.push(batch);
    }
    reader.save().await.expect("saved");
    batches
}

#[tokio::test]
async fn a_walk_sees_all_that_was_there_and_passes_by_what_went() {
    let (disk, config) = (SimDir::new(1), config(""));
    let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
    append(&spool, 1..=20).await;
    let numbers = |arrivals: Arrivals| arrivals.events.iter().map(|e| e.uuid.as_u128()).collect::<Vec<_>>();
    let (mut walk, mut found, mut pieces) = (spool.walk(0), Vec::new(), 0);
    // What comes while somebody walks is not looked at.
    append(&spool, 21..=40).await;
    while let Some(piece) = walk.next(numbers).await.expect("the disk reads") {
        found.extend(piece);
        pieces += 1;
    }
    assert!(found.starts_with(&(1..=20).collect::<Vec<_>>()) && pieces > 2, "{pieces} {found:?}");

    let mut late = spool.walk(0);
    for file in disk.files().keys().filter(|name| name.ends_with(".seg")) {
        disk.mount().remove(file).expect("removed");
    }
    assert_eq!(late.next(numbers).await.expect("it is no error"), Some(Vec::new()));
    close(spool, reader).await;
}

#[tokio::test]
async fn stored_segments_go_when_they_are_old_enough() {
    let (disk, config) = (SimDir::new(1), config(""));
    let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
    append(&spool, 1..=20).await;
    let all = count(&disk);
    assert_eq!(spool.status().kept_bytes, 0);
    assert_eq!((spool.status().waiting_events, spool.status().waiting_bytes()), (20, spool.status().used_bytes));
    config.clock.advance(Duration::from_secs(5000));
    store(&reader, 3).await;
    let status = spool.status();
    assert_eq!((count(&disk), status.waiting_events), (all, 0));
    assert!(status.kept_bytes > 0 && status.kept_bytes < status.used_bytes, "the last one is still open");
    close(spool, reader).await;

    // Also after a restart, counted from when they were stored.
    config.clock.advance(Duration::from_secs(800));
    let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
    Keeper::new(&spool.shared, spool.queue.downgrade()).look(&spool.shared);
    assert_eq!(count(&disk), all);
    assert_eq!(spool.status().waiting_bytes(), 0);
    config.clock.advance(Duration::from_secs(100));
    Keeper::new(&spool.shared, spool.queue.downgrade()).look(&spool.shared);
    assert_eq!((count(&disk), spool.status().used_bytes), (0, 0));
    close(spool, reader).await;
}

#[tokio::test]
async fn a_clock_that_was_ahead_keeps_nothing_for_ever() {
    let (disk, mut config) = (SimDir::new(1), config(""));
    let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
    append(&spool, 1..=20).await;
    store(&reader, 3).await;
    close(spool, reader).await;
    config.clock = Clock::frozen("2016-11-01T12:00:00Z".parse().expect("a time"));
    let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
    Keeper::new(&spool.shared, spool.queue.downgrade()).look(&spool.shared);
    assert!(count(&disk) > 0);
    config.clock.advance(Duration::from_secs(900));
    Keeper::new(&spool.shared, spool.queue.downgrade()).look(&spool.shared);
    assert_eq!(count(&disk), 0);
    close(spool, reader).await;
}

#[tokio::test]
async fn what_is_only_kept_never_refuses_an_event() {
    let (disk, mut config) = (SimDir::new(1), config(""));
    config.max_bytes = 6000;
    let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
    for number in 1..=200 {
        append(&spool, [number]).await;
        let batch = reader.next(ALL).await.expect("a batch");
        reader.stored(batch.last_seq).await.expect("noted");
        let status = spool.status();
        assert!(status.used_bytes <= 6000 && status.is_accepting, "{status:?}");
    }
    // What waits does.
    let mut refused = false;
    for number in 201..=300 {
        refused |= spool.append(&vec![event(number)].into()).await.is_err();
    }
    assert!(refused && spool.status().kept_bytes == 0, "{:?}", spool.status());
    close(spool, reader).await;

    let (disk, mut config) = (SimDir::new(1), self::config(""));
    config.keep.max_bytes = 2500;
    let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
    append(&spool, 1..=100).await;
    store(&reader, 10).await;
    let kept = spool.status().kept_bytes;
    assert!((1000..=2500).contains(&kept), "{kept}");
    close(spool, reader).await;
}

#[tokio::test]
async fn batches_come_again_as_they_were_until_all_were_looked_at() {
    let disk = SimDir::new(1);
    let (spool, reader) = open_on(disk.mount(), &config(""), 900).expect("a spool");
    append(&spool, 1..=10).await;
    let mut first = store(&reader, 3).await;
    append(&spool, 11..=20).await;
    first.extend(store(&reader, 4).await);
    append(&spool, 21..=23).await;
    // Under way when the power goes.
    let open = reader.next(BatchLimits { events: 2, ..ALL }).await.expect("a batch");
    disk.lose_power();
    close(spool, reader).await;

    let (spool, reader) = open_on(disk.mount(), &config("parts"), 900).expect("a spool");
    assert!(spool.status().is_looking_again);
    let of = |batch: &SpoolBatch| (batch.id, batch.last_seq, batch.events.clone());
    for known in &first[..4] {
        let again = reader.next(ALL).await.expect("a batch");
        assert!(again.is_repeated);
        assert_eq!(of(&again), of(known));
        reader.stored(again.last_seq).await.expect("noted");
    }
    reader.save().await.expect("saved");
    close(spool, reader).await;

    // Not finished: from the start, however often.
    let (spool, reader) = open_on(disk.mount(), &config("parts"), 900).expect("a spool");
    append(&spool, [24]).await;
    let batches = store(&reader, 100).await;
    let (again, rest) = batches.split_at(first.len());
    assert_eq!(again.iter().map(of).collect::<Vec<_>>(), first.iter().map(of).collect::<Vec<_>>());
    assert!(again.iter().all(|batch| batch.is_repeated) && rest.iter().all(|batch| !batch.is_repeated));
    assert_eq!(of(&rest[0]), of(&open), "the one under way keeps its end too");
    assert_eq!(rest[1].events, [event(23), event(24)]);
    let status = spool.status();
    assert_eq!((status.is_looking_again, status.missing_segments, status.waiting_events), (false, 0, 0));
    close(spool, reader).await;

    let (spool, reader) = open_on(disk.mount(), &config("parts"), 900).expect("a spool");
    assert!(store(&reader, 100).await.is_empty(), "all was looked at");
    close(spool, reader).await;
}

#[tokio::test]
async fn what_is_kept_comes_again_while_the_spool_is_used_and_what_waited_after_it() {
    let disk = SimDir::new(1);
    let (spool, reader) = open_on(disk.mount(), &config(""), 900).expect("a spool");
    append(&spool, 1..=10).await;
    let mut first = store(&reader, 3).await;
    append(&spool, 11..=16).await;
    let limits = BatchLimits { events: 2, ..ALL };
    // The last stored one is known to this process only.
    first.push(reader.next(limits).await.expect("a batch"));
    reader.stored(first[4].last_seq).await.expect("noted");
    let open = reader.next(limits).await.expect("a batch");
    reader.read_ahead(ALL).await;
    assert_eq!(spool.status().waiting_events, 4);

    reader.look_again("parts".to_owned()).await.expect("the disk works");
    assert_eq!((spool.status().is_looking_again, reader.stored_seq() < first[0].last_seq), (true, true));
    let of = |batch: &SpoolBatch| (batch.id, batch.last_seq, batch.events.clone());
    let again = reader.next(ALL).await.expect("a batch");
    assert_eq!((of(&again), again.is_repeated), (of(&first[0]), true));
    // More damage, before all was looked at.
    reader.look_again("parts more".to_owned()).await.expect("the disk works");
    append(&spool, [17]).await;
    let batches = store(&reader, 100).await;
    let (again, rest) = batches.split_at(first.len());
    assert_eq!(again.iter().map(of).collect::<Vec<_>>(), first.iter().map(of).collect::<Vec<_>>());
    assert!(again.iter().all(|batch| batch.is_repeated) && rest.iter().all(|batch| !batch.is_repeated));
    assert_eq!(of(&rest[0]), of(&open), "the one under way keeps its end");
    assert_eq!(rest[1].events, [15, 16, 17].map(event));
    let status = spool.status();
    assert_eq!((status.is_looking_again, status.missing_segments, status.waiting_events), (false, 0, 0));
    close(spool, reader).await;

    for (damage, looks) in [("parts more", false), ("parts", true)] {
        let (spool, reader) = open_on(disk.mount(), &config(damage), 900).expect("a spool");
        assert_eq!(spool.status().is_looking_again, looks, "{damage}");
        close(spool, reader).await;
    }
}

#[tokio::test]
async fn where_nothing_is_kept_the_batch_under_way_comes_again_at_once() {
    let disk = SimDir::new(1);
    let (spool, reader) = open_on(disk.mount(), &config(""), 900).expect("a spool");
    append(&spool, 1..=3).await;
    let open = reader.next(ALL).await.expect("a batch");
    reader.look_again("parts".to_owned()).await.expect("the disk works");
    let batches = store(&reader, 100).await;
    assert_eq!(batches.iter().map(|batch| (batch.id, batch.is_repeated)).collect::<Vec<_>>(), [(open.id, false)]);
    assert!(!spool.status().is_looking_again);
    close(spool, reader).await;

    let (spool, reader) = open_on(disk.mount(), &config("parts"), 900).expect("a spool");
    assert!(!spool.status().is_looking_again, "it is noted");
    close(spool, reader).await;
}

#[tokio::test]
async fn without_keeping_a_new_start_looks_at_nothing_again() {
    let disk = SimDir::new(1);
    let mut config = config("");
    config.keep.time = Duration::ZERO;
    let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
    append(&spool, 1..=20).await;
    store(&reader, 3).await;
    close(spool, reader).await;
    config.keep.damage.push('x');
    let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
    assert!(store(&reader, 3).await.iter().all(|batch| batch.is_repeated));
    assert_eq!(spool.status().used_bytes, 0);
    close(spool, reader).await;
}
