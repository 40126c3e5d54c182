//! A disk that fails, is full or is slow.

use std::future::{Future, poll_fn};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use super::super::disk::{Dir, DirFile, RealDir, Space};
use super::*;

/// What the disk does wrong.
#[derive(Debug, Default)]
struct Faults {
    syncs: AtomicU64,
    fail_sync: AtomicBool,
    hold_sync: AtomicBool,
    disk_full: AtomicBool,
    fail_read: AtomicBool,
}

/// The system's directory, with faults in its segments.
#[derive(Debug)]
struct FaultyDir(RealDir, Arc<Faults>);

#[derive(Debug)]
struct FaultyFile(Box<dyn DirFile>, Arc<Faults>);

impl FaultyDir {
    fn file(&self, name: &str, file: Box<dyn DirFile>) -> Box<dyn DirFile> {
        if name.ends_with(".seg") { Box::new(FaultyFile(file, Arc::clone(&self.1))) } else { file }
    }
}

impl Dir for FaultyDir {
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn DirFile>> {
        Ok(self.file(name, self.0.open(name)?))
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn DirFile>> {
        Ok(self.file(name, self.0.create(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.0.reserve(name, bytes)
    }
    fn space(&self) -> io::Result<Space> {
        self.0.space()
    }
    fn unlock(&self) {
        self.0.unlock();
    }
}

impl DirFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        if self.1.fail_read.load(Ordering::SeqCst) {
            Err(io::Error::other("a bad sector"))
        } else {
            self.0.read_at(buffer, at)
        }
    }
    /// A full disk takes the first half.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.1.disk_full.load(Ordering::SeqCst) && at > 0 {
            self.0.write_at(&bytes[..bytes.len() / 2], at)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write_at(bytes, at)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.1.syncs.fetch_add(1, Ordering::SeqCst);
        while self.1.hold_sync.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        if self.1.fail_sync.load(Ordering::SeqCst) { Err(io::Error::other("the disk is gone")) } else { self.0.sync() }
    }
}

fn open_faulty(dir: &Path, segment_bytes: u64) -> (Spool, SpoolReader, Arc<Faults>) {
    let faults = Arc::<Faults>::default();
    let faulty = FaultyDir(RealDir::open(dir).expect("a directory"), Arc::clone(&faults));
    let config = SpoolConfig::new(dir.to_owned(), 1 << 30);
    let (spool, reader) = open_on(faulty, &config, segment_bytes).expect("a spool");
    (spool, reader, faults)
}

#[tokio::test]
async fn a_failed_sync_seals_the_segment_and_fails_who_waits() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, reader, faults) = open_faulty(dir.path(), 1 << 20);
    spool.append(&vec![event(1)].into()).await.expect("an append");
    faults.fail_sync.store(true, Ordering::SeqCst);
    assert!(matches!(spool.append(&vec![event(2)].into()).await, Err(SpoolError::Failed(_))));
    assert!(matches!(spool.append(&vec![event(3)].into()).await, Err(SpoolError::Failed(_))));
    faults.fail_sync.store(false, Ordering::SeqCst);
    spool.append(&vec![event(4)].into()).await.expect("an append");
    assert_eq!(drain(&reader).await, [1, 4]);
    let status = spool.status();
    assert_eq!((status.failed_writes, status.damaged, status.missing_segments), (2, 0, 0));
    close(spool, reader).await;
}

#[tokio::test]
async fn a_full_disk_refuses_leaves_no_half_frame_and_recovers() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, reader, faults) = open_faulty(dir.path(), 1 << 20);
    spool.append(&vec![event(1)].into()).await.expect("an append");
    faults.disk_full.store(true, Ordering::SeqCst);
    assert!(matches!(spool.append(&vec![event(2)].into()).await, Err(SpoolError::Full)));
    faults.disk_full.store(false, Ordering::SeqCst);
    spool.append(&vec![event(3)].into()).await.expect("an append");
    assert_eq!(segments(dir.path()).len(), 2, "an ended segment gives its space back");
    assert_eq!(drain(&reader).await, [1, 3]);
    assert_eq!(spool.status().damaged, 0);
    close(spool, reader).await;
}

#[tokio::test]
async fn a_thousand_who_wait_share_one_sync() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, reader, faults) = open_faulty(dir.path(), 1 << 20);
    faults.hold_sync.store(true, Ordering::SeqCst);
    let events: Vec<_> = (0..1000).map(|n| Arrivals::from(vec![event(n)])).collect();
    {
        let mut appends = std::pin::pin!(futures_util::future::join_all(events.iter().map(|e| spool.append(e))));
        // Polled once, every append is in the queue, and the first of them holds the writer in its sync.
        assert!(poll_fn(|cx| Poll::Ready(appends.as_mut().poll(cx).is_pending())).await);
        faults.hold_sync.store(false, Ordering::SeqCst);
        assert!(appends.await.iter().all(Result::is_ok));
    }
    // One of them makes the segment.
    let syncs = faults.syncs.load(Ordering::SeqCst);
    assert!(syncs <= 4, "{syncs} syncs");
    assert_eq!(drain(&reader).await.len(), 1000);
    close(spool, reader).await;
}

#[tokio::test]
async fn a_read_that_fails_loses_nothing_of_the_batch() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 20, 600).await;
    let (spool, reader, faults) = open_faulty(dir.path(), 600);
    let one = BatchLimits { events: 1, bytes: usize::MAX };
    let first = reader.next(one).await.expect("a batch");
    reader.stored(first.last_seq).await.expect("noted");
    // The next frames are in other segments, which cannot be read for a while.
    faults.fail_read.store(true, Ordering::SeqCst);
    reader.next_or_none(ALL).await.expect_err("a bad sector");
    reader.next_or_none(ALL).await.expect_err("a bad sector");
    faults.fail_read.store(false, Ordering::SeqCst);
    assert_eq!(drain(&reader).await, (2..=20).collect::<Vec<_>>());
    assert_eq!((spool.status().damaged, spool.status().missing_segments), (0, 0));
    close(spool, reader).await;
}
