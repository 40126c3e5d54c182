//! Events of erased people in the files of a quarantine.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::left_out::{LeftOut, ids_of, is_past};
use super::quarantine::leave_out;
use crate::ingest::AcceptedEvent;
use crate::model::ProjectId;
use crate::storage::ch::text_hash;
use crate::storage::pg::{Pg, PgError};

/// The events of one person's past.
#[derive(Debug, Clone)]
pub struct PastOf {
    pub project: ProjectId,
    /// By [`text_hash`].
    pub distinct_ids: HashSet<u64>,
    /// What happened or came in up to here.
    pub until: Timestamp,
}

impl PastOf {
    fn holds(&self, event: &AcceptedEvent) -> bool {
        event.project_id == self.project
            && is_past(event, self.until)
            && ids_of(event).any(|id| self.distinct_ids.contains(&text_hash(id)))
    }
}

/// How many events of each of these people a quarantine holds.
///
/// # Errors
/// If the disk fails.
pub async fn count_in_quarantine(dir: &Path, people: Vec<PastOf>) -> io::Result<Vec<u64>> {
    let dir = dir.to_owned();
    let work = move || {
        let mut counts = vec![0; people.len()];
        leave_out(&dir, |event| {
            for (count, past) in counts.iter_mut().zip(&people) {
                *count += u64::from(past.holds(event));
            }
            false
        })?;
        Ok(counts)
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Takes the events of these people out of a quarantine.
///
/// # Errors
/// If the disk fails; doing it again is harmless.
pub async fn erase_from_quarantine(dir: &Path, people: Vec<PastOf>) -> io::Result<()> {
    let dir = dir.to_owned();
    let work = move || leave_out(&dir, |event| people.iter().any(|past| past.holds(event)));
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Everybody who was erased up to a moment, whichever instance did it.
#[derive(Debug)]
pub struct AllErased(LeftOut);

impl AllErased {
    /// As they are marked now.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn load(pg: &Pg) -> Result<Self, PgError> {
        let mut left_out = LeftOut::default();
        left_out.refresh(pg).await?;
        Ok(Self(left_out))
    }

    /// Takes their events out of a quarantine.
    ///
    /// # Errors
    /// If the disk fails; doing it again is harmless.
    pub async fn erase_from_quarantine(self, dir: &Path) -> io::Result<()> {
        let dir = dir.to_owned();
        let work = move || leave_out(&dir, |event| self.0.is_erased(event));
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}
