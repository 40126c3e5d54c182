//! Goes on with erasures, and destroys what has had its time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::slice;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::job::Job;
use super::spool_count::SpoolCount;
use super::steps::{Progress, note_spool};
use super::{Privacy, PrivacyError};
use crate::ingest::cookieless;
use crate::ingest::pipeline::{AllErased, PastOf};
use crate::storage::pg::{ErasureRow, ErasureStep};

/// Looks for work this often; a request of this instance wakes it.
const EVERY: Duration = Duration::from_secs(5);
/// While a job waits for something.
const SOON: Duration = Duration::from_millis(500);
/// How often what is old is looked for.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// So long an event that is sent again would be known, and so long is an erased id.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(31 * 24);
/// Most jobs looked at in a round.
const MOST_JOBS: i64 = 100;
/// Files wait for so long after somebody was named, for others may be named with them, but not longer than that.
const CALM: Duration = Duration::from_secs(1);
const MOST_PUT_OFF: Duration = Duration::from_secs(30);

/// What the worker remembers between rounds.
#[derive(Debug, Default)]
struct Memory {
    version: i64,
    swept_at: Option<Timestamp>,
    has_failed: bool,
    /// When somebody was last found who is to go out of the queries.
    named_at: Option<Instant>,
    /// Since when the files wait for that.
    put_off_since: Option<Instant>,
}

impl Memory {
    /// Whether the files wait, where somebody is named now or not.
    fn puts_files_off(&mut self, is_named: bool) -> bool {
        let now = Instant::now();
        if is_named {
            self.named_at = Some(now);
        }
        let since = *self.put_off_since.get_or_insert(now);
        let is_put_off = self.named_at.is_some_and(|at| now - at < CALM) && now - since < MOST_PUT_OFF;
        if !is_put_off {
            self.put_off_since = None;
        }
        is_put_off
    }
}

impl Privacy {
    /// Works until `shutdown`.
    ///
    /// # Errors
    /// Never; what fails is tried again.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Infallible> {
        let mut memory = Memory::default();
        loop {
            let pause = match self.round(&mut memory, &shutdown).await {
                Ok(is_waiting) => {
                    memory.has_failed = false;
                    if is_waiting { SOON } else { EVERY }
                }
                Err(error) => {
                    if !std::mem::replace(&mut memory.has_failed, true) {
                        tracing::warn!(error = %error, "Erasures wait, trying again");
                    }
                    EVERY
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Says whether a job waits for something.
    async fn round(&self, memory: &mut Memory, shutdown: &CancellationToken) -> Result<bool, PrivacyError> {
        let version = self.pg.privacy_version().await?;
        let now = self.clock.now();
        if memory.swept_at.is_none_or(|at| now.duration_since(at).abs() >= SWEEP_EVERY) {
            self.sweep(now).await?;
            memory.swept_at = Some(now);
        }
        let is_waiting = self.go_on(memory, shutdown).await?;
        if version != memory.version {
            // Another instance may have erased somebody, whose events are in the quarantine of this one. Those of a job are
            // counted before they go.
            let erased = AllErased::load(&self.pg).await?;
            if self.pg.is_any_erasure_to_hide().await? {
                return Ok(true);
            }
            erased.erase_from_quarantine(self.pipeline.quarantine_dir()).await?;
            memory.version = version;
        }
        Ok(is_waiting)
    }

    /// Goes on with every job as far as it can, first with those whose people are still found; says whether one waits for
    /// something.
    async fn go_on(&self, memory: &mut Memory, shutdown: &CancellationToken) -> Result<bool, PrivacyError> {
        if self.pg.list_open_erasures(1).await?.is_empty() {
            return Ok(false);
        }
        let Some(_turn) = self.pg.try_lock_erasures().await? else { return Ok(true) };
        // As they are now that the turn is ours.
        let open = self.pg.list_open_erasures(MOST_JOBS).await?;
        let mut is_waiting = self.go_on_with_urgent(&open, shutdown).await?;
        if memory.puts_files_off(open.iter().any(ErasureRow::is_urgent)) {
            return Ok(true);
        }
        if !self.count_in_spool(&open, shutdown).await? {
            return Ok(true);
        }
        for listed in &open {
            // Files take their time to be written anew: who was named since goes out of the queries first.
            let next = self.pg.list_open_erasures(1).await?.into_iter().next();
            if next.is_some_and(|row| row.is_urgent() && open.iter().all(|known| known.id != row.id)) {
                return Ok(true);
            }
            is_waiting |= self.go_on_with(listed, shutdown).await?;
        }
        Ok(is_waiting)
    }

    /// Takes those who are still found out of every query, all of a project together; says whether one of them waits for
    /// something.
    async fn go_on_with_urgent(&self, open: &[ErasureRow], shutdown: &CancellationToken) -> Result<bool, PrivacyError> {
        let mut projects: BTreeMap<i32, Vec<Job>> = BTreeMap::new();
        let mut is_waiting = false;
        for row in open.iter().filter(|row| row.is_urgent()) {
            match Job::load(row.clone()) {
                Ok(job) => projects.entry(row.project_id.get()).or_default().push(job),
                Err(error) => is_waiting |= warn(row, &error),
            }
        }
        for jobs in projects.values_mut() {
            if shutdown.is_cancelled() {
                return Ok(true);
            }
            if jobs.len() > 1 && self.hide_and_settle(jobs).await.is_ok() {
                continue;
            }
            // One of them may be why it fails: the others need not wait for it.
            for job in jobs.iter_mut().filter(|job| job.row.is_urgent()) {
                if let Err(error) = self.hide_and_settle(slice::from_mut(job)).await {
                    is_waiting |= warn(&job.row, &error);
                }
            }
        }
        Ok(is_waiting || projects.values().flatten().any(|job| job.row.is_urgent()))
    }

    /// Counts what the spool holds of everybody whose turn that is, in one walk; who is named meanwhile goes out of the queries
    /// between two segments. Says whether it came to its end.
    async fn count_in_spool(&self, open: &[ErasureRow], shutdown: &CancellationToken) -> Result<bool, PrivacyError> {
        let mut jobs = Vec::new();
        for listed in open {
            let Some(row) = self.pg.find_erasure(listed.project_id, listed.id).await? else { continue };
            let Ok(mut job) = Job::load(row) else { continue };
            if self.is_spool_to_count(&mut job).await? {
                jobs.push(job);
            }
        }
        if jobs.is_empty() {
            return Ok(true);
        }
        let people: Vec<PastOf> = jobs.iter().map(Job::past).collect();
        let mut count = SpoolCount::begin(&self.intake, &people, 0);
        while count.go_on().await? {
            if shutdown.is_cancelled() {
                return Ok(false);
            }
            let mut urgent = self.pg.list_open_erasures(MOST_JOBS).await?;
            urgent.retain(|row| open.iter().all(|known| known.id != row.id));
            self.go_on_with_urgent(&urgent, shutdown).await?;
        }
        for (job, found) in jobs.iter_mut().zip(count.finish().await?) {
            note_spool(job, found);
            self.save(job, &Ok(())).await?;
        }
        Ok(true)
    }

    /// Goes on with a job as long as it can, if nothing finds its people any more; says whether it waits for something.
    async fn go_on_with(&self, listed: &ErasureRow, shutdown: &CancellationToken) -> Result<bool, PrivacyError> {
        // As it is now.
        let Some(mut row) = self.pg.find_erasure(listed.project_id, listed.id).await? else { return Ok(false) };
        while row.step != ErasureStep::Done && !row.is_urgent() && !shutdown.is_cancelled() {
            match self.advance(&mut row).await {
                Ok(Progress::Next) => {}
                Ok(Progress::Later) => return Ok(true),
                // What keeps it may do so for long: it is said once.
                Err(error) => return Ok(error.to_string() == listed.error || warn(&row, &error)),
            }
        }
        Ok(row.step != ErasureStep::Done)
    }

    /// Destroys salts of days that are over everywhere, and forgets deletes that are done, and erased ids after their time.
    async fn sweep(&self, now: Timestamp) -> Result<(), PrivacyError> {
        self.forget_deletes().await;
        let destroyed = self.pg.destroy_cookieless_salts(cookieless::first_living_day(now), now).await?;
        if destroyed > 0 {
            tracing::info!(destroyed, "Destroyed the salts of days that are over");
        }
        Ok(self.pg.prune_erased_ids(now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN)).await?)
    }
}

/// Says that a job failed, and that it waits therefore.
fn warn(row: &ErasureRow, error: &PrivacyError) -> bool {
    tracing::warn!(erasure.id = %row.id, error = %error, "An erasure could not go on, trying again");
    true
}
