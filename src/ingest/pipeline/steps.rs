//! A batch through its steps, again and again until it is done.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::attempt::Progress;
use super::backoff::{self, Backoff};
use super::damage::Damage;
use super::definitions::Definitions;
use super::duplicates::first_of_each;
use super::fence::Fence;
use super::ledger::{Ledger, Tally};
use super::left_out::LeftOut;
use super::quarantine::Quarantine;
use super::sessions::{Sessions, Touched};
use super::status::Counters;
use super::step::{Failure, Step, Stopped};
use crate::identity::{Identity, Resolved};
use crate::ingest::AcceptedEvent;
use crate::ingest::sessions::SessionFold;
use crate::ingest::spool::SpoolBatch;
use crate::model::Clock;
use crate::storage::ch::{ClickHouse, Unsettled};
use crate::storage::pg::{Pg, RecentPersons, WrittenPersons};

/// A part that a store refuses for what it contains.
#[derive(Debug)]
struct Refused {
    step: Step,
    error: String,
    resolved: Option<Vec<Option<Resolved>>>,
}

#[derive(Debug)]
pub(super) struct Work {
    pub(super) identity: Identity,
    pub(super) pg: Pg,
    pub(super) clickhouse: ClickHouse,
    pub(super) clock: Clock,
    pub(super) counters: Counters,
    quarantine: Quarantine,
    pub(super) definitions: Definitions,
    pub(super) sessions: Sessions,
    pub(super) recent_persons: RecentPersons,
    ledger: Ledger,
    pub(super) left_out: LeftOut,
    /// Of the batch under way.
    pub(super) tally: Tally,
    pub fence: Fence,
    pub(super) damage: Damage,
    /// Something of the batch under way may be done.
    pub(super) is_begun: bool,
    /// The batch was stored and counted before, and is only looked at again.
    pub(super) is_repeated: bool,
    /// Something of a repeated batch was missing. What persons became afterwards is then told again too, in its order: an
    /// older value must not stay.
    pub(super) replays: bool,
    /// Questions wait while it is there.
    pub(super) unsettled: Option<Unsettled>,
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
            recent_persons: RecentPersons::default(),
            left_out: LeftOut::default(),
            tally: Tally::default(),
            damage: Damage::default(),
            is_begun: false,
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
        (self.is_begun, self.is_repeated) = (false, is_repeated);
        self.counters.oldest(events.iter().map(|e| e.received_at).min());
        self.tally = Tally::received(&events, rejected);
        let all = events.len();
        let events = first_of_each(events, |again| self.tally.duplicate(again));
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
        if is_repeated {
            self.damage.looked_again();
        } else {
            self.write_ledger(last_seq, shutdown).await?;
            self.counters.duplicates(all - events.len());
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
                    self.is_begun = true;
                    return Ok(Some(Refused { step, error, resolved: progress.resolved }));
                }
                Err(Failure::Crash) => return Err(Stopped::Crash),
                Err(Failure::LookAgain { damage }) => return Err(Stopped::LookAgain { damage }),
                Err(Failure::Passing { step, error }) => {
                    self.damage.suspect();
                    self.wait(step, error, &mut retries, shutdown).await?;
                }
            }
        }
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
    pub(super) async fn quarantine(
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
