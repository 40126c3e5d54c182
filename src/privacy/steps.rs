//! The steps of a job. Each may be done twice; what is known of it is saved between any two.

use std::slice;

use jiff::SignedDuration;

use super::job::Job;
use super::receipt::Signer;
use super::spool_count::SpoolCount;
use super::{Privacy, PrivacyError};
use crate::model::PersonId;
use crate::storage::ch::ErasedTable;
use crate::storage::pg::{ErasureRow, ErasureStep, History, HistoryOf, Scrubbed};

/// Tables of this size and less are rewritten at once; the pipeline waits meanwhile.
const SMALL_BYTES: u64 = 64 << 20;
/// Larger ones so long after they were asked to, so that several erasures share one rewrite.
const LARGE_AFTER: SignedDuration = SignedDuration::from_hours(12);
/// What the counts call the spool.
const SPOOL: &str = "spool.events";

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Next,
    /// Something must happen first: look again later.
    Later,
}

impl Privacy {
    /// Goes one step further as the worker does, and says whether it could. For tests of what a crash leaves behind.
    ///
    /// # Errors
    /// If a store or the disk fails.
    #[doc(hidden)]
    pub async fn advance_once(&self, row: &mut ErasureRow) -> Result<bool, PrivacyError> {
        Ok(self.advance(row).await? == Progress::Next)
    }

    /// Goes one step further with a job, and saves it.
    pub(super) async fn advance(&self, row: &mut ErasureRow) -> Result<Progress, PrivacyError> {
        let mut job = Job::load(row.clone())?;
        let done = if row.keeps_events { self.finish_profile(&mut job).await } else { self.step(&mut job).await };
        self.save(&mut job, &done).await?;
        *row = job.row;
        done
    }

    async fn step(&self, job: &mut Job) -> Result<Progress, PrivacyError> {
        let before = job.row.step;
        match before {
            ErasureStep::Hide => self.hide(slice::from_mut(job)).await?,
            ErasureStep::Settle => self.settle(slice::from_mut(job)).await?,
            ErasureStep::Scrub => self.scrub(job).await?,
            ErasureStep::Wait => self.wait(job).await?,
            ErasureStep::Done => return Ok(Progress::Next),
        }
        Ok(if job.row.step == before { Progress::Later } else { Progress::Next })
    }

    /// What Postgres still holds of their profiles and of this history; notes it.
    pub(super) async fn count_in_postgres(&self, job: &mut Job, history: &[History]) -> Result<u64, PrivacyError> {
        let project = job.row.project_id;
        // The hash of an id is the same when the id comes back; the number of a person never does.
        let numbers = job.plan.numbers.iter().map(|number| PersonId::from_event(*number));
        let numbers: Vec<PersonId> = numbers.filter(|number| number.has_profile()).collect();
        let rows: Vec<i64> = numbers.iter().map(|number| number.as_row()).collect();
        let (persons, ids, merges) = self.pg.count_erased_leftovers(project, &rows).await?;
        let mut left = 0;
        for (store, after) in [("persons", persons), ("distinct_ids", ids), ("merges", merges)] {
            job.note_after(&format!("postgres.{store}"), after.unsigned_abs());
            left += after.unsigned_abs();
        }
        for what in history {
            let of = HistoryOf { numbers: &numbers, distinct_ids: &[] };
            let after = self.pg.count_history(project, *what, of).await?;
            job.note_after(what.store(), after);
            left += after;
        }
        Ok(left)
    }

    async fn scrub(&self, job: &mut Job) -> Result<(), PrivacyError> {
        if self.is_spool_to_count(job).await? {
            let before = SpoolCount::begin(&self.intake, &[job.past()], 0).finish().await?;
            note_spool(job, before.iter().sum());
        }
        if !job.plan.is_recounted {
            if !self.rewrite_parts(&ErasedTable::ALL, job).await? {
                return Ok(());
            }
            if self.count_after(slice::from_mut(job)).await?.iter().any(|left| *left > 0) {
                // A mutation was stopped by somebody, or lost with the power, and what it was to take out is back.
                job.forget_mutations();
                job.row.step = ErasureStep::Settle;
                return Ok(());
            }
            job.plan.is_recounted = true;
        }
        let waited = self.clock.now().duration_since(job.row.requested_at);
        if self.pg.scrub_bytes().await? > SMALL_BYTES && waited < LARGE_AFTER {
            return Ok(());
        }
        job.plan.notes = notes_of(self.pg.scrub().await?);
        job.plan.old_parts = self.ch.list_old_parts().await?;
        job.row.step = ErasureStep::Wait;
        Ok(())
    }

    /// Has ClickHouse write the parts that held rows of theirs anew; says whether that is done. Merges come first, and may take
    /// minutes: nobody else waits for that, so it is asked for and looked after.
    async fn rewrite_parts(&self, tables: &[ErasedTable], job: &mut Job) -> Result<bool, PrivacyError> {
        let plan = &mut job.plan;
        let rewrites = match &mut plan.rewrites {
            Some(rewrites) => rewrites,
            none => {
                let deletes = match &mut plan.deletes {
                    Some(deletes) => deletes,
                    none => none.insert(self.ch.last_mutations().await?),
                };
                if !self.ch.are_mutations_done(deletes).await? {
                    return Ok(false);
                }
                for table in tables {
                    self.ch.apply_deletes(*table).await?;
                }
                none.insert(self.ch.last_mutations().await?)
            }
        };
        Ok(self.ch.are_mutations_done(rewrites).await?)
    }

    /// Nothing but the speed of questions depends on it.
    pub(super) async fn forget_deletes(&self) {
        if let Err(error) = self.ch.forget_deletes_done().await {
            tracing::warn!(error = %error, "ClickHouse keeps deletes that are done, and counts slower");
        }
    }

    async fn wait(&self, job: &mut Job) -> Result<(), PrivacyError> {
        if !self.are_files_gone(job).await? {
            return Ok(());
        }
        if !job.has_noted_after(SPOOL) {
            let after = SpoolCount::begin(&self.intake, &[job.past()], 0).finish().await?;
            note_spool(job, after.iter().sum());
        }
        self.forget_deletes().await;
        self.finish(job).await
    }

    /// Whether what held their rows and events has been removed.
    async fn are_files_gone(&self, job: &mut Job) -> Result<bool, PrivacyError> {
        // The spool keeps its segments longer than ClickHouse its parts, and costs nothing to ask.
        self.place(slice::from_mut(job)).await;
        let last = job.plan.places.get(&self.run).and_then(|place| place.spool);
        if last.zip(self.intake.oldest_seq()).is_some_and(|(last, oldest)| oldest <= last) {
            return Ok(false);
        }
        let still_there = self.ch.list_old_parts().await?;
        Ok(!job.plan.old_parts.iter().any(|part| still_there.contains(part)))
    }

    /// Whether a job goes on with what the spool holds: once before its files are written anew, and once when they are gone.
    pub(super) async fn is_spool_to_count(&self, job: &mut Job) -> Result<bool, PrivacyError> {
        match job.row.step {
            ErasureStep::Scrub => Ok(!job.row.keeps_events && !job.has_noted(SPOOL)),
            ErasureStep::Wait => Ok(!job.has_noted_after(SPOOL) && self.are_files_gone(job).await?),
            ErasureStep::Hide | ErasureStep::Settle | ErasureStep::Done => Ok(false),
        }
    }

    /// Of an erasure that keeps the events: Postgres and its mirrors held what goes.
    async fn finish_profile(&self, job: &mut Job) -> Result<Progress, PrivacyError> {
        if self.hide_tables(&ErasedTable::OF_PROFILE, slice::from_ref(job)).await? {
            job.forget_mutations();
        }
        if !self.rewrite_parts(&ErasedTable::OF_PROFILE, job).await? {
            return Ok(Progress::Later);
        }
        let waited = self.clock.now().duration_since(job.row.requested_at);
        if self.pg.scrub_bytes().await? > SMALL_BYTES && waited < LARGE_AFTER {
            return Ok(Progress::Later);
        }
        job.plan.notes = notes_of(self.pg.scrub().await?);
        self.count_in_postgres(job, &History::OF_PROFILE).await?;
        job.row.hidden_at = Some(self.clock.now());
        self.finish(job).await?;
        Ok(Progress::Next)
    }

    async fn finish(&self, job: &mut Job) -> Result<(), PrivacyError> {
        job.row.finished_at = Some(self.clock.now());
        job.row.receipt = Some(Signer::load(&self.pg).await?.sign(&job.row, &job.plan.notes));
        job.row.step = ErasureStep::Done;
        tracing::info!(project.id = %job.row.project_id, erasure.id = %job.row.id, "Erased a person");
        Ok(())
    }
}

/// What a scrub could not do, for the receipt.
fn notes_of(scrubbed: Scrubbed) -> Vec<String> {
    let log = "This Postgres does not let Tenrec end its write-ahead log: it holds the deleted rows until Postgres recycles it.";
    let statistics = "This Postgres does not let Tenrec forget the planner's samples: they may hold values until the tables are analyzed.";
    let undone = [(scrubbed.log, log), (scrubbed.statistics, statistics)];
    undone.into_iter().filter(|(is_done, _)| !is_done).map(|(_, note)| note.to_owned()).collect()
}

/// Notes what the spool holds of them, as of the step they are at.
pub(super) fn note_spool(job: &mut Job, found: u64) {
    if job.row.step == ErasureStep::Scrub {
        job.note(SPOOL, found);
    } else {
        job.note_after(SPOOL, found);
    }
}
