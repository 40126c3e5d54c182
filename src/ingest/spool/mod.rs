//! The spool: accepted events on this node's disk, from the moment they are acknowledged until both stores have them.
//!
//! [`Spool::append`] returns once its events are behind an `fdatasync`. One thread writes; whoever waits while a sync runs
//! shares the next one, so a thousand clients cost one sync. [`SpoolReader`] hands the events out again in order, in batches
//! whose boundaries are on disk before anything is done with them: a batch that is repeated after a crash holds the same
//! events under the same id.
//!
//! # The directory
//!
//! ```text
//! spool/             0700, its files 0600
//!   lock             held while a process uses the directory
//!   node             16 bytes: this node's uuid, made on first use; batch ids derive from it
//!   cursor           how far the events are stored, and where batches end
//!   confirmed        for which start of the machine, and which state of the stores, that was so
//!   ballast          room held for the stores, given to them when the disk is full
//!   00…0001.seg      segments of at most 64 MiB, named by the first sequence number in them
//! ```
//!
//! All numbers are little endian. A **segment** starts with 48 bytes:
//!
//! ```text
//! 0   8  magic "TENRECSP"
//! 8   4  version, 2
//! 12  4  zero
//! 16  16 uuid of the node
//! 32  8  sequence number of its first frame
//! 40  4  how many sequence numbers before that were given out but never made durable
//! 44  4  CRC-32 of the above
//! ```
//!
//! and goes on with **frames**, one for each append: 36 bytes and a payload.
//!
//! ```text
//! 0   4  magic 1E 'T' 'N' 00, which no JSON text contains
//! 4   4  length of the payload
//! 8   4  length of the payload inflated
//! 12  4  number of entries, accepted and rejected
//! 16  8  sequence number
//! 24  4  what the payload holds: 0 events, 1 a request
//! 28  4  CRC-32 of the payload
//! 32  4  CRC-32 of the above
//! 36     payload: an LZ4 block; inflated, a JSON object of accepted and rejected events; or the length of a JSON object of
//!        facts about a request (4), the facts, and the JSON of the request as its sender wrote it
//! ```
//!
//! The **cursor** starts with 32 bytes: magic `TENRECCU`, version 2 (4), zero. Records of 32 bytes follow, the last one
//! counts: last sequence number stored (8), last one of the batch under way or 0 (8), seconds since the epoch (8), zero
//! (4), CRC-32 (4). Version 1 was a single position in 40 bytes, and is still read.
//!
//! # What is stored is kept for a while
//!
//! For [`Keep::time`] after both stores had all of a segment, it stays. When the machine has been started anew since, or a
//! store reports damage, at the start or later ([`SpoolReader::look_again`]), the batches of that time are handed out once
//! more ([`SpoolBatch::is_repeated`]), cut as they were: so nothing is lost even where a disk lied about what it had written.
//! What is only kept makes way for new events.
//!
//! # What can go wrong
//!
//! - A crash leaves half a frame at the end: it was never acknowledged. It is cut when the spool is opened, and counted.
//! - A damaged frame is skipped up to the next whole one, and counted; so is a segment that is missing. A segment that is
//!   there twice is read once, by its sequence numbers.
//! - A lost or damaged cursor means reading again from the oldest segment. That stores nothing twice, because events already
//!   stored are left out by their uuid.
//! - A failed `fdatasync` is never tried again, since the second may lie: the segment is sealed at its last durable byte,
//!   those who waited hear [`SpoolError::Failed`], and the next append begins a new segment.
//! - A spool at its cap, or a disk that is nearly full ([`RoomConfig`]), is [`SpoolError::Full`]; if the disk is full before
//!   anybody noticed, the part that was written is cut off again. Either way the segment is ended, so that its space comes back
//!   once it is stored.
//!
//! Every touch of the disk is in `disk.rs`: that is the seam where tests inject faults, and cut the power.

mod again;
mod ballast;
mod batches;
mod cursor;
mod disk;
mod frame;
mod keeper;
mod reader;
mod reading;
mod recover;
mod room;
mod search;
mod segment;
mod shared;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::Arrivals;
use super::scanned::ScannedRequest;
use crate::model::Clock;

pub use again::Keep;
pub use reader::{BatchLimits, SpoolBatch, SpoolReader};
pub use recover::SpoolOpenError;
pub use room::RoomConfig;
pub use search::{Waiting, Walk};
pub use shared::{SpoolPosition, SpoolStatus};

/// Appends that may wait for the disk at once; one more is [`SpoolError::Full`].
const QUEUE: usize = 8192;
/// Compressed bytes that may wait for the disk at once.
const QUEUE_BYTES: u64 = 64 << 20;
const SEGMENT_BYTES: u64 = 64 << 20;
/// Largest payload, inflated. Bodies are limited well below it.
const MAX_INFLATED: usize = 48 << 20;

/// Where the spool is and how large it may grow.
#[derive(Debug, Clone)]
pub struct SpoolConfig {
    /// Its own directory; made if missing.
    pub dir: PathBuf,
    /// Most bytes on disk before [`SpoolError::Full`].
    pub max_bytes: u64,
    /// How full the disk may become.
    pub room: RoomConfig,
    /// What is kept after it was stored.
    pub keep: Keep,
    pub clock: Clock,
}

impl SpoolConfig {
    /// A spool that keeps nothing, and takes all of the disk below its cap.
    #[must_use]
    pub fn new(dir: PathBuf, max_bytes: u64) -> Self {
        Self { dir, max_bytes, room: RoomConfig::UNLIMITED, keep: Keep::default(), clock: Clock::system() }
    }
}

/// Why events could not be made durable. None of them was acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The spool is at its cap, the disk is full, or too many wait already: try again later.
    #[error("the spool is full")]
    Full,
    /// The events of one append are too many for a frame: they will never fit.
    #[error("the events are too large for one append")]
    TooLarge,
    /// The disk failed.
    #[error("the spool could not be written: {0}")]
    Failed(io::Error),
}

/// The door's side of the spool. Clones share it; the writer ends when the last is gone or after [`Spool::close`].
#[derive(Debug, Clone)]
pub struct Spool {
    shared: Arc<shared::Shared>,
    queue: mpsc::Sender<writer::Append>,
    /// Its senders go when the threads have let go of everything.
    ended: watch::Receiver<()>,
    /// To wake it.
    keeper: Option<std::thread::Thread>,
}

impl Spool {
    /// Opens the directory, cuts what a crash left half-written, and starts the writer.
    ///
    /// # Errors
    /// If the directory cannot be made or read, another process has it open, or a newer Tenrec wrote it.
    pub fn open(config: &SpoolConfig) -> Result<(Self, SpoolReader), SpoolOpenError> {
        let segment_bytes = SEGMENT_BYTES.min(config.max_bytes / 4).max(frame::SEGMENT_HEADER as u64 + 1);
        let disk = disk::Disk::new(disk::RealDir::open(&config.dir)?);
        let (mut spool, reader, ending) = Self::open_with(disk, config, segment_bytes)?;
        let keeper = keeper::Keeper::new(&spool.shared, spool.queue.downgrade());
        let (stored, next_seq) = (reader.durably_stored(), spool.position() + 1);
        let thread = std::thread::Builder::new().name("spool-keeper".to_owned()).spawn(move || {
            keeper.run(stored, next_seq);
            drop(ending);
        })?;
        spool.keeper = Some(thread.thread().clone());
        Ok((spool, reader))
    }

    /// Opens without the keeper. Whoever holds the sender keeps [`Spool::close`] waiting.
    fn open_with(
        disk: disk::Disk,
        config: &SpoolConfig,
        segment_bytes: u64,
    ) -> Result<(Self, SpoolReader, watch::Sender<()>), SpoolOpenError> {
        let recovered = recover::recover(disk, &config.keep)?;
        let shared = Arc::new(shared::Shared::new(&recovered, config));
        let (queue, appends) = mpsc::channel(QUEUE);
        let writer = writer::Writer::new(Arc::clone(&shared), segment_bytes, recovered.next_seq, recovered.skipped);
        let (ending, ended) = watch::channel(());
        let writing = ending.clone();
        std::thread::Builder::new().name("spool".to_owned()).spawn(move || {
            writer.run(appends);
            drop(writing);
        })?;
        let reader = SpoolReader::new(Arc::clone(&shared), recovered.cursor, recovered.again)?;
        Ok((Self { shared, queue, ended, keeper: None }, reader, ending))
    }

    /// Makes the events of a request durable as one frame: all of them or none. Returns after the sync that covers them. Dropping the
    /// future does not take the events back.
    ///
    /// # Errors
    /// See [`SpoolError`]; after an error nothing was accepted.
    pub async fn append(&self, arrivals: &Arrivals) -> Result<(), SpoolError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        self.write(frame::Payload::of_arrivals(arrivals)).await
    }

    /// Makes a request durable as [`Spool::append`] does its events.
    ///
    /// # Errors
    /// See [`SpoolError`]; after an error nothing was accepted.
    pub async fn append_request(&self, request: &ScannedRequest) -> Result<(), SpoolError> {
        self.write(frame::Payload::of_request(request)).await
    }

    async fn write(&self, payload: Option<frame::Payload>) -> Result<(), SpoolError> {
        let payload = payload.ok_or(SpoolError::TooLarge)?;
        // It may have to begin a segment.
        let room = payload.frame_len() + frame::SEGMENT_HEADER as u64;
        let reserved = self.shared.reserve(room).ok_or(SpoolError::Full)?;
        let (done, outcome) = oneshot::channel();
        let append = writer::Append { payload, ends_segment: false, reserved, done };
        self.queue.try_send(append).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => SpoolError::Full,
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        outcome.await.unwrap_or_else(|_| Err(closed()))
    }

    /// The last durable frame: once the pipeline has stored this sequence number, everything appended so far is stored.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.shared.durable.borrow().seq
    }

    /// Follows what is durable.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<SpoolPosition> {
        self.shared.durable.subscribe()
    }

    /// Sizes and counters, for health pages and metrics.
    #[must_use]
    pub fn status(&self) -> SpoolStatus {
        self.shared.status()
    }

    /// Ends the segment that is written now: all that was appended so far is then removed once it is stored and its time is
    /// over. Gives the last frame of it.
    pub async fn end_segment(&self) -> u64 {
        let (done, ended) = oneshot::channel();
        if self.queue.send(writer::Append::empty(true, done)).await.is_ok() {
            ended.await.ok();
        }
        self.position()
    }

    /// The oldest frame that may still be on disk.
    #[must_use]
    pub fn oldest_seq(&self) -> Option<u64> {
        self.shared.segments().front().map(|segment| segment.first_seq)
    }

    /// Refuses further appends, waits until those under way are on disk, ends the writer and lets the directory go. Whoever
    /// reads the spool must have ended before.
    pub async fn close(&self) {
        self.shared.close.send_replace(true);
        // A nudge for a writer that sleeps on an empty queue.
        let (done, _) = oneshot::channel();
        self.queue.send(writer::Append::empty(false, done)).await.ok();
        self.keeper.iter().for_each(std::thread::Thread::unpark);
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
        self.shared.disk.unlock();
    }
}

fn closed() -> SpoolError {
    SpoolError::Failed(io::Error::new(io::ErrorKind::BrokenPipe, "the spool is closed"))
}
