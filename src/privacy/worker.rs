//! Goes on with erasures, and destroys what has had its time.

use std::convert::Infallible;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::steps::Progress;
use super::{Privacy, PrivacyError};
use crate::ingest::cookieless;
use crate::ingest::pipeline::erase_from_quarantine;
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

/// What the worker remembers between rounds.
#[derive(Debug, Default)]
struct Memory {
    version: i64,
    swept_at: Option<Timestamp>,
    has_failed: bool,
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
        let is_waiting = self.go_on(shutdown).await?;
        if version != memory.version {
            // Another instance may have erased somebody, whose events are in the quarantine of this one. A job of this one has
            // counted them before.
            erase_from_quarantine(&self.pg, self.pipeline.quarantine_dir(), false).await?;
            memory.version = version;
        }
        Ok(is_waiting)
    }

    /// Goes on with every job as far as it can, first with those whose people are still found; says whether one waits for
    /// something.
    async fn go_on(&self, shutdown: &CancellationToken) -> Result<bool, PrivacyError> {
        let open = self.pg.list_open_erasures(MOST_JOBS).await?;
        if open.is_empty() {
            return Ok(false);
        }
        let Some(_turn) = self.pg.try_lock_erasures().await? else { return Ok(true) };
        let mut is_waiting = false;
        for listed in open.iter().filter(|row| row.is_urgent()) {
            is_waiting |= self.go_on_with(listed, ErasureRow::is_urgent, shutdown).await?;
        }
        for listed in &open {
            // Files take their time to be written anew: who was named since goes out of the queries first.
            let next = self.pg.list_open_erasures(1).await?.into_iter().next();
            if next.is_some_and(|row| row.is_urgent() && open.iter().all(|known| known.id != row.id)) {
                return Ok(true);
            }
            is_waiting |= self.go_on_with(listed, |row| !row.is_urgent(), shutdown).await?;
        }
        Ok(is_waiting)
    }

    /// Goes on with a job as long as it can and `wanted` holds; says whether it waits for something.
    async fn go_on_with(
        &self,
        listed: &ErasureRow,
        wanted: impl Fn(&ErasureRow) -> bool,
        shutdown: &CancellationToken,
    ) -> Result<bool, PrivacyError> {
        // As it is now that the turn is ours.
        let Some(mut row) = self.pg.find_erasure(listed.project_id, listed.id).await? else { return Ok(false) };
        while row.step != ErasureStep::Done && wanted(&row) && !shutdown.is_cancelled() {
            match self.advance(&mut row).await {
                Ok(Progress::Next) => {}
                Ok(Progress::Later) => return Ok(true),
                Err(error) => {
                    tracing::warn!(erasure.id = %row.id, error = %error, "An erasure could not go on, trying again");
                    return Ok(true);
                }
            }
        }
        Ok(row.step != ErasureStep::Done)
    }

    /// Destroys salts of days that are over everywhere, and forgets erased ids after their time.
    async fn sweep(&self, now: Timestamp) -> Result<(), PrivacyError> {
        let destroyed = self.pg.destroy_cookieless_salts(cookieless::first_living_day(now), now).await?;
        if destroyed > 0 {
            tracing::info!(destroyed, "Destroyed the salts of days that are over");
        }
        Ok(self.pg.prune_erased_ids(now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN)).await?)
    }
}
