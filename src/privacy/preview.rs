//! What an erasure would find.

use super::job::Plan;
use super::spool_count::SpoolCount;
use super::{Privacy, PrivacyError};
use crate::ingest::pipeline::count_in_quarantine;
use crate::model::ProjectId;
use crate::storage::ch::ErasedTable;
use crate::storage::pg::{ErasureSubject, History, HistoryOf, StoreCount, SubjectName};

/// What each store holds of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    pub subject: ErasureSubject,
    pub stores: Vec<StoreCount>,
}

impl Preview {
    /// How many things there are in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.stores.iter().map(|count| count.before).sum()
    }
}

impl Privacy {
    /// Counts what an erasure of somebody would find now; none if the name is nobody's. Of the spool only what
    /// waits in it: what is stored and kept there a while longer goes by itself, and to read it takes longer than all the rest.
    ///
    /// # Errors
    /// If a store or the disk fails.
    pub async fn preview(&self, project: ProjectId, name: &SubjectName) -> Result<Option<Preview>, PrivacyError> {
        let Some(subject) = self.pg.find_erasure_subject(project, name).await? else { return Ok(None) };
        let numbers: Vec<i64> = subject.numbers.iter().map(|number| number.as_row()).collect();
        let (persons, ids, merges) = self.pg.count_erased_leftovers(project, &numbers).await?;
        let unstored = self.pg.count_unstored_of(project, &subject.distinct_ids).await?;
        // Before what is stored is counted: what moves on meanwhile is counted twice rather than not at all.
        let stored_seq = self.pipeline.status().stored_seq;
        let mut stores = vec![
            StoreCount::before("postgres.persons", persons.unsigned_abs()),
            StoreCount::before("postgres.distinct_ids", ids.unsigned_abs()),
            StoreCount::before("postgres.merges", merges.unsigned_abs()),
            StoreCount::before("postgres.unstored_samples", unstored.unsigned_abs()),
        ];
        let of = HistoryOf { numbers: &subject.numbers, distinct_ids: &subject.distinct_ids };
        for what in History::ALL {
            stores.push(StoreCount::before(what.store(), self.pg.count_history(project, what, of).await?));
        }
        let mut plan = Plan::of(&subject);
        let until = self.clock.now();
        plan.sessions = Some(self.ch.list_sessions_to_erase(&[plan.rows(project, until)]).await?.concat());
        for table in ErasedTable::ALL {
            let found = self.ch.count_erased_rows(table, &[plan.rows(project, until)]).await?;
            stores.push(StoreCount::before(&format!("clickhouse.{}", table.name()), found.iter().sum()));
        }
        let quarantined = count_in_quarantine(self.pipeline.quarantine_dir(), vec![plan.past(project, until)]).await?;
        stores.push(StoreCount::before("quarantine.events", quarantined.iter().sum()));
        let waiting = SpoolCount::begin(&self.intake, &[plan.past(project, until)], stored_seq).finish().await?;
        stores.push(StoreCount::before("spool.events", waiting.iter().sum()));
        Ok(Some(Preview { subject, stores }))
    }
}
