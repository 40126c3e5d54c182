//! The first steps of jobs, taken for several people of a project together: a delete costs about as much for a hundred people
//! as for one.

use std::time::Duration;

use tokio::time::Instant;

use super::job::{Job, Place};
use super::{Privacy, PrivacyError};
use crate::identity::Identity;
use crate::ingest::pipeline::{PastOf, count_in_quarantine, erase_from_quarantine};
use crate::storage::ch::{ErasedRows, ErasedTable};
use crate::storage::pg::{ErasureStep, History, WrittenPersons};

/// How long a step waits for the pipeline before it looks again.
const PATIENCE: Duration = Duration::from_secs(2);

impl Privacy {
    /// Takes people of one project out of every query, as far as it goes now; saves how far each is.
    pub(super) async fn hide_and_settle(&self, jobs: &mut [Job]) -> Result<(), PrivacyError> {
        jobs.sort_by_key(|job| job.row.step != ErasureStep::Hide);
        let begun = jobs.partition_point(|job| job.row.step == ErasureStep::Hide);
        if begun > 0 {
            let done = self.hide(&mut jobs[..begun]).await;
            self.save_all(&mut jobs[..begun], &done).await?;
            done?;
        }
        let done = self.settle(jobs).await;
        self.save_all(jobs, &done).await?;
        done
    }

    async fn save_all(&self, jobs: &mut [Job], done: &Result<(), PrivacyError>) -> Result<(), PrivacyError> {
        for job in jobs {
            self.save(job, done).await?;
        }
        Ok(())
    }

    pub(super) async fn hide(&self, jobs: &mut [Job]) -> Result<(), PrivacyError> {
        jobs.sort_by_key(|job| job.plan.sessions.is_some());
        let uncounted = jobs.partition_point(|job| job.plan.sessions.is_none());
        let uncounted = &mut jobs[..uncounted];
        let counted = self.count_before(uncounted).await;
        if counted.is_err() {
            // Half of the counts are none: the next try begins with them again.
            uncounted.iter_mut().for_each(|job| job.plan.sessions = None);
        }
        // Nothing is deleted before this is kept: what was counted cannot be counted again.
        self.save_all(uncounted, &counted).await?;
        counted?;
        self.hide_all(jobs).await?;
        self.place(jobs).await;
        jobs.iter_mut().for_each(|job| job.row.step = ErasureStep::Settle);
        Ok(())
    }

    async fn count_before(&self, jobs: &mut [Job]) -> Result<(), PrivacyError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let sessions = self.ch.list_sessions_to_erase(&rows(jobs)).await?;
        for (job, sessions) in jobs.iter_mut().zip(sessions) {
            job.plan.sessions = Some(sessions);
        }
        for table in ErasedTable::ALL {
            let counts = self.ch.count_erased_rows(table, &rows(jobs)).await?;
            for (job, before) in jobs.iter_mut().zip(counts) {
                job.note(&format!("clickhouse.{}", table.name()), before);
            }
        }
        let counts = count_in_quarantine(self.pipeline.quarantine_dir(), pasts(jobs)).await?;
        for (job, before) in jobs.iter_mut().zip(counts) {
            job.note("quarantine.events", before);
        }
        Ok(())
    }

    /// Where this instance stood when it first worked on these jobs after the rows were hidden.
    pub(super) async fn place(&self, jobs: &mut [Job]) {
        if jobs.iter().all(|job| job.plan.places.contains_key(&self.run)) {
            return;
        }
        let place = Place { position: self.intake.position(), spool: self.intake.end_segment().await };
        for job in jobs {
            job.plan.places.entry(self.run).or_insert(place);
        }
    }

    async fn hide_all(&self, jobs: &[Job]) -> Result<(), PrivacyError> {
        self.hide_tables(&ErasedTable::ALL, jobs).await?;
        // What the pipeline remembers of their sessions goes now that the rows are gone.
        self.pg.bump_privacy_version().await?;
        Ok(erase_from_quarantine(self.pipeline.quarantine_dir(), pasts(jobs)).await?)
    }

    /// Says whether there was anything.
    pub(super) async fn hide_tables(&self, tables: &[ErasedTable], jobs: &[Job]) -> Result<bool, PrivacyError> {
        // What Postgres has not told the mirrors yet would come after the rows are gone, and name the id.
        Identity::new(self.pg.clone()).mirror(&self.ch, &WrittenPersons::default()).await?;
        let mut is_any_found = false;
        for table in tables {
            let all = rows(jobs);
            let counts = self.ch.count_erased_rows(*table, &all).await?;
            let found = counts.iter().zip(all).filter(|(count, _)| **count > 0);
            let found: Vec<_> = found.map(|(_, rows)| rows).collect();
            is_any_found |= !found.is_empty();
            self.ch.hide_rows(*table, &found).await?;
        }
        Ok(is_any_found)
    }

    /// Looks again once what was under way is over. Whose turn that is not yet stays at this step.
    pub(super) async fn settle(&self, jobs: &mut [Job]) -> Result<(), PrivacyError> {
        self.place(jobs).await;
        let position = |job: &Job| job.plan.places.get(&self.run).map_or(0, |place| place.position);
        jobs.sort_by_key(position);
        let patience = Instant::now() + PATIENCE;
        let mut stored = 0;
        for job in &*jobs {
            let is_stored = tokio::time::timeout_at(patience, self.pipeline.stored_up_to(position(job))).await;
            if !matches!(is_stored, Ok(true)) {
                break;
            }
            stored += 1;
        }
        let jobs = &mut jobs[..stored];
        if jobs.is_empty() {
            return Ok(());
        }
        self.hide_all(jobs).await?;
        let left = self.count_after(jobs).await?;
        for (job, left) in jobs.iter_mut().zip(left) {
            if left == 0 {
                job.row.hidden_at = Some(self.clock.now());
                job.row.step = ErasureStep::Scrub;
            }
        }
        Ok(())
    }

    /// How much there still is of each, where nothing should be.
    pub(super) async fn count_after(&self, jobs: &mut [Job]) -> Result<Vec<u64>, PrivacyError> {
        let mut left = vec![0; jobs.len()];
        let mut note = |jobs: &mut [Job], store: &str, counts: Vec<u64>| {
            for ((job, left), after) in jobs.iter_mut().zip(&mut left).zip(counts) {
                job.note_after(store, after);
                *left += after;
            }
        };
        for table in ErasedTable::ALL {
            let counts = self.ch.count_erased_rows(table, &rows(jobs)).await?;
            note(jobs, &format!("clickhouse.{}", table.name()), counts);
        }
        let counts = count_in_quarantine(self.pipeline.quarantine_dir(), pasts(jobs)).await?;
        note(jobs, "quarantine.events", counts);
        for (job, left) in jobs.iter_mut().zip(&mut left) {
            *left += self.count_in_postgres(job, &History::ALL).await?;
            job.note_after("postgres.unstored_samples", 0);
        }
        Ok(left)
    }
}

fn rows(jobs: &[Job]) -> Vec<ErasedRows<'_>> {
    jobs.iter().map(Job::rows).collect()
}

fn pasts(jobs: &[Job]) -> Vec<PastOf> {
    jobs.iter().map(Job::past).collect()
}
