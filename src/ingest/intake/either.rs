//! The two kinds as one.

use std::io;

use tokio::sync::watch;
use uuid::Uuid;

use super::queue::{Queue, QueueReader};
use crate::ingest::Arrivals;
use crate::ingest::scanned::ScannedRequest;
use crate::ingest::spool::{
    BatchLimits, Spool, SpoolBatch, SpoolError, SpoolPosition, SpoolReader, SpoolStatus, Waiting, Walk,
};

/// The door's side. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Intake {
    /// Acknowledged is what is on disk.
    Spool(Spool),
    /// Acknowledged is what is stored.
    Queue(Queue),
}

/// The pipeline's side.
#[derive(Debug)]
pub enum IntakeReader {
    Spool(SpoolReader),
    Queue(QueueReader),
}

impl From<Spool> for Intake {
    fn from(spool: Spool) -> Self {
        Self::Spool(spool)
    }
}

impl From<SpoolReader> for IntakeReader {
    fn from(reader: SpoolReader) -> Self {
        Self::Spool(reader)
    }
}

impl Intake {
    /// Takes events over: when this returns they may be acknowledged, all of them.
    ///
    /// # Errors
    /// See [`SpoolError`]; nothing may be acknowledged then. With a queue, events may be stored all the same: the sender sends
    /// them again, and their uuids tell.
    pub async fn append(&self, arrivals: &Arrivals) -> Result<(), SpoolError> {
        match self {
            Self::Spool(spool) => spool.append(arrivals).await,
            Self::Queue(queue) => queue.append(arrivals).await,
        }
    }

    /// Takes over a request that was only glanced at, as [`Intake::append`] does its events.
    ///
    /// # Errors
    /// As there.
    pub async fn append_request(&self, request: ScannedRequest) -> Result<(), SpoolError> {
        match self {
            Self::Spool(spool) => spool.append_request(&request).await,
            Self::Queue(queue) => queue.append_request(request).await,
        }
    }

    /// The number of the last append: once the pipeline has stored it, everything taken over so far is stored.
    #[must_use]
    pub fn position(&self) -> u64 {
        match self {
            Self::Spool(spool) => spool.position(),
            Self::Queue(queue) => queue.position(),
        }
    }

    /// Sizes and counters of the spool, if there is one.
    #[must_use]
    pub fn spool_status(&self) -> Option<SpoolStatus> {
        match self {
            Self::Spool(spool) => Some(spool.status()),
            Self::Queue(_) => None,
        }
    }

    /// Looks at every request that waits on disk after the frame `stored`, the oldest first. What waits in memory has a sender
    /// that waits, too: nobody asks where it is.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn search<T: Send + 'static>(
        &self,
        stored: u64,
        look: impl FnMut(Arrivals) -> Vec<T> + Send + 'static,
    ) -> io::Result<Waiting<T>> {
        match self {
            Self::Spool(spool) => spool.search(stored, look).await,
            Self::Queue(_) => Ok(Waiting { found: Vec::new(), is_complete: true }),
        }
    }

    /// Begins a walk through every request on disk after the frame `stored`, the oldest first; none if nothing is on disk.
    #[must_use]
    pub fn walk(&self, stored: u64) -> Option<Walk> {
        match self {
            Self::Spool(spool) => Some(spool.walk(stored)),
            Self::Queue(_) => None,
        }
    }

    /// Lets all that was taken over so far be removed once it is stored and need not be kept; gives its last number, and
    /// none if nothing is on disk.
    pub async fn end_segment(&self) -> Option<u64> {
        match self {
            Self::Spool(spool) => Some(spool.end_segment().await),
            Self::Queue(_) => None,
        }
    }

    /// The oldest number that may still be on disk.
    #[must_use]
    pub fn oldest_seq(&self) -> Option<u64> {
        match self {
            Self::Spool(spool) => spool.oldest_seq(),
            Self::Queue(_) => None,
        }
    }

    /// Refuses further appends and lets go of everything. Whoever reads must have ended before.
    pub async fn close(&self) {
        match self {
            Self::Spool(spool) => spool.close().await,
            Self::Queue(queue) => queue.close(),
        }
    }
}

impl IntakeReader {
    /// The next batch, as soon as there is anything. Cancelling is safe.
    ///
    /// # Errors
    /// If the disk fails; nothing is skipped.
    pub async fn next(&mut self, limits: BatchLimits) -> io::Result<SpoolBatch> {
        match self {
            Self::Spool(reader) => reader.next(limits).await,
            Self::Queue(reader) => Ok(reader.next(limits).await),
        }
    }

    /// Reads what is there of the next batch, so that it need not be waited for.
    pub async fn read_ahead(&self, limits: BatchLimits) {
        match self {
            Self::Spool(reader) => reader.read_ahead(limits).await,
            Self::Queue(_) => {} // it is in memory
        }
    }

    /// Notes that both stores have everything up to this number.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn stored(&mut self, last_seq: u64) -> io::Result<()> {
        match self {
            Self::Spool(reader) => reader.stored(last_seq).await,
            Self::Queue(reader) => {
                reader.stored();
                Ok(())
            }
        }
    }

    /// Makes durable how far it has come, where that is kept.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn save(&self) -> io::Result<()> {
        match self {
            Self::Spool(reader) => reader.save().await,
            Self::Queue(_) => Ok(()),
        }
    }

    /// What the stores had said of damage at the start; `None` where nothing is kept that could be looked at again.
    #[must_use]
    pub fn damage(&self) -> Option<&str> {
        match self {
            Self::Spool(reader) => Some(reader.damage()),
            Self::Queue(_) => None,
        }
    }

    /// See [`SpoolReader::look_again`].
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn look_again(&mut self, damage: String) -> io::Result<()> {
        match self {
            Self::Spool(reader) => reader.look_again(damage).await,
            Self::Queue(_) => Ok(()),
        }
    }

    /// The last number that both stores have.
    #[must_use]
    pub fn stored_seq(&self) -> u64 {
        match self {
            Self::Spool(reader) => reader.stored_seq(),
            Self::Queue(_) => 0,
        }
    }

    /// The last number that was there at the start; 0 if there was none.
    #[must_use]
    pub fn opened_at(&self) -> u64 {
        match self {
            Self::Spool(reader) => reader.opened_at(),
            Self::Queue(_) => 0,
        }
    }

    /// See [`SpoolReader::end_batch_at`].
    pub fn end_batch_at(&self, seq: u64) {
        if let Self::Spool(reader) = self {
            reader.end_batch_at(seq);
        }
    }

    /// Names this node, or this run of it if nothing of it is kept: where batch ids and the marks of progress come from.
    #[must_use]
    pub fn node(&self) -> Uuid {
        match self {
            Self::Spool(reader) => reader.node(),
            Self::Queue(reader) => reader.node(),
        }
    }

    /// Follows what was taken over.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<SpoolPosition> {
        match self {
            Self::Spool(reader) => reader.watch(),
            Self::Queue(reader) => reader.watch(),
        }
    }
}
