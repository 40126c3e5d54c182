//! A job under way, and what it notes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Privacy, PrivacyError};
use crate::ingest::pipeline::PastOf;
use crate::model::ProjectId;
use crate::storage::ch::{ErasedRows, LastMutations, text_hash};
use crate::storage::pg::{ErasureRow, ErasureStep, ErasureSubject, StoreCount};

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
    /// What was asked of the parts that hold their rows when the files' turn came: first to mark them,
    pub deletes: Option<LastMutations>,
    /// and then to be written anew without them.
    pub rewrites: Option<LastMutations>,
    /// Nothing was found of them when that was done.
    pub is_recounted: bool,
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

    pub fn past(&self, project: ProjectId, until: Timestamp) -> PastOf {
        PastOf { project, distinct_ids: self.distinct_ids.iter().copied().collect(), until }
    }
}

/// An erasure with its notes read.
#[derive(Debug)]
pub(super) struct Job {
    pub row: ErasureRow,
    pub plan: Plan,
}

impl Job {
    pub fn load(mut row: ErasureRow) -> Result<Self, PrivacyError> {
        let plan = row.plan.take().unwrap_or_default();
        let plan =
            serde_json::from_value(plan).map_err(|_| PrivacyError::Damaged("an erasure's notes cannot be read"))?;
        Ok(Self { row, plan })
    }

    /// Their rows in ClickHouse.
    pub fn rows(&self) -> ErasedRows<'_> {
        self.plan.rows(self.row.project_id, self.row.until)
    }

    /// Their events on disk.
    pub fn past(&self) -> PastOf {
        self.plan.past(self.row.project_id, self.row.until)
    }

    /// Notes what a store held before, once.
    pub fn note(&mut self, store: &str, before: u64) {
        if !self.has_noted(store) {
            self.row.stores.push(StoreCount::before(store, before));
        }
    }

    /// Notes what a store that was counted before holds now.
    pub fn note_after(&mut self, store: &str, after: u64) {
        if let Some(count) = self.row.stores.iter_mut().find(|count| count.store == store) {
            count.after = Some(after);
        }
    }

    /// What is asked of the parts is asked anew.
    pub fn forget_mutations(&mut self) {
        (self.plan.deletes, self.plan.rewrites, self.plan.is_recounted) = (None, None, false);
    }

    /// Whether a store was counted before.
    pub fn has_noted(&self, store: &str) -> bool {
        self.row.stores.iter().any(|count| count.store == store)
    }

    /// Whether a store was counted after, too.
    pub fn has_noted_after(&self, store: &str) -> bool {
        self.row.stores.iter().any(|count| count.store == store && count.after.is_some())
    }
}

impl Privacy {
    /// Writes down how far a job is, and what its last try came to.
    pub(super) async fn save<T>(&self, job: &mut Job, done: &Result<T, PrivacyError>) -> Result<(), PrivacyError> {
        job.row.error = done.as_ref().err().map(ToString::to_string).unwrap_or_default();
        job.row.plan = (job.row.step != ErasureStep::Done).then(|| job.plan.to_json());
        Ok(self.pg.save_erasure(&job.row).await?)
    }
}
