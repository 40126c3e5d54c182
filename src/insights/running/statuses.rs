//! Answers that nobody waits for: what became of each, by the name it was given.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Answered;
use super::cache::Cache;
use crate::insights::InsightError;
use crate::model::{Clock, ProjectId};

/// Answers that wait to be fetched take at most so much.
const MAX_BYTES: usize = 32 << 20;
/// A status without its answer.
const STATUS_BYTES: usize = 512;
/// An answer waits so long to be fetched.
const KEPT_FOR: Duration = Duration::from_secs(20 * 60);

/// How far an answer is that was asked for without waiting.
#[derive(Debug, Clone)]
pub struct QueryStatus {
    pub id: String,
    pub project: ProjectId,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// When it is forgotten; known once it has ended.
    pub expires_at: Option<Timestamp>,
    pub state: StatusState,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum StatusState {
    Running,
    Done(Answered),
    Failed(Arc<InsightError>),
}

/// Statuses by project and name. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Statuses {
    clock: Clock,
    by_id: Arc<Mutex<Cache<(ProjectId, String), Entry>>>,
}

#[derive(Debug)]
struct Entry {
    status: QueryStatus,
    cancel: CancellationToken,
    /// By [`Clock::elapsed`].
    forgotten: Option<Duration>,
}

impl Statuses {
    pub fn new(clock: &Clock) -> Self {
        Self { clock: clock.clone(), by_id: Arc::new(Mutex::new(Cache::new(MAX_BYTES))) }
    }

    /// A new status, or the one of that name if it runs. The token is there if it is new, and is cancelled to end it.
    pub fn begin(&self, project: ProjectId, id: &str) -> (QueryStatus, Option<CancellationToken>) {
        let mut by_id = self.lock();
        let key = (project, id.to_owned());
        if let Some(entry) = by_id.get(&key).filter(|entry| matches!(entry.status.state, StatusState::Running)) {
            return (entry.status.clone(), None);
        }
        let status = QueryStatus {
            id: id.to_owned(),
            project,
            started_at: self.clock.now(),
            ended_at: None,
            expires_at: None,
            state: StatusState::Running,
        };
        let cancel = CancellationToken::new();
        by_id.insert(key, Entry { status: status.clone(), cancel: cancel.clone(), forgotten: None }, STATUS_BYTES);
        (status, Some(cancel))
    }

    /// Says what became of one.
    pub fn end(&self, project: ProjectId, id: &str, outcome: Result<Answered, InsightError>) {
        let mut by_id = self.lock();
        let key = (project, id.to_owned());
        let Some(mut entry) = by_id.remove(&key) else { return };
        let now = self.clock.now();
        let mut bytes = STATUS_BYTES;
        entry.status.state = match outcome {
            Ok(answered) => {
                bytes += answered.bytes();
                StatusState::Done(answered)
            }
            Err(error) => StatusState::Failed(Arc::new(error)),
        };
        entry.status.ended_at = Some(now);
        entry.status.expires_at = now.checked_add(KEPT_FOR).ok();
        entry.forgotten = Some(self.clock.elapsed() + KEPT_FOR);
        if bytes > MAX_BYTES / 8 {
            bytes = STATUS_BYTES;
            entry.status.state = StatusState::Failed(Arc::new(InsightError::TooLargeToKeep));
        }
        by_id.insert(key, entry, bytes);
    }

    /// How far one is, unless it is forgotten.
    pub fn find(&self, project: ProjectId, id: &str) -> Option<QueryStatus> {
        let mut by_id = self.lock();
        let key = (project, id.to_owned());
        let entry = by_id.get(&key)?;
        if entry.forgotten.is_some_and(|at| at <= self.clock.elapsed()) {
            by_id.remove(&key);
            return None;
        }
        Some(entry.status.clone())
    }

    /// Ends one; whether it was there.
    pub fn cancel(&self, project: ProjectId, id: &str) -> bool {
        let mut by_id = self.lock();
        let entry = by_id.get(&(project, id.to_owned()));
        entry.inspect(|entry| entry.cancel.cancel()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Cache<(ProjectId, String), Entry>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
