//! Counting what the spool of this instance holds of people. All of it is read, once for all of them; that may be gigabytes.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use crate::ingest::Arrivals;
use crate::ingest::intake::Intake;
use crate::ingest::pipeline::PastOf;
use crate::ingest::spool::Walk;
use crate::model::ProjectId;
use crate::storage::ch::text_hash;

/// A count under way.
#[derive(Debug)]
pub(super) struct SpoolCount {
    /// None where nothing is kept on disk.
    walk: Option<Walk>,
    wanted: Arc<Wanted>,
    counts: Vec<u64>,
}

/// Whose each distinct id is, by place among the people, and until when.
#[derive(Debug, Default)]
struct Wanted(HashMap<(ProjectId, u64), Vec<(usize, Timestamp)>>);

impl Wanted {
    fn of(people: &[PastOf]) -> Self {
        let mut wanted = Self::default();
        for (at, past) in people.iter().enumerate() {
            for id in &past.distinct_ids {
                wanted.0.entry((past.project, *id)).or_default().push((at, past.until));
            }
        }
        wanted
    }

    /// Whose the events are that arrived, a place for each.
    fn among(&self, arrivals: &Arrivals) -> Vec<usize> {
        let events = arrivals.events.iter().map(|e| (e.project_id, Some(&*e.distinct_id), e.received_at));
        let rejected = arrivals.rejected.iter().map(|e| (e.project_id, e.distinct_id.as_deref(), e.received_at));
        let theirs = events.chain(rejected).filter_map(|(project, id, received_at)| {
            let whose = self.0.get(&(project, text_hash(id?)))?;
            Some(whose.iter().filter(move |(_, until)| received_at <= *until).map(|(at, _)| *at))
        });
        theirs.flatten().collect()
    }
}

impl SpoolCount {
    /// Begins to count, for each of these people, the events that came in up to their moment and stand after the frame
    /// `stored`: after 0, those that are stored and only kept too.
    pub fn begin(intake: &Intake, people: &[PastOf], stored: u64) -> Self {
        Self { walk: intake.walk(stored), wanted: Arc::new(Wanted::of(people)), counts: vec![0; people.len()] }
    }

    /// Reads a segment; says whether there was one.
    pub async fn go_on(&mut self) -> io::Result<bool> {
        let Some(walk) = &mut self.walk else { return Ok(false) };
        let wanted = Arc::clone(&self.wanted);
        let Some(found) = walk.next(move |arrivals| wanted.among(&arrivals)).await? else { return Ok(false) };
        for at in found {
            self.counts[at] += 1;
        }
        Ok(true)
    }

    /// Reads what is left; gives the count of each.
    pub async fn finish(mut self) -> io::Result<Vec<u64>> {
        while self.go_on().await? {}
        Ok(self.counts)
    }
}
