//! The pipeline's side: batches out, in order, and the cursor that says how far they are stored.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use super::again::Again;
use super::batches::Batches;
use super::cursor::CursorLog;
use super::reading::ReadingThread;
use super::shared::{Shared, SpoolPosition};
use crate::ingest::enrich::Enricher;
use crate::ingest::{AcceptedEvent, RejectedEvent};

/// How large a batch may become. One frame is always taken whole.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    pub events: usize,
    /// Of JSON.
    pub bytes: usize,
}

/// Events whose fate is decided together. Its boundaries are on disk: after a crash the same batch comes again.
#[derive(Debug, Clone)]
pub struct SpoolBatch {
    /// The same for the same events, different for all others: goes into every row.
    pub id: u64,
    /// Number of its last frame, for [`SpoolReader::stored`].
    pub last_seq: u64,
    /// Both stores had it once, and may have lost it: what is missing is stored again, and nothing is counted.
    pub is_repeated: bool,
    pub events: Vec<AcceptedEvent>,
    /// What the door left out, for the ledger.
    pub rejected: Vec<RejectedEvent>,
}

/// Reads a spool. There is one for each.
#[derive(Debug)]
pub struct SpoolReader {
    opened_at: u64,
    shared: Arc<Shared>,
    batches: Arc<Mutex<Batches>>,
    thread: ReadingThread,
}

impl SpoolReader {
    pub(super) fn new(shared: Arc<Shared>, cursor: CursorLog, again: Option<Again>) -> io::Result<Self> {
        let batches = Batches::new(Arc::clone(&shared), cursor, again);
        let opened_at = shared.durable.borrow().seq;
        Ok(Self { opened_at, shared, batches: Arc::new(Mutex::new(batches)), thread: ReadingThread::start()? })
    }

    /// The same reader, adding to the events of requests by this.
    #[must_use]
    pub fn with_enricher(self, enricher: Enricher) -> Self {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).enricher = enricher;
        self
    }

    /// The next batch, as soon as there is anything. Asks again for the same one until [`SpoolReader::stored`].
    /// Cancelling is safe.
    ///
    /// # Errors
    /// If the disk fails; nothing is skipped.
    pub async fn next(&self, limits: BatchLimits) -> io::Result<SpoolBatch> {
        let mut durable = self.shared.durable.subscribe();
        loop {
            durable.borrow_and_update();
            if let Some(batch) = self.next_or_none(limits).await? {
                return Ok(batch);
            }
            // The sender lives in `shared`, so this ends only when something was appended.
            durable.changed().await.ok();
        }
    }

    /// The next batch, or `None` if all is stored.
    ///
    /// # Errors
    /// If the disk fails; nothing is skipped.
    pub async fn next_or_none(&self, limits: BatchLimits) -> io::Result<Option<SpoolBatch>> {
        self.on_thread(move |batches| batches.next(limits)).await
    }

    /// Reads what is there of the batch after the one that was given out last, so that it need not be waited for.
    pub async fn read_ahead(&self, limits: BatchLimits) {
        let batches = Arc::clone(&self.batches);
        // A frame at a time: others look at these too.
        let read = move || while batches.lock().unwrap_or_else(PoisonError::into_inner).read_ahead(limits) {};
        if let Err(error) = self.thread.run(read).await {
            tracing::error!(error = %error, "Reading ahead in the spool failed");
        }
    }

    /// The last frame that was there when the spool was opened; 0 if there was none.
    #[must_use]
    pub fn opened_at(&self) -> u64 {
        self.opened_at
    }

    /// Lets no new batch hold frames of both sides of this number: what is behind it was counted before.
    pub fn end_batch_at(&self, seq: u64) {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).end_at = seq;
    }

    /// Number of the last frame that both stores have; while batches are looked at again, of the last of those.
    #[must_use]
    pub fn stored_seq(&self) -> u64 {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).stored()
    }

    /// Number of the last frame that the cursor on disk calls stored.
    pub(super) fn durably_stored(&self) -> u64 {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).durably_stored()
    }

    /// What the stores had said of damage when the spool was opened.
    #[must_use]
    pub fn damage(&self) -> &str {
        &self.shared.keep.damage
    }

    /// Hands out what is kept of stored batches once more, before anything else: a store has found damage, and says this of
    /// all that it ever found. A batch that was asked for and not stored comes again after them.
    ///
    /// # Errors
    /// If the disk fails; it must then be asked for again.
    pub async fn look_again(&self, damage: String) -> io::Result<()> {
        self.on_thread(move |batches| batches.look_again(&damage)).await
    }

    /// This node's uuid: the same as long as the directory lives.
    #[must_use]
    pub fn node(&self) -> Uuid {
        self.shared.node
    }

    /// Follows what is durable.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<SpoolPosition> {
        self.shared.durable.subscribe()
    }

    /// Notes that both stores have this batch. Durable with the next batch, or with [`SpoolReader::save`].
    pub async fn stored(&self, last_seq: u64) -> io::Result<()> {
        self.on_thread(move |batches| {
            batches.note_stored(last_seq);
            Ok(())
        })
        .await
    }

    /// Makes the cursor durable and removes the segments behind it that need not be kept.
    ///
    /// # Errors
    /// If the disk fails. The cursor is then older than it could be, which is harmless.
    pub async fn save(&self) -> io::Result<()> {
        self.on_thread(Batches::save).await
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Batches) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let batches = Arc::clone(&self.batches);
        let work = move || work(&mut batches.lock().unwrap_or_else(PoisonError::into_inner));
        self.thread.run(work).await?
    }
}
