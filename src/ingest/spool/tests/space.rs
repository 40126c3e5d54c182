//! A disk that fills up, by whomever.

use super::super::disk::Space;
use super::super::keeper::Keeper;
use super::sim::SimDir;
use super::*;

const MB: u64 = 1 << 20;

fn config() -> SpoolConfig {
    let room = RoomConfig { max_used_percent: 95, min_free_bytes: 100 * MB, ballast_bytes: 64 * MB };
    let keep = Keep { time: std::time::Duration::from_secs(900), max_bytes: 1 << 30, damage: String::new() };
    SpoolConfig { room, keep, ..SpoolConfig::new("nowhere".into(), 1 << 30) }
}

fn set_free(disk: &SimDir, free: u64) {
    disk.state().space = Space { total: 1000 * MB, free };
}

fn has_ballast(disk: &SimDir) -> bool {
    disk.files().contains_key("ballast")
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_events_and_the_stores_get_the_ballast() {
    let disk = SimDir::new(1);
    set_free(&disk, 500 * MB);
    let (spool, reader) = open_on(disk.mount(), &config(), 900).expect("a spool");
    let mut keeper = Keeper::new(&spool.shared, spool.queue.downgrade());
    assert!(has_ballast(&disk));
    assert_eq!(spool.status().free_bytes, Some(500 * MB));
    for number in 1..=20 {
        spool.append(&vec![event(number)].into()).await.expect("there is room");
    }
    let half = reader.next(BatchLimits { events: 10, ..ALL }).await.expect("a batch");
    reader.stored(half.last_seq).await.expect("noted");
    reader.save().await.expect("saved");
    assert!(spool.status().kept_bytes > 0);

    set_free(&disk, 99 * MB);
    keeper.look(&spool.shared);
    assert!(matches!(spool.append(&vec![event(21)].into()).await, Err(SpoolError::Full)));
    let status = spool.status();
    assert!(!status.is_accepting && status.kept_bytes == 0, "what is only kept went first: {status:?}");
    assert!(has_ballast(&disk));

    set_free(&disk, 10 * MB);
    keeper.look(&spool.shared);
    assert!(!has_ballast(&disk), "the stores need it");

    // Room for events, if there was no ballast to make.
    set_free(&disk, 120 * MB);
    keeper.look(&spool.shared);
    assert!(!spool.status().is_accepting && !has_ballast(&disk));
    set_free(&disk, 400 * MB);
    keeper.look(&spool.shared);
    assert!(spool.status().is_accepting && has_ballast(&disk));
    spool.append(&vec![event(21)].into()).await.expect("there is room again");
    assert_eq!(drain(&reader).await, (11..=21).collect::<Vec<_>>());
    close(spool, reader).await;
}

#[tokio::test]
async fn a_spool_that_fills_its_disk_by_itself_gives_it_back_when_all_is_stored() {
    let disk = SimDir::new(1);
    set_free(&disk, 500 * MB);
    let (spool, reader) = open_on(disk.mount(), &config(), 1 << 20).expect("a spool");
    let mut keeper = Keeper::new(&spool.shared, spool.queue.downgrade());
    for number in 1..=20 {
        spool.append(&vec![event(number)].into()).await.expect("there is room");
    }
    // Its one segment is far from full.
    set_free(&disk, 10 * MB);
    keeper.look(&spool.shared);
    assert_eq!(drain(&reader).await, (1..=20).collect::<Vec<_>>());
    let has_segments = || disk.files().keys().any(|name| name.ends_with(".seg"));
    for _ in 0..200 {
        keeper.look(&spool.shared);
        if !has_segments() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(!has_segments(), "{:?}", spool.status());
    set_free(&disk, 500 * MB);
    keeper.look(&spool.shared);
    spool.append(&vec![event(21)].into()).await.expect("there is room again");
    assert_eq!(drain(&reader).await, [21]);
    close(spool, reader).await;
}

#[tokio::test]
async fn the_ballast_is_found_again_resized_and_left_out() {
    let disk = SimDir::new(1);
    let mut config = config();
    set_free(&disk, 500 * MB);
    for (bytes, is_there) in [(64 * MB, true), (64 * MB, true), (32 * MB, true), (0, false)] {
        config.room.ballast_bytes = bytes;
        let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
        Keeper::new(&spool.shared, spool.queue.downgrade());
        assert_eq!(disk.files().get("ballast").map(|file| file.len() as u64), is_there.then_some(bytes));
        close(spool, reader).await;
    }
    // No room for it: events matter more.
    config.room.ballast_bytes = 64 * MB;
    set_free(&disk, 180 * MB);
    let (spool, reader) = open_on(disk.mount(), &config, 900).expect("a spool");
    Keeper::new(&spool.shared, spool.queue.downgrade());
    assert!(!has_ballast(&disk) && spool.status().is_accepting);
    close(spool, reader).await;
}

#[tokio::test]
async fn a_real_disk_is_looked_at_and_backlogs_are_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 30, 1000).await;
    let mut config = SpoolConfig::new(dir.path().to_owned(), 1 << 30);
    config.room.ballast_bytes = MB;
    let (spool, reader) = Spool::open(&config).expect("a spool");
    assert!(spool.status().free_bytes.is_some_and(|free| free > 0));
    let ballast = dir.path().join("ballast").metadata().expect("the ballast");
    assert_eq!(ballast.len(), MB);
    assert!(std::os::unix::fs::MetadataExt::blocks(&ballast) * 512 >= MB, "it takes the room");
    while spool.status().waiting_events < 30 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(drain(&reader).await.len(), 30);
    assert_eq!(spool.status().waiting_events, 0);
    close(spool, reader).await;

    config.room.min_free_bytes = u64::MAX / 2;
    let (spool, reader) = Spool::open(&config).expect("a spool");
    assert!(matches!(spool.append(&vec![event(31)].into()).await, Err(SpoolError::Full)), "more free than there is");
    close(spool, reader).await;
}
