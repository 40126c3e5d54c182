//! Asking, by way of what was answered, what is being answered, and the queue.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cache::Cache;
use super::flights::{Flight, Flights, Held};
use super::freshness::fresh_for_query;
use super::statuses::{QueryStatus, Statuses};
use super::{Answered, Asking, JsonAnswer, Lane, QueryKey, Queue, QueueLimits, Ran, Reply, Wish, fresh_for};
use crate::insights::{InsightError, QueryContext, TrendsAnswer, run_query, run_trends};
use crate::model::query::TrendsQuery;
use crate::model::{Clock, Project, ProjectId, ProjectSettings};
use crate::storage::ch::ClickHouse;
use crate::storage::pg::Pg;
use crate::telemetry::metrics;

/// How long an answer may be used by who asks for any that there is.
const KEPT_FOR: Duration = Duration::from_secs(10 * 60);

/// How much may be kept and run.
#[derive(Debug, Clone, Copy)]
pub struct RunningLimits {
    /// Memory for answers; none keeps none.
    pub cache_bytes: usize,
    pub queue: QueueLimits,
}

/// Runs questions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Running(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ch: ClickHouse,
    pg: Pg,
    clock: Clock,
    tasks: TaskTracker,
    /// Cancelled when the server ends: answers that nobody waits for end then.
    shutdown: CancellationToken,
    has_cache: bool,
    answers: Mutex<Cache<QueryKey, Arc<Held>>>,
    /// Answers of a project from before are not used, by [`Clock::elapsed`].
    floors: Mutex<HashMap<ProjectId, Duration>>,
    flights: Flights,
    queue: Queue,
    statuses: Statuses,
    /// What ends the waiting for an answer, by the name that its client gave it.
    waits: Mutex<HashMap<(ProjectId, String), (CancellationToken, usize)>>,
}

impl Running {
    /// With nothing kept and nobody waiting. Runs end with `tasks`.
    #[must_use]
    pub fn new(
        (ch, pg, clock): (ClickHouse, Pg, Clock),
        tasks: TaskTracker,
        shutdown: CancellationToken,
        limits: RunningLimits,
    ) -> Self {
        Self(Arc::new(Inner {
            has_cache: limits.cache_bytes > 0,
            answers: Mutex::new(Cache::new(limits.cache_bytes)),
            floors: Mutex::default(),
            flights: Flights::default(),
            queue: Queue::new(limits.queue),
            statuses: Statuses::new(&clock),
            waits: Mutex::default(),
            ch,
            pg,
            clock,
            tasks,
            shutdown,
        }))
    }

    /// Where questions wait for their turn: for what runs beside this.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// Uses no answer of a project any more that was made until now: what its questions mean has changed.
    pub fn forget(&self, project: ProjectId) {
        self.0.floors.lock().unwrap_or_else(PoisonError::into_inner).insert(project, self.0.clock.elapsed());
    }

    /// Answers any query of the query API with a [`JsonAnswer`]. `id` is the name that its status gets, or by which
    /// [`Running::cancel`] finds it.
    ///
    /// # Errors
    /// If the query makes no sense, a store does not answer, it takes too much or too many run; if it is cancelled.
    pub async fn answer(
        &self,
        project: &Project,
        settings: &ProjectSettings,
        query: &Value,
        (wish, id): (Wish, &str),
    ) -> Result<Reply, InsightError> {
        let key = QueryKey::of("json", project, settings, query);
        let asking = self.asking(project.id, key, Lane::Machine).await?;
        let inner = Arc::clone(&self.0);
        let (project, settings, query) = (project.clone(), settings.clone(), query.clone());
        let make = move || async move {
            let Inner { ch, pg, clock, .. } = &*inner;
            let context = QueryContext { ch, pg, clock, project: &project, settings: &settings };
            ch.settled().await;
            let answer = run_query(context, &query).await?;
            let value = JsonAnswer::from(&answer);
            Ok(Ran { bytes: value.bytes(), fresh_for: fresh_for_query(&query, &answer, clock.now()), value })
        };
        self.ask_as(&asking, wish, id, make).await
    }

    /// Answers a trend for a page, with a [`TrendsAnswer`].
    ///
    /// # Errors
    /// As [`Running::answer`].
    pub async fn trends(
        &self,
        project: &Project,
        query: &TrendsQuery,
        must_be_new: bool,
    ) -> Result<Answered, InsightError> {
        let settings = self.0.pg.get_project_settings(project.id).await?;
        let key = QueryKey::of("trend", project, &settings, &query.to_json());
        let asking = self.asking(project.id, key, Lane::Page).await?;
        let inner = Arc::clone(&self.0);
        let (project, query) = (project.clone(), query.clone());
        let make = move || async move {
            let Inner { ch, pg, clock, .. } = &*inner;
            let context = QueryContext { ch, pg, clock, project: &project, settings: &settings };
            ch.settled().await;
            let answer = run_trends(context, &query).await?;
            let end = answer.range.to;
            let fresh_for = fresh_for(Some(query.interval), Some(end), clock.now());
            Ok(Ran { bytes: size_of_trend(&answer), fresh_for, value: answer })
        };
        self.ask(&asking, must_be_new, make).await
    }

    /// A question of a project with what may be used of before.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn asking(&self, project: ProjectId, key: QueryKey, lane: Lane) -> Result<Asking, InsightError> {
        let void_before = if self.0.has_cache { self.0.pg.find_last_erasure(project).await? } else { None };
        Ok(Asking { project, key, lane, void_before })
    }

    /// A fresh answer, or a new one: from what is kept, from a run that somebody else began, or from one that begins.
    ///
    /// Dropping the future ends the run if nobody else waits for it.
    ///
    /// # Errors
    /// What `make` fails with, or that there was no place for it.
    pub async fn ask<T, F>(
        &self,
        asking: &Asking,
        must_be_new: bool,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Answered, InsightError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<Ran<T>, InsightError>> + Send,
    {
        if !must_be_new && let Some(kept) = self.find(asking, true) {
            return Ok(kept);
        }
        let flight = self.fly(asking, must_be_new, make);
        Ok(Answered::new(flight.wait().await?, false))
    }

    /// An answer in the way it is wished.
    ///
    /// # Errors
    /// As [`Running::ask`]; and if somebody cancelled it by its name.
    pub async fn ask_as<T, F>(
        &self,
        asking: &Asking,
        wish: Wish,
        id: &str,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Reply, InsightError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<Ran<T>, InsightError>> + Send,
    {
        let fresh = match wish {
            Wish::ForceBlocking | Wish::ForceAsync => None,
            Wish::Blocking | Wish::Async | Wish::AsyncExceptOnCacheMiss => self.find(asking, true),
            Wish::LazyAsync | Wish::ForceCache => self.find(asking, false),
        };
        if let Some(answered) = fresh {
            return Ok(Reply::Answer { answered, status: None });
        }
        let any = match wish {
            Wish::Async | Wish::AsyncExceptOnCacheMiss => self.find(asking, false),
            _ => None,
        };
        match (wish, any) {
            (Wish::ForceCache, _) => Ok(Reply::Missing),
            (Wish::Blocking | Wish::ForceBlocking, _) | (Wish::AsyncExceptOnCacheMiss, None) => {
                let wait = self.begin_wait(asking.project, id);
                let answer = self.ask(asking, wish == Wish::ForceBlocking, make);
                let answered = wait.token.run_until_cancelled(answer).await.ok_or(InsightError::Cancelled)??;
                Ok(Reply::Answer { answered, status: None })
            }
            (Wish::Async | Wish::LazyAsync | Wish::AsyncExceptOnCacheMiss | Wish::ForceAsync, any) => {
                let status = self.begin(asking, wish == Wish::ForceAsync, id, make);
                Ok(match any {
                    Some(answered) => Reply::Answer { answered, status: Some(status) },
                    None => Reply::Pending(status),
                })
            }
        }
    }

    /// How far the answer of that name is, which nobody waits for.
    #[must_use]
    pub fn find_status(&self, project: ProjectId, id: &str) -> Option<QueryStatus> {
        self.0.statuses.find(project, id)
    }

    /// Ends the question of that name, unless somebody else wants its answer too; whether there is one.
    #[must_use]
    pub fn cancel(&self, project: ProjectId, id: &str) -> bool {
        let waits = self.0.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = waits.get(&(project, id.to_owned())).inspect(|(token, _)| token.cancel()).is_some();
        drop(waits);
        self.0.statuses.cancel(project, id) || waited
    }

    /// What is kept.
    fn find(&self, asking: &Asking, must_be_fresh: bool) -> Option<Answered> {
        let now = self.0.clock.elapsed();
        let held = {
            let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let held = Arc::clone(answers.get(&asking.key)?);
            if now.saturating_sub(held.asked) > KEPT_FOR {
                answers.remove(&asking.key);
                return None;
            }
            held
        };
        let is_old = must_be_fresh && now.saturating_sub(held.asked) >= held.fresh_for;
        let is_void = asking.void_before.is_some_and(|void| held.asked_at <= void) || {
            let floors = self.0.floors.lock().unwrap_or_else(PoisonError::into_inner);
            floors.get(&asking.project).is_some_and(|floor| held.asked <= *floor)
        };
        if is_old || is_void {
            return None;
        }
        metrics::QUERY_ANSWERS.with("kept").add(1);
        Some(Answered::new(held, true))
    }

    /// Joins a run or begins one.
    fn fly<T, F>(&self, asking: &Asking, must_be_new: bool, make: impl FnOnce() -> F + Send + 'static) -> Arc<Flight>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<Ran<T>, InsightError>> + Send,
    {
        let inner = Arc::clone(&self.0);
        let Asking { project, key, lane, .. } = *asking;
        let (flight, is_joined) = self.0.flights.join(key, must_be_new, &self.0.tasks, |has_begun| async move {
            let _place = inner.queue.enter(project, lane).await?;
            has_begun.store(true, Ordering::SeqCst);
            let (asked_at, asked) = (inner.clock.now(), inner.clock.elapsed());
            let Ran { value, bytes, fresh_for } = make().await?;
            let held = Arc::new(Held { value: Box::new(value), bytes, fresh_for, asked_at, asked });
            let mut answers = inner.answers.lock().unwrap_or_else(PoisonError::into_inner);
            // One that was asked later may be there already.
            if answers.get(&key).is_none_or(|kept| kept.asked <= asked) {
                answers.insert(key, Arc::clone(&held), bytes);
            }
            Ok(held)
        });
        metrics::QUERY_ANSWERS.with(if is_joined { "joined" } else { "run" }).add(1);
        flight
    }

    /// Runs a question that nobody waits for.
    fn begin<T, F>(
        &self,
        asking: &Asking,
        must_be_new: bool,
        id: &str,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> QueryStatus
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<Ran<T>, InsightError>> + Send,
    {
        let (status, cancel) = self.0.statuses.begin(asking.project, id);
        let Some(cancel) = cancel else { return status };
        let flight = self.fly(asking, must_be_new, make);
        let (inner, project, id) = (Arc::clone(&self.0), asking.project, id.to_owned());
        self.0.tasks.spawn(async move {
            let outcome = tokio::select! {
                biased;
                outcome = flight.wait() => outcome,
                () = cancel.cancelled() => Err(InsightError::Cancelled),
                () = inner.shutdown.cancelled() => Err(InsightError::Stopping),
            };
            drop(flight);
            let outcome = outcome.map(|held| Answered::new(held, false));
            inner.statuses.end(project, &id, outcome);
        });
        status
    }

    fn begin_wait(&self, project: ProjectId, id: &str) -> Wait {
        let key = (project, id.to_owned());
        let mut waits = self.0.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, count) = waits.entry(key.clone()).or_default();
        *count += 1;
        Wait { running: self.clone(), key, token: token.clone() }
    }
}

/// Somebody waits for an answer that has a name.
struct Wait {
    running: Running,
    key: (ProjectId, String),
    token: CancellationToken,
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waits = self.running.0.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = waits.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                waits.remove(&self.key);
            }
        }
    }
}

/// What a trend takes of memory, about.
fn size_of_trend(answer: &TrendsAnswer) -> usize {
    let lines: usize = answer.results.iter().map(|line| 200 + 8 * line.data.len()).sum();
    let buckets = answer.range.buckets.len() + answer.previous.as_ref().map_or(0, |range| range.buckets.len());
    lines + 160 * buckets + answer.statements.iter().map(String::len).sum::<usize>() + 1_000
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
