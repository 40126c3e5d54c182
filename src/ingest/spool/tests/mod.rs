//! The spool against disks that are full, damaged, lying or dead.

mod damage;
mod faults;
mod kept;
mod life;
mod power;
mod sim;
mod space;
mod wrecks;

use std::path::Path;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::ingest::AcceptedEvent;
use crate::model::ProjectId;

const ALL: BatchLimits = BatchLimits { events: usize::MAX, bytes: usize::MAX };

fn event(number: u128) -> AcceptedEvent {
    AcceptedEvent {
        project_id: ProjectId::new(1),
        uuid: Uuid::from_u128(number),
        event: "$pageview".to_owned(),
        distinct_id: format!("id-{number}"),
        timestamp: "2026-11-01T12:00:00.123456Z".parse().expect("a time"),
        received_at: "2026-11-01T12:00:01Z".parse().expect("a time"),
        properties: [("n", json!(number.to_string())), ("nested", json!({ "list": [1, "ü", null] }))]
            .into_iter()
            .collect(),
    }
}

fn open(dir: &Path) -> (Spool, SpoolReader) {
    open_small(dir, 1 << 20)
}

fn open_small(dir: &Path, segment_bytes: u64) -> (Spool, SpoolReader) {
    let real = disk::RealDir::open(dir).expect("a directory");
    open_on(real, &SpoolConfig::new(dir.to_owned(), 1 << 30), segment_bytes).expect("a spool")
}

/// Opens a spool on any disk, without its keeper.
fn open_on(
    dir: impl disk::Dir + 'static,
    config: &SpoolConfig,
    segment_bytes: u64,
) -> Result<(Spool, SpoolReader), SpoolOpenError> {
    let (spool, reader, _) = Spool::open_with(disk::Disk::new(dir), config, segment_bytes)?;
    Ok((spool, reader))
}

/// How many cases a property is tried with: few in each run of the tests, many before a release.
fn cases(few: u32, many: u32) -> u32 {
    if std::env::var_os("TENREC_LONG_TESTS").is_some_and(|v| !v.is_empty()) { many } else { few }
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
        spool.append(&vec![event(number)].into()).await.expect("an append");
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
