//! Where looking again at stored batches begins and ends.

use std::io;
use std::sync::atomic::Ordering;

use super::Batches;
use crate::ingest::spool::again::plan_for;

impl Batches {
    /// See [`SpoolReader::look_again`](crate::ingest::spool::SpoolReader::look_again).
    pub fn look_again(&mut self, damage: &str) -> io::Result<()> {
        // The batch that was stored last is looked at, too: its end must be known.
        self.save()?;
        let oldest = self.shared.segments().front().cloned();
        let records = self.cursor.records();
        let Some(again) = plan_for(damage, &self.shared.disk, &self.shared.keep, records, oldest.as_ref())? else {
            return Ok(());
        };
        self.begin_anew();
        (self.stored, self.seen, self.given) = (again.from, None, 0);
        self.again = Some(again);
        self.shared.is_looking_again.store(true, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn finish_again(&mut self) -> io::Result<()> {
        if let Some(again) = &self.again {
            again.finish(&self.shared.disk)?;
            tracing::info!("What was stored last has been looked at again");
        }
        self.again = None;
        self.shared.is_looking_again.store(false, Ordering::Relaxed);
        self.stored = self.stored.max(self.durably_stored());
        self.seen = Some(self.stored);
        Ok(())
    }
}
