//! A queue in memory whose senders wait until their events are stored.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ingest::Arrivals;
use crate::ingest::enrich::Enricher;
use crate::ingest::scanned::ScannedRequest;
use crate::ingest::spool::{BatchLimits, SpoolBatch, SpoolError, SpoolPosition};

/// How much may wait, and how long; the defaults are meant for use.
#[derive(Debug, Clone, Copy)]
pub struct QueueConfig {
    /// Most bytes of events, as JSON, that wait or are being stored; one append of any size may wait alone.
    pub max_bytes: usize,
    /// So long a sender waits: a little less than the first SDKs give up.
    pub patience: Duration,
    /// A batch under way for longer than this means that a store is away: who comes then hears so at once.
    pub stalled_after: Duration,
    /// When the end has begun, a sender waits so long at most.
    pub last_patience: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            max_bytes: 32 << 20,
            patience: Duration::from_secs(9),
            stalled_after: Duration::from_secs(4),
            last_patience: Duration::from_secs(5),
        }
    }
}

/// The door's side. Clones share the queue.
#[derive(Debug, Clone)]
pub struct Queue {
    shared: Arc<Shared>,
    enricher: Enricher,
}

/// The pipeline's side. Dropping it tells all who wait that their events were not stored.
#[derive(Debug)]
pub struct QueueReader {
    shared: Arc<Shared>,
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
struct Shared {
    config: QueueConfig,
    /// Made at the start: ids of batches derive from it, since what is in memory never comes again under the same id.
    node: Uuid,
    /// Cancelled when the end begins.
    ending: CancellationToken,
    appended: watch::Sender<SpoolPosition>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Entry>,
    /// Of the batch under way too.
    bytes: usize,
    last_seq: u64,
    taken_at: Option<Instant>,
    is_closed: bool,
}

#[derive(Debug)]
struct Entry {
    seq: u64,
    arrivals: Arrivals,
    bytes: usize,
    done: oneshot::Sender<()>,
}

#[derive(Debug)]
struct UnderWay {
    senders: Vec<oneshot::Sender<()>>,
    bytes: usize,
}

impl Queue {
    /// An empty queue; `ending` is cancelled when no more requests are taken.
    #[must_use]
    pub fn new(config: QueueConfig, ending: CancellationToken) -> (Self, QueueReader) {
        let shared = Arc::new(Shared {
            config,
            node: Uuid::new_v4(),
            ending,
            appended: watch::Sender::new(SpoolPosition::default()),
            state: Mutex::default(),
        });
        (Self { shared: Arc::clone(&shared), enricher: Enricher::default() }, QueueReader { shared, under_way: None })
    }

    /// The same queue, adding to the events of requests by this.
    #[must_use]
    pub fn with_enricher(self, enricher: Enricher) -> Self {
        Self { enricher, ..self }
    }

    /// Reads a request, and returns once both stores have its events.
    ///
    /// # Errors
    /// As [`Queue::append`].
    pub async fn append_request(&self, request: ScannedRequest) -> Result<(), SpoolError> {
        let enricher = self.enricher.clone();
        let read = tokio::task::spawn_blocking(move || request.read(&enricher)).await;
        let read = read.map_err(io::Error::other).and_then(|read| read.map_err(io::Error::other));
        self.append(&read.map_err(SpoolError::Failed)?).await
    }

    /// Returns once both stores have the events.
    ///
    /// # Errors
    /// [`SpoolError::Full`] if too many wait, a store is away, or it takes too long. In the last case the events may be stored
    /// later: a sender that sends them again with the same uuids counts them once.
    pub async fn append(&self, arrivals: &Arrivals) -> Result<(), SpoolError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let QueueConfig { patience, last_patience, .. } = self.shared.config;
        let stored = self.shared.enter(arrivals.clone())?;
        let end = async {
            self.shared.ending.cancelled().await;
            tokio::time::sleep(last_patience).await;
        };
        tokio::select! {
            biased;
            stored = stored => stored.map_err(|_| closed()),
            () = tokio::time::sleep(patience) => Err(SpoolError::Full),
            () = end => Err(SpoolError::Full),
        }
    }

    /// The number of the last append.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.shared.appended.borrow().seq
    }

    /// Refuses further appends, and tells all who wait.
    pub fn close(&self) {
        self.shared.close();
    }
}

impl QueueReader {
    /// All that waits, up to the limits, as soon as there is anything. Cancelling is safe.
    pub async fn next(&mut self, limits: BatchLimits) -> SpoolBatch {
        let mut appended = self.shared.appended.subscribe();
        loop {
            appended.borrow_and_update();
            if let Some((batch, under_way)) = self.shared.take(limits) {
                self.under_way = Some(under_way);
                return batch;
            }
            // The sender lives in `shared`, so this ends only when something was appended.
            appended.changed().await.ok();
        }
    }

    /// Both stores have the batch: answers those who wait for it.
    pub fn stored(&mut self) {
        let Some(UnderWay { senders, bytes }) = self.under_way.take() else { return };
        let mut state = self.shared.state();
        state.bytes -= bytes;
        state.taken_at = None;
        drop(state);
        for sender in senders {
            // Who has gone away will send again.
            sender.send(()).ok();
        }
    }

    /// Names this run.
    #[must_use]
    pub fn node(&self) -> Uuid {
        self.shared.node
    }

    /// Follows what was appended.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<SpoolPosition> {
        self.shared.appended.subscribe()
    }
}

impl Drop for QueueReader {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, arrivals: Arrivals) -> Result<oneshot::Receiver<()>, SpoolError> {
        let bytes = json_bytes(&arrivals);
        let (done, stored) = oneshot::channel();
        let mut state = self.state();
        if state.is_closed {
            return Err(closed());
        }
        let is_stalled = state.taken_at.is_some_and(|at| at.elapsed() > self.config.stalled_after);
        if is_stalled || (state.bytes > 0 && state.bytes + bytes > self.config.max_bytes) {
            return Err(SpoolError::Full);
        }
        state.bytes += bytes;
        state.last_seq += 1;
        let (seq, count) = (state.last_seq, arrivals.len() as u64);
        state.waiting.push_back(Entry { seq, arrivals, bytes, done });
        // Before the lock is let go: the numbers that are followed must not run backwards.
        self.appended.send_modify(|position| *position = SpoolPosition { seq, events: position.events + count });
        Ok(stored)
    }

    fn take(&self, limits: BatchLimits) -> Option<(SpoolBatch, UnderWay)> {
        let mut state = self.state();
        let first_seq = state.waiting.front()?.seq;
        let mut last_seq = first_seq;
        let mut batch = Arrivals::default();
        let mut under_way = UnderWay { senders: Vec::new(), bytes: 0 };
        while let Some(next) = state.waiting.front() {
            let fits =
                batch.len() + next.arrivals.len() <= limits.events && under_way.bytes + next.bytes <= limits.bytes;
            if !batch.is_empty() && !fits {
                break;
            }
            let entry = state.waiting.pop_front().expect("it was just seen");
            last_seq = entry.seq;
            if entry.done.is_closed() {
                // It heard 503 or hung up: it sends again, or never wanted to know.
                state.bytes -= entry.bytes;
                self.appended.send_modify(|position| position.events -= entry.arrivals.len() as u64);
                continue;
            }
            under_way.bytes += entry.bytes;
            under_way.senders.push(entry.done);
            batch.events.extend(entry.arrivals.events);
            batch.rejected.extend(entry.arrivals.rejected);
        }
        state.taken_at = Some(Instant::now());
        let mut id = [0; 8];
        let digest = Sha256::new().chain_update(self.node).chain_update(first_seq.to_be_bytes()).finalize();
        id.copy_from_slice(&digest[..8]);
        let Arrivals { events, rejected } = batch;
        let id = u64::from_be_bytes(id);
        Some((SpoolBatch { id, last_seq, is_repeated: false, events, rejected }, under_way))
    }

    fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        // Their senders go with them.
        state.waiting.clear();
    }
}

fn closed() -> SpoolError {
    SpoolError::Failed(io::Error::new(io::ErrorKind::BrokenPipe, "the intake is closed"))
}

/// About what the events take in memory.
fn json_bytes(arrivals: &Arrivals) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, arrivals).expect("events are JSON, and counting does not fail");
    count.0
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::ingest::AcceptedEvent;
    use crate::model::{ProjectId, Properties};

    const ALL: BatchLimits = BatchLimits { events: 1000, bytes: 1 << 20 };

    fn event(text: &str) -> AcceptedEvent {
        AcceptedEvent {
            project_id: ProjectId::new(1),
            uuid: Uuid::new_v4(),
            event: text.to_owned(),
            distinct_id: "u".to_owned(),
            timestamp: jiff::Timestamp::UNIX_EPOCH,
            received_at: jiff::Timestamp::UNIX_EPOCH,
            properties: Properties::default(),
        }
    }

    fn queue_with(config: QueueConfig) -> (Queue, QueueReader, CancellationToken) {
        let ending = CancellationToken::new();
        let (queue, reader) = Queue::new(config, ending.clone());
        (queue, reader, ending)
    }

    fn queue(max_bytes: usize) -> (Queue, QueueReader, CancellationToken) {
        queue_with(QueueConfig { max_bytes, ..QueueConfig::default() })
    }

    const SOON: Duration = Duration::from_millis(50);

    async fn appending(queue: &Queue, events: Vec<AcceptedEvent>) -> tokio::task::JoinHandle<Result<(), SpoolError>> {
        let (before, queue) = (queue.position(), queue.clone());
        let task = TaskTracker::new().spawn({
            let queue = queue.clone();
            async move { queue.append(&events.into()).await }
        });
        while queue.position() == before && !task.is_finished() {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn senders_wait_until_their_batch_is_stored_and_share_it() {
        let (queue, mut reader, _) = queue(1 << 20);
        let one = appending(&queue, vec![event("a"), event("b")]).await;
        let two = appending(&queue, vec![event("c")]).await;
        let first = reader.next(ALL).await;
        let three = appending(&queue, vec![event("d")]).await;
        assert_eq!(first.events.iter().map(|e| e.event.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((first.last_seq, queue.position()), (2, 3));
        assert!(!one.is_finished() && !two.is_finished());
        reader.stored();
        assert!(one.await.expect("it ran").is_ok() && two.await.expect("it ran").is_ok());
        let second = reader.next(ALL).await;
        assert!(second.last_seq == 3 && second.id != first.id);
        assert!(!three.is_finished());
        reader.stored();
        assert!(three.await.expect("it ran").is_ok());
    }

    #[tokio::test]
    async fn a_batch_keeps_to_its_limits_and_takes_one_append_whole() {
        let (queue, mut reader, _) = queue(1 << 20);
        let tasks = [
            appending(&queue, vec![event("a"); 5]).await,
            appending(&queue, vec![event("b"); 2]).await,
            appending(&queue, vec![event("c"); 2]).await,
        ];
        let limits = BatchLimits { events: 3, ..ALL };
        for expected in [5, 2, 2] {
            assert_eq!(reader.next(limits).await.events.len(), expected);
            reader.stored();
        }
        for task in tasks {
            assert!(task.await.expect("it ran").is_ok());
        }
    }

    #[tokio::test]
    async fn a_full_queue_is_told_at_once() {
        let (queue, mut reader, _) = queue(1000);
        let large = appending(&queue, vec![event(&"x".repeat(5000))]).await;
        assert!(matches!(queue.append(&vec![event("y")].into()).await, Err(SpoolError::Full)));
        reader.next(ALL).await;
        assert!(
            matches!(queue.append(&vec![event("y")].into()).await, Err(SpoolError::Full)),
            "being stored is not stored"
        );
        reader.stored();
        assert!(large.await.expect("it ran").is_ok());
    }

    #[tokio::test]
    async fn while_a_batch_is_stalled_nobody_is_let_in() {
        let (queue, mut reader, _) = queue_with(QueueConfig { stalled_after: SOON, ..QueueConfig::default() });
        let one = appending(&queue, vec![event("z")]).await;
        reader.next(ALL).await;
        tokio::time::sleep(2 * SOON).await;
        let before = queue.position();
        assert!(matches!(queue.append(&vec![event("y")].into()).await, Err(SpoolError::Full)));
        assert_eq!(queue.position(), before, "it did not wait in the queue");
        reader.stored();
        assert!(one.await.expect("it ran").is_ok());
        let two = appending(&queue, vec![event("y")]).await;
        reader.next(ALL).await;
        reader.stored();
        assert!(two.await.expect("it ran").is_ok());
    }

    #[tokio::test]
    async fn who_has_heard_503_before_its_turn_is_left_out() {
        let (queue, mut reader, _) = queue_with(QueueConfig { patience: SOON, ..QueueConfig::default() });
        let one = appending(&queue, vec![event("a")]).await;
        assert_eq!(reader.next(ALL).await.events.len(), 1);
        let two = appending(&queue, vec![event("b")]).await;
        assert!(matches!(one.await.expect("it ran"), Err(SpoolError::Full)));
        assert!(matches!(two.await.expect("it ran"), Err(SpoolError::Full)));
        reader.stored();
        let batch = reader.next(ALL).await;
        assert_eq!((batch.events.len(), batch.last_seq), (0, 2), "what is left out is done with");
        assert_eq!(*queue.shared.appended.borrow(), SpoolPosition { seq: 2, events: 1 }, "one was handed out");
        reader.stored();
        assert_eq!(queue.shared.state().bytes, 0);
    }

    #[tokio::test]
    async fn an_end_tells_all_who_wait() {
        let (queue, mut reader, ending) = queue_with(QueueConfig { last_patience: SOON, ..QueueConfig::default() });
        let one = appending(&queue, vec![event("a")]).await;
        reader.next(ALL).await;
        let two = appending(&queue, vec![event("b")]).await;
        ending.cancel();
        assert!(matches!(one.await.expect("it ran"), Err(SpoolError::Full)));
        assert!(matches!(two.await.expect("it ran"), Err(SpoolError::Full)));
        drop(reader);
        assert!(matches!(queue.append(&vec![event("c")].into()).await, Err(SpoolError::Failed(_))));
    }

    #[tokio::test]
    async fn a_pipeline_that_ends_leaves_nobody_waiting() {
        let (queue, mut reader, _) = queue(1 << 20);
        let one = appending(&queue, vec![event("a")]).await;
        reader.next(ALL).await;
        let two = appending(&queue, vec![event("b")]).await;
        drop(reader);
        assert!(one.await.expect("it ran").is_err());
        assert!(two.await.expect("it ran").is_err());
    }
}
