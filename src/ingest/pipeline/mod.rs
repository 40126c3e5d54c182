//! From the spool into both stores, exactly once as seen from a query.
//!
//! A batch goes through steps, each in its file:
//!
//! 1. `duplicates`: which events are stored already? One look-up by uuid for each month in the batch. A row that this very
//!    batch wrote (it carries the batch's id) is progress from before a crash; a row of another batch means that the client
//!    sent the event again: it is left out, before it can change anything about a person. From here to the end of the inserts
//!    no other instance stores (`fence`).
//!    Events of those who opted out, and of an erased person's past, are left out too (`left_out`).
//! 2. [`identity`](crate::identity): whose are the rest? People are read while the look-up runs, and the rows of the insert are
//!    made while Postgres writes what became of them (`attempt`).
//! 3. `definitions`: names for pickers, and what events' tails hold, which questions rely on.
//! 4. `insert`: one insert for each month, all rows of it or none.
//! 5. Override rows, people and groups are copied to ClickHouse: beside the insert, or here if that failed.
//! 6. `sessions`: what the batch's own events say about their sessions, when all of them are stored.
//! 7. `ledger`: what became of each event, counted once; then the spool's cursor moves on.
//!
//! From the insert to the end of the sessions, questions wait for the batch (`storage::ch`, `settled`): they see all of it.
//!
//! Any step may fail, and the process may die between any two: the batch begins again at the look-up, with the same events
//! under the same id, and finds what is done. So an insert whose outcome is unknown is never sent again blindly, and not
//! before it is certain that it is over.
//!
//! - A store that is away is asked again, with growing pauses up to five seconds, for ever: the spool holds the events. Where
//!   there is none ([`intake`](super::intake)), those who sent them wait, or hear that they must send again.
//! - A batch that the spool hands out again after both stores had it ([`SpoolBatch::is_repeated`]) is not counted again; what
//!   the look-up misses is stored anew and counted as restored.
//! - Parts that ClickHouse finds damaged and puts aside, at a start or later, let the spool hand out what it keeps (`damage`).
//! - Rows that a store refuses for what they contain are halved until the one event is found; it goes to the quarantine
//!   (`quarantine`), its neighbours are stored.

mod attempt;
mod backoff;
mod damage;
mod definitions;
mod duplicates;
mod erased;
mod fence;
mod insert;
mod ledger;
mod left_out;
mod quarantine;
mod sessions;
mod status;
mod step;
mod steps;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::intake::IntakeReader;
use super::spool::{BatchLimits, SpoolBatch};
use crate::identity::Identity;
use crate::model::Clock;
use crate::storage::ch::ClickHouse;
use crate::storage::pg::Pg;

use backoff::Backoff;
use damage::Damage;
use status::Counters;
use step::Stopped;
use steps::Work;

pub use erased::{AllErased, PastOf, count_in_quarantine, erase_from_quarantine};
pub use status::{PipelineHandle, PipelineStatus};
pub use step::Step;

/// How the pipeline works; the defaults are meant for use.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// Most events resolved and inserted together.
    pub max_events: usize,
    /// Most bytes of JSON in memory at once.
    pub max_bytes: usize,
    /// Least time between the starts of two batches that are not full: each insert makes a part that must be merged.
    /// After a quiet time an event is taken up at once.
    pub interval: Duration,
    /// Longest pause between two tries while a store is away.
    pub longest_pause: Duration,
    /// Where events go that no store takes.
    pub quarantine_dir: PathBuf,
}

impl PipelineConfig {
    /// The defaults, with this directory.
    #[must_use]
    pub fn new(quarantine_dir: PathBuf) -> Self {
        Self {
            max_events: 7_000,
            max_bytes: 32 << 20,
            interval: Duration::from_millis(500),
            longest_pause: backoff::LONGEST,
            quarantine_dir,
        }
    }

    /// The same for senders that wait until their events are stored: what comes within 150 ms is one batch, and a store that
    /// is back is noticed soon.
    #[must_use]
    pub fn while_senders_wait(self) -> Self {
        Self { interval: Duration::from_millis(150), longest_pause: Duration::from_secs(2), ..self }
    }
}

/// What the pipeline works with.
#[derive(Debug)]
pub struct PipelineParts {
    pub reader: IntakeReader,
    pub pg: Pg,
    pub clickhouse: ClickHouse,
    pub clock: Clock,
}

/// The one worker that empties the spool.
#[derive(Debug)]
pub struct Pipeline {
    config: PipelineConfig,
    reader: IntakeReader,
    work: Work,
    stored: watch::Sender<u64>,
}

impl Pipeline {
    /// Puts the parts together; nothing runs before [`Pipeline::run`].
    #[must_use]
    pub fn new(config: PipelineConfig, parts: PipelineParts) -> (Self, PipelineHandle) {
        let PipelineParts { reader, pg, clickhouse, clock } = parts;
        let (stored, watched) = watch::channel(reader.stored_seq());
        let counters = Counters::new(clock.clone());
        let quarantine = config.quarantine_dir.clone();
        let handle = PipelineHandle::new(watched, counters.clone(), quarantine.clone());
        let identity = Identity::new(pg.clone());
        let mut work = Work::new(identity, pg, clickhouse, clock, counters, quarantine, reader.node());
        work.longest_pause = config.longest_pause;
        work.damage = Damage::new(reader.damage());
        if reader.stored_seq() < reader.opened_at() {
            work.fence.inherit();
        }
        (Self { config, reader, work, stored }, handle)
    }

    /// Makes [`Pipeline::run`] end right before the given step as if the process had died there. For tests of what a
    /// crash leaves behind.
    #[doc(hidden)]
    #[must_use]
    pub fn crash_before(mut self, step: Step) -> Self {
        self.work.crash_before = Some(step);
        self
    }

    /// Stores batches until `shutdown`; what is under way is finished first, unless a store is away.
    pub async fn run(mut self, shutdown: CancellationToken) {
        match self.work.open_ledger(self.reader.opened_at(), &shutdown).await {
            Ok(counted) => self.reader.end_batch_at(counted),
            Err(_) => return,
        }
        let mut reads = Backoff::default();
        let mut taken = 0_u64;
        loop {
            let started = Instant::now();
            let limits = BatchLimits { events: self.config.max_events, bytes: self.config.max_bytes };
            let batch = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                batch = self.reader.next(limits) => batch,
            };
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::error!(error = %error, "The spool cannot be read, trying again");
                    reads.pause(&shutdown).await;
                    continue;
                }
            };
            reads = Backoff::default();
            let (events, seq) = (batch.events.len() + batch.rejected.len(), batch.last_seq);
            match self.store(batch, limits, &shutdown).await {
                Ok(()) => {
                    self.stored.send_replace(seq);
                }
                Err(Stopped::Shutdown) => break,
                Err(Stopped::Crash) => return,
                Err(Stopped::LookAgain { damage }) => {
                    self.look_again(damage, &shutdown).await;
                    continue;
                }
            }
            taken = taken.saturating_add(events as u64);
            if events < self.config.max_events / 2 {
                self.pace(started, taken, &shutdown).await;
            }
        }
        if let Err(error) = self.reader.save().await {
            tracing::warn!(error = %error, "The spool's cursor could not be saved; some batches will be looked at again");
        }
    }

    async fn store(
        &mut self,
        batch: SpoolBatch,
        limits: BatchLimits,
        shutdown: &CancellationToken,
    ) -> Result<(), Stopped> {
        let seq = batch.last_seq;
        // Most of the time of a batch the stores work, and we may read the next one.
        let (stored, ()) = tokio::join!(self.work.store(batch, shutdown), self.reader.read_ahead(limits));
        stored?;
        self.work.reach(Step::Cursor)?;
        let mut retries = Backoff::default();
        while let Err(error) = self.reader.stored(seq).await {
            tracing::error!(error = %error, "The spool's cursor cannot move, trying again");
            retries.pause(shutdown).await;
            if shutdown.is_cancelled() {
                return Err(Stopped::Shutdown);
            }
        }
        Ok(())
    }

    /// Begins with what is kept of stored batches. If the end comes before that, the next start does it.
    async fn look_again(&mut self, damage: String, shutdown: &CancellationToken) {
        let mut retries = Backoff::default();
        while let Err(error) = self.reader.look_again(damage.clone()).await {
            tracing::error!(error = %error, "The spool cannot be looked at again, trying again");
            retries.pause(shutdown).await;
            if shutdown.is_cancelled() {
                return;
            }
        }
        self.stored.send_replace(self.reader.stored_seq());
    }

    /// Waits until the interval is over or a full batch is there.
    async fn pace(&self, started: Instant, taken: u64, shutdown: &CancellationToken) {
        let mut position = self.reader.watch();
        let full = self.config.max_events as u64;
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep_until(started + self.config.interval) => {}
            _ = position.wait_for(|position| position.events.saturating_sub(taken) >= full) => {}
        }
    }
}
