//! A batch through its steps, again and again until it is done.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::backoff::{self, Backoff};
use super::definitions::Definitions;
use super::duplicates::{find_stored, first_of_each, key};
use super::fence::Fence;
use super::insert::{InsertError, insert};
use super::ledger::{Ledger, Tally};
use super::left_out::LeftOut;
use super::quarantine::Quarantine;
use super::sessions::{Sessions, Touched};
use super::status::Counters;
use super::step::{Failure, Step, Stopped, in_clickhouse, in_postgres, outside};
use crate::identity::{Identity, IdentityError, Resolved, Subject};
use crate::ingest::AcceptedEvent;
use crate::ingest::sessions::SessionFold;
use crate::ingest::spool::SpoolBatch;
use crate::model::Clock;
use crate::storage::ch::{ClickHouse, Unsettled};
use crate::storage::pg::{Pg, WrittenPersons};

/// What is known of a part of a batch from one try to the next.
#[derive(Debug)]
struct Progress {
    /// For each event; `None` if it was stored by another batch.
    resolved: Option<Vec<Option<Resolved>>>,
    /// What that has just written of persons.
    written: WrittenPersons,
}

/// A part that a store refuses for what it contains.
#[derive(Debug)]
struct Refused {
    step: Step,
    error: String,
    resolved: Option<Vec<Option<Resolved>>>,
}

#[derive(Debug)]
pub(super) struct Work {
    identity: Identity,
    pg: Pg,
    clickhouse: ClickHouse,
    clock: Clock,
    counters: Counters,
    quarantine: Quarantine,
    definitions: Definitions,
    sessions: Sessions,
    ledger: Ledger,
    left_out: LeftOut,
    /// Of the batch under way.
    tally: Tally,
    pub fence: Fence,
    /// The batch was stored and counted before, and is only looked at again.
    is_repeated: bool,
    /// Something of a repeated batch was missing. What persons became afterwards is then told again too, in its order: an
    /// older value must not stay.
    replays: bool,
    /// Questions wait while it is there.
    unsettled: Option<Unsettled>,
    pub crash_before: Option<Step>,
    /// Between two tries while a store is away.
    pub longest_pause: Duration,
}

impl Work {
    pub fn new(
        identity: Identity,
        pg: Pg,
        clickhouse: ClickHouse,
        clock: Clock,
        counters: Counters,
        quarantine_dir: PathBuf,
        node: Uuid,
    ) -> Self {
        Self {
            ledger: Ledger::new(pg.clone(), node),
            fence: Fence::new(pg.storing_turn(), clickhouse.clone()),
            identity,
            pg,
            clickhouse,
            clock,
            counters,
            quarantine: Quarantine::new(quarantine_dir),
            definitions: Definitions::default(),
            sessions: Sessions::new(node),
            left_out: LeftOut::default(),
            tally: Tally::default(),
            is_repeated: false,
            replays: false,
            unsettled: None,
            crash_before: None,
            longest_pause: backoff::LONGEST,
        }
    }

    /// The place where a test lets the process die.
    pub fn reach(&self, step: Step) -> Result<(), Stopped> {
        if self.crash_before == Some(step) { Err(Stopped::Crash) } else { Ok(()) }
    }

    /// Stores a batch, whatever it takes.
    pub async fn store(&mut self, batch: SpoolBatch, shutdown: &CancellationToken) -> Result<(), Stopped> {
        let SpoolBatch { id: batch, last_seq, events, rejected, is_repeated } = batch;
        self.is_repeated = is_repeated;
        self.counters.oldest(events.iter().map(|e| e.received_at).min());
        self.tally = Tally::received(&events, rejected);
        let all = events.len();
        let events = first_of_each(events, |again| self.tally.duplicate(again));
        if !is_repeated {
            self.counters.duplicates(all - events.len());
        }
        let mut fold = SessionFold::default();
        // Halves of what a store refuses, the first on top: order decides who merges into whom.
        let mut parts = vec![(&events[..], None)];
        while let Some((part, resolved)) = parts.pop() {
            let Some(refused) = self.store_part(batch, part, resolved, &mut fold, shutdown).await? else { continue };
            if let [event] = part {
                self.quarantine(event, refused.step.as_str(), &refused.error, shutdown).await?;
                continue;
            }
            let (first, second) = part.split_at(part.len() / 2);
            let mut of_first = refused.resolved;
            let of_second = of_first.as_mut().map(|resolved| resolved.split_off(first.len()));
            parts.extend([(second, of_second), (first, of_first)]);
        }
        self.write_sessions(last_seq, Touched::new(fold), shutdown).await?;
        self.unsettled = None;
        self.reach(Step::Ledger)?;
        if !is_repeated {
            self.write_ledger(last_seq, shutdown).await?;
        }
        self.replays &= is_repeated;
        self.counters.oldest(None);
        Ok(())
    }

    /// How far the spool is counted, whose last frame is `durable`.
    pub async fn open_ledger(&self, durable: u64, shutdown: &CancellationToken) -> Result<u64, Stopped> {
        let mut retries = Backoff::up_to(self.longest_pause);
        loop {
            match self.ledger.open(durable).await {
                Ok(counted) => return Ok(counted),
                Err(error) => self.wait(Step::Ledger, error.to_string(), &mut retries, shutdown).await?,
            }
        }
    }

    async fn write_ledger(&mut self, seq: u64, shutdown: &CancellationToken) -> Result<(), Stopped> {
        let mut retries = Backoff::up_to(self.longest_pause);
        while let Err(error) = self.ledger.write(seq, &self.tally, self.clock.now()).await {
            self.wait(Step::Ledger, error.to_string(), &mut retries, shutdown).await?;
        }
        Ok(())
    }

    /// Tries until it is stored; says why if it never will be. What it stored goes into `fold`.
    async fn store_part<'a>(
        &mut self,
        batch: u64,
        events: &'a [AcceptedEvent],
        resolved: Option<Vec<Option<Resolved>>>,
        fold: &mut SessionFold<'a>,
        shutdown: &CancellationToken,
    ) -> Result<Option<Refused>, Stopped> {
        let mut progress = Progress { resolved, written: WrittenPersons::default() };
        let mut retries = Backoff::up_to(self.longest_pause);
        loop {
            let tried = self.attempt(batch, events, &mut progress, fold, shutdown).await;
            self.fence.leave().await;
            match tried {
                Ok(()) => return Ok(None),
                Err(Failure::Poison { step, error }) => {
                    return Ok(Some(Refused { step, error, resolved: progress.resolved }));
                }
                Err(Failure::Crash) => return Err(Stopped::Crash),
                Err(Failure::Passing { step, error }) => self.wait(step, error, &mut retries, shutdown).await?,
            }
        }
    }

    async fn attempt<'a>(
        &mut self,
        batch: u64,
        events: &'a [AcceptedEvent],
        progress: &mut Progress,
        fold: &mut SessionFold<'a>,
        shutdown: &CancellationToken,
    ) -> Result<(), Failure> {
        if events.is_empty() {
            return self.mirror(&progress.written).await;
        }
        self.reach(Step::LookUp)?;
        self.fence.enter(shutdown).await.map_err(outside)?;
        let (stored, is_changed) = tokio::join!(find_stored(&self.clickhouse, events), self.left_out.refresh(&self.pg));
        let stored = stored.map_err(in_clickhouse(Step::LookUp))?;
        if is_changed.map_err(in_postgres(Step::LookUp))? {
            self.sessions.forget();
        }
        let left_out = self.left_out.among(events);
        let is_left_out =
            |event: &AcceptedEvent| left_out.contains_key(&key(event)) && !stored.contains_key(&key(event));
        let is_missing = |event: &AcceptedEvent| !stored.contains_key(&key(event)) && !is_left_out(event);
        let is_ours = |event: &AcceptedEvent| {
            stored.get(&key(event)).is_none_or(|stored| stored.inserted_by == batch) && !is_left_out(event)
        };

        self.reach(Step::Identity)?;
        let is_gap = events.iter().any(is_missing);
        self.replays |= is_gap && self.is_repeated;
        let inserts = is_gap || self.replays;
        if inserts {
            if progress.resolved.is_none() {
                let (resolved, written) = self.resolve(events, is_ours).await?;
                (progress.resolved, progress.written) = (Some(resolved), written);
            }
            self.unsettled.get_or_insert_with(|| self.clickhouse.unsettle());
        }

        self.reach(Step::Definitions)?;
        let ours: Vec<_> = match &progress.resolved {
            Some(resolved) => pairs(events, resolved.iter()).map(|(event, whose)| (event, Some(whose))).collect(),
            None => events.iter().filter(|event| is_ours(event)).map(|event| (event, None)).collect(),
        };
        let noted = self.definitions.note(&self.pg, &ours, self.clock.now()).await;
        noted.map_err(in_postgres(Step::Definitions))?;

        let mut is_mirrored = false;
        if inserts {
            self.reach(Step::Insert)?;
            let resolved = progress.resolved.iter().flatten();
            let missing: Vec<_> = pairs(events, resolved).filter(|(event, _)| is_missing(event)).collect();
            let dies_before = self.reach(Step::Overrides).is_err();
            let inserted = insert(&mut self.fence, &self.clickhouse, batch, &missing);
            // What people became is certain already. What fails of it here is done in its step.
            let mirror = self.identity.mirror(&self.clickhouse, &progress.written);
            let mirrored = async { !dies_before && mirror.await.is_ok() };
            let (inserted, mirrored) = tokio::join!(inserted, mirrored);
            is_mirrored = mirrored;
            inserted.map_err(|error| match error {
                InsertError::Turn(error) => outside(error.into()),
                InsertError::ClickHouse(error) => in_clickhouse(Step::Insert)(error),
            })?;
        }
        self.fence.leave().await;
        if !is_mirrored {
            self.mirror(&progress.written).await?;
        }

        let kept = events.iter().filter(|event| is_ours(event)).count();
        let mut dropped = Vec::new();
        for (at, event) in events.iter().enumerate() {
            match progress.resolved.as_ref().and_then(|resolved| resolved[at].as_ref()) {
                Some(Resolved::Dropped(reason)) => dropped.push((event, reason.as_str())),
                _ if is_ours(event) => self.tally.stored(event),
                _ if is_left_out(event) => self.tally.left_out(event, left_out[&key(event)]),
                _ => self.tally.duplicate(event),
            }
        }
        let dropped_count = dropped.len();
        for (event, reason) in dropped {
            self.quarantine(event, reason, "", shutdown).await?;
        }
        // The last thing that can go wrong is behind: each event goes in once.
        match &progress.resolved {
            Some(resolved) => {
                for (event, whose) in pairs(events, resolved.iter()) {
                    if let (Resolved::Person { id, .. }, true) = (whose, is_ours(event)) {
                        fold.add(event, *id);
                    }
                }
            }
            None => {
                let ours = events.iter().filter_map(|event| Some((event, stored.get(&key(event))?)));
                ours.filter(|(event, _)| is_ours(event)).for_each(|(event, stored)| fold.add(event, stored.person()));
            }
        }
        if self.is_repeated {
            let missing = events.iter().filter(|event| is_missing(event)).count();
            self.counters.restored(missing.saturating_sub(dropped_count));
        } else {
            self.counters.stored(kept - dropped_count);
            let left_out = events.iter().filter(|event| is_left_out(event)).count();
            self.counters.duplicates(events.len() - kept - left_out);
        }
        Ok(())
    }

    async fn resolve(
        &self,
        events: &[AcceptedEvent],
        is_ours: impl Fn(&AcceptedEvent) -> bool,
    ) -> Result<(Vec<Option<Resolved>>, WrittenPersons), Failure> {
        // Those stored before a crash too: what a person becomes depends on all of the batch, in order.
        let ours: Vec<&AcceptedEvent> = events.iter().filter(|event| is_ours(event)).collect();
        let subjects: Vec<Subject<'_>> = ours.iter().map(|event| subject(event)).collect();
        let resolution = self.identity.resolve(&subjects).await.map_err(in_postgres(Step::Identity))?;
        for (warning, times) in resolution.warnings.into_iter().filter(|_| !self.is_repeated) {
            self.counters.warning(warning.as_str(), times);
        }
        let mut by_key: HashMap<_, _> = ours.iter().map(|event| key(event)).zip(resolution.resolved).collect();
        Ok((events.iter().map(|event| by_key.remove(&key(event))).collect(), resolution.written))
    }

    async fn mirror(&self, written: &WrittenPersons) -> Result<(), Failure> {
        self.reach(Step::Overrides)?;
        let passing = |error: IdentityError| Failure::Passing { step: Step::Overrides, error: error.to_string() };
        self.identity.mirror(&self.clickhouse, written).await.map_err(passing)
    }

    /// Tries until the batch is in its sessions.
    async fn write_sessions(
        &mut self,
        last_seq: u64,
        mut touched: Touched<'_>,
        shutdown: &CancellationToken,
    ) -> Result<(), Stopped> {
        self.reach(Step::Sessions)?;
        loop {
            let part = touched.next_part();
            if part.is_empty() {
                return Ok(());
            }
            let mut retries = Backoff::up_to(self.longest_pause);
            loop {
                match self.sessions.write(&self.clickhouse, last_seq, &part).await {
                    Ok(refused) => {
                        for (project, _) in &refused {
                            tracing::error!(project.id = %project, "ClickHouse refuses a session; its events are stored");
                        }
                        if !refused.is_empty() {
                            self.counters.warning("session_refused", refused.len() as u64);
                        }
                        break;
                    }
                    Err(error) => self.wait(Step::Sessions, error.to_string(), &mut retries, shutdown).await?,
                }
            }
        }
    }

    /// Says what a batch waits for, and waits before the next try.
    async fn wait(
        &self,
        step: Step,
        error: String,
        retries: &mut Backoff,
        shutdown: &CancellationToken,
    ) -> Result<(), Stopped> {
        // Once in a while is enough to know; the status says it all the time.
        if retries.tries().is_power_of_two() || retries.tries() == 0 {
            let step = step.as_str();
            tracing::warn!(step, error, tries = retries.tries(), "Events wait for a store, trying again");
        }
        self.counters.retry(format!("{}: {error}", step.as_str()));
        retries.pause(shutdown).await;
        if shutdown.is_cancelled() { Err(Stopped::Shutdown) } else { Ok(()) }
    }

    /// Keeps the event aside; ends only when it is kept, counted as too many, or on shutdown.
    async fn quarantine(
        &mut self,
        event: &AcceptedEvent,
        reason: &'static str,
        detail: &str,
        shutdown: &CancellationToken,
    ) -> Result<(), Stopped> {
        if self.is_repeated {
            return Ok(()); // it is there from the first time
        }
        let mut retries = Backoff::up_to(self.longest_pause);
        loop {
            match self.quarantine.keep(event, reason, detail, self.clock.now()) {
                Ok(kept) => {
                    self.counters.quarantined(reason);
                    self.tally.quarantined(event, reason, detail);
                    tracing::warn!(project.id = %event.project_id, event.uuid = %event.uuid, reason, kept, "Quarantined an event");
                    return Ok(());
                }
                Err(error) => {
                    tracing::error!(error = %error, "The quarantine cannot be written, trying again");
                    retries.pause(shutdown).await;
                    if shutdown.is_cancelled() {
                        return Err(Stopped::Shutdown);
                    }
                }
            }
        }
    }
}

fn subject(event: &AcceptedEvent) -> Subject<'_> {
    Subject {
        project_id: event.project_id,
        uuid: event.uuid,
        event: &event.event,
        distinct_id: &event.distinct_id,
        timestamp: event.timestamp,
        properties: &event.properties,
    }
}

/// The events that belong to somebody, with whom.
fn pairs<'a, 'r>(
    events: &'a [AcceptedEvent],
    resolved: impl Iterator<Item = &'r Option<Resolved>>,
) -> impl Iterator<Item = (&'a AcceptedEvent, &'r Resolved)> {
    events.iter().zip(resolved).filter_map(|(event, resolved)| match resolved {
        Some(resolved @ Resolved::Person { .. }) => Some((event, resolved)),
        Some(Resolved::Dropped(_)) | None => None,
    })
}
