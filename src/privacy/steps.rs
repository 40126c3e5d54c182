//! The steps of a job. Each may be done twice; what is known of it is saved between any two.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::receipt::Signer;
use super::{Privacy, PrivacyError};
use crate::identity::Identity;
use crate::ingest::pipeline::erase_from_quarantine;
use crate::model::{PersonId, ProjectId};
use crate::storage::ch::{ErasedRows, ErasedTable, text_hash};
use crate::storage::pg::{
    ErasureRow, ErasureStep, ErasureSubject, History, HistoryOf, Scrubbed, StoreCount, WrittenPersons,
};

/// Tables of this size and less are rewritten at once; the pipeline waits meanwhile.
const SMALL_BYTES: u64 = 64 << 20;
/// Larger ones so long after they were asked to, so that several erasures share one rewrite.
const LARGE_AFTER: SignedDuration = SignedDuration::from_hours(12);
/// How long a step waits for the pipeline before it looks again.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a job notes for itself: numbers and hashes, no names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Plan {
    pub numbers: Vec<u64>,
    pub distinct_ids: Vec<u64>,
    /// None before they were looked for: once the events are gone nobody can tell.
    pub sessions: Option<Vec<u64>>,
    /// What each run of an instance that worked on it had taken over when it first did.
    pub places: BTreeMap<Uuid, Place>,
    /// Parts that were replaced, and whose files were still there.
    pub old_parts: Vec<String>,
    /// What Postgres did not let us do, in words.
    pub notes: Vec<String>,
}

/// Where an instance stood: positions of its own, which say nothing to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// What was taken over up to here may be under way.
    pub position: u64,
    /// The last frame of the spool that may hold an event of theirs.
    pub spool: Option<u64>,
}

impl Plan {
    pub fn of(subject: &ErasureSubject) -> Self {
        Self {
            numbers: subject.numbers.iter().map(|number| number.get()).collect(),
            distinct_ids: subject.distinct_ids.iter().map(|id| text_hash(id)).collect(),
            ..Self::default()
        }
    }

    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("numbers and texts are JSON")
    }

    pub fn rows(&self, project: ProjectId, until: Timestamp) -> ErasedRows<'_> {
        ErasedRows {
            project,
            numbers: &self.numbers,
            distinct_ids: &self.distinct_ids,
            sessions: self.sessions.as_deref().unwrap_or_default(),
            until,
        }
    }
}

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
        let plan = row.plan.take().unwrap_or_default();
        let mut plan: Plan =
            serde_json::from_value(plan).map_err(|_| PrivacyError::Damaged("an erasure's notes cannot be read"))?;
        let done =
            if row.keeps_events { self.finish_profile(row, &plan).await } else { self.step(row, &mut plan).await };
        row.error = done.as_ref().err().map(ToString::to_string).unwrap_or_default();
        row.plan = (row.step != ErasureStep::Done).then(|| plan.to_json());
        self.pg.save_erasure(row).await?;
        done
    }

    async fn step(&self, row: &mut ErasureRow, plan: &mut Plan) -> Result<Progress, PrivacyError> {
        match row.step {
            ErasureStep::Hide => self.hide(row, plan).await,
            ErasureStep::Settle => self.settle(row, plan).await,
            ErasureStep::Scrub => self.scrub(row, plan).await,
            ErasureStep::Wait => self.wait(row, plan).await,
            ErasureStep::Done => Ok(Progress::Next),
        }
    }

    async fn hide(&self, row: &mut ErasureRow, plan: &mut Plan) -> Result<Progress, PrivacyError> {
        if plan.sessions.is_none() {
            plan.sessions = Some(self.ch.list_sessions_to_erase(&plan.rows(row.project_id, row.until)).await?);
            for table in ErasedTable::ALL {
                let before = self.ch.count_erased_rows(table, &plan.rows(row.project_id, row.until)).await?;
                note(row, &format!("clickhouse.{}", table.name()), before);
            }
            let quarantine = self.pipeline.quarantine_dir();
            note(row, "quarantine.events", erase_from_quarantine(&self.pg, quarantine, true).await?);
            // Nothing is deleted before this is kept: what was counted cannot be counted again.
            row.plan = Some(plan.to_json());
            self.pg.save_erasure(row).await?;
        }
        self.hide_all(row, plan).await?;
        erase_from_quarantine(&self.pg, self.pipeline.quarantine_dir(), false).await?;
        self.place(plan).await;
        row.step = ErasureStep::Settle;
        Ok(Progress::Next)
    }

    /// Where this instance stood when it first worked on a job after the rows were hidden.
    async fn place(&self, plan: &mut Plan) -> Place {
        if let Some(place) = plan.places.get(&self.run) {
            return *place;
        }
        let place = Place { position: self.intake.position(), spool: self.intake.end_segment().await };
        plan.places.insert(self.run, place);
        place
    }

    async fn hide_all(&self, row: &ErasureRow, plan: &Plan) -> Result<(), PrivacyError> {
        self.hide_tables(&ErasedTable::ALL, row, plan).await?;
        // What the pipeline remembers of their sessions goes now that the rows are gone.
        Ok(self.pg.bump_privacy_version().await?)
    }

    async fn hide_tables(&self, tables: &[ErasedTable], row: &ErasureRow, plan: &Plan) -> Result<(), PrivacyError> {
        // What Postgres has not told the mirrors yet would come after the rows are gone, and name the id.
        Identity::new(self.pg.clone()).mirror(&self.ch, &WrittenPersons::default()).await?;
        for table in tables {
            if self.ch.count_erased_rows(*table, &plan.rows(row.project_id, row.until)).await? > 0 {
                self.ch.hide_rows(*table, &plan.rows(row.project_id, row.until)).await?;
            }
        }
        Ok(())
    }

    async fn settle(&self, row: &mut ErasureRow, plan: &mut Plan) -> Result<Progress, PrivacyError> {
        let place = self.place(plan).await;
        let is_over = tokio::time::timeout(PATIENCE, self.pipeline.stored_up_to(place.position)).await;
        if !matches!(is_over, Ok(true)) {
            return Ok(Progress::Later);
        }
        self.hide_all(row, plan).await?;
        erase_from_quarantine(&self.pg, self.pipeline.quarantine_dir(), false).await?;
        let mut left = 0;
        for table in ErasedTable::ALL {
            let after = self.ch.count_erased_rows(table, &plan.rows(row.project_id, row.until)).await?;
            note_after(row, &format!("clickhouse.{}", table.name()), after);
            left += after;
        }
        left += self.count_in_postgres(row, plan, &History::ALL).await?;
        note_after(row, "postgres.unstored_samples", 0);
        let quarantined = erase_from_quarantine(&self.pg, self.pipeline.quarantine_dir(), true).await?;
        note_after(row, "quarantine.events", quarantined);
        if left + quarantined > 0 {
            return Ok(Progress::Later);
        }
        row.hidden_at = Some(self.clock.now());
        row.step = ErasureStep::Scrub;
        Ok(Progress::Next)
    }

    /// What Postgres still holds of their profiles and of this history; notes it.
    async fn count_in_postgres(
        &self,
        row: &mut ErasureRow,
        plan: &Plan,
        history: &[History],
    ) -> Result<u64, PrivacyError> {
        // The hash of an id is the same when the id comes back; the number of a person never does.
        let numbers = plan.numbers.iter().map(|number| PersonId::from_event(*number));
        let numbers: Vec<PersonId> = numbers.filter(|number| number.has_profile()).collect();
        let rows: Vec<i64> = numbers.iter().map(|number| number.as_row()).collect();
        let (persons, ids, merges) = self.pg.count_erased_leftovers(row.project_id, &rows).await?;
        let mut left = 0;
        for (store, after) in [("persons", persons), ("distinct_ids", ids), ("merges", merges)] {
            note_after(row, &format!("postgres.{store}"), after.unsigned_abs());
            left += after.unsigned_abs();
        }
        for what in history {
            let of = HistoryOf { numbers: &numbers, distinct_ids: &[] };
            let after = self.pg.count_history(row.project_id, *what, of).await?;
            note_after(row, what.store(), after);
            left += after;
        }
        Ok(left)
    }

    async fn scrub(&self, row: &mut ErasureRow, plan: &mut Plan) -> Result<Progress, PrivacyError> {
        // All of the spool is read for that, once: nobody is found any longer for it.
        if row.stores.iter().all(|count| count.store != "spool.events") {
            note(row, "spool.events", self.count_in_spool(row.project_id, plan, row.until, 0).await?);
        }
        for table in ErasedTable::ALL {
            self.ch.apply_deletes(table).await?;
        }
        let waited = self.clock.now().duration_since(row.requested_at);
        if self.pg.scrub_bytes().await? > SMALL_BYTES && waited < LARGE_AFTER {
            return Ok(Progress::Later);
        }
        plan.notes = notes_of(self.pg.scrub().await?);
        plan.old_parts = self.ch.list_old_parts().await?;
        row.step = ErasureStep::Wait;
        Ok(Progress::Next)
    }

    async fn wait(&self, row: &mut ErasureRow, plan: &mut Plan) -> Result<Progress, PrivacyError> {
        let still_there = self.ch.list_old_parts().await?;
        if plan.old_parts.iter().any(|part| still_there.contains(part)) {
            return Ok(Progress::Later);
        }
        let place = self.place(plan).await;
        if let (Some(last), Some(oldest)) = (place.spool, self.intake.oldest_seq())
            && oldest <= last
        {
            return Ok(Progress::Later);
        }
        note_after(row, "spool.events", self.count_in_spool(row.project_id, plan, row.until, 0).await?);
        self.finish(row, &plan.notes).await
    }

    /// Of an erasure that keeps the events: Postgres and its mirrors held what goes.
    async fn finish_profile(&self, row: &mut ErasureRow, plan: &Plan) -> Result<Progress, PrivacyError> {
        self.hide_tables(&ErasedTable::OF_PROFILE, row, plan).await?;
        for table in ErasedTable::OF_PROFILE {
            self.ch.apply_deletes(table).await?;
        }
        let waited = self.clock.now().duration_since(row.requested_at);
        if self.pg.scrub_bytes().await? > SMALL_BYTES && waited < LARGE_AFTER {
            return Ok(Progress::Later);
        }
        let notes = notes_of(self.pg.scrub().await?);
        self.count_in_postgres(row, plan, &History::OF_PROFILE).await?;
        row.hidden_at = Some(self.clock.now());
        self.finish(row, &notes).await
    }

    async fn finish(&self, row: &mut ErasureRow, notes: &[String]) -> Result<Progress, PrivacyError> {
        row.finished_at = Some(self.clock.now());
        row.receipt = Some(Signer::load(&self.pg).await?.sign(row, notes));
        row.step = ErasureStep::Done;
        tracing::info!(project.id = %row.project_id, erasure.id = %row.id, "Erased a person");
        Ok(Progress::Next)
    }
}

/// What a scrub could not do, for the receipt.
fn notes_of(scrubbed: Scrubbed) -> Vec<String> {
    let log = "This Postgres does not let Tenrec end its write-ahead log: it holds the deleted rows until Postgres recycles it.";
    let statistics = "This Postgres does not let Tenrec forget the planner's samples: they may hold values until the tables are analyzed.";
    let undone = [(scrubbed.log, log), (scrubbed.statistics, statistics)];
    undone.into_iter().filter(|(is_done, _)| !is_done).map(|(_, note)| note.to_owned()).collect()
}

fn note(row: &mut ErasureRow, store: &str, before: u64) {
    if !row.stores.iter().any(|count| count.store == store) {
        row.stores.push(StoreCount::before(store, before));
    }
}

fn note_after(row: &mut ErasureRow, store: &str, after: u64) {
    if let Some(count) = row.stores.iter_mut().find(|count| count.store == store) {
        count.after = Some(after);
    }
}
