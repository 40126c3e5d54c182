//! Which events are stored already.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::ingest::AcceptedEvent;
use crate::model::ProjectId;
use crate::storage::ch::{ChError, ClickHouse, StoredEvent, partition};

/// How far the time of an event may differ when a client sends it again: its clock may have been corrected in between.
const SLACK: SignedDuration = SignedDuration::from_hours(24);

/// What an event counts once by.
pub(super) type EventKey = (ProjectId, Uuid);

pub(super) fn key(event: &AcceptedEvent) -> EventKey {
    (event.project_id, event.uuid)
}

/// The first of each event, in order; the others go to `again`.
pub(super) fn first_of_each(events: Vec<AcceptedEvent>, mut again: impl FnMut(&AcceptedEvent)) -> Vec<AcceptedEvent> {
    let mut seen = HashSet::with_capacity(events.len());
    let mut is_first = |event: &AcceptedEvent| {
        let is_first = seen.insert(key(event));
        if !is_first {
            again(event);
        }
        is_first
    };
    events.into_iter().filter(|event| is_first(event)).collect()
}

/// The stored ones among these events, each with the batch that wrote it and whose it is.
pub(super) async fn find_stored(
    clickhouse: &ClickHouse,
    events: &[AcceptedEvent],
) -> Result<HashMap<EventKey, StoredEvent>, ChError> {
    // By month, as the table is: an event of last year must not make the look-up read all months up to now.
    let mut months: BTreeMap<i32, Vec<&AcceptedEvent>> = BTreeMap::new();
    for event in events {
        months.entry(partition(event.timestamp)).or_default().push(event);
    }
    let mut stored = HashMap::new();
    for events in months.values() {
        let projects: BTreeSet<ProjectId> = events.iter().map(|e| e.project_id).collect();
        let projects: Vec<ProjectId> = projects.into_iter().collect();
        let uuids: Vec<Uuid> = events.iter().map(|e| e.uuid).collect();
        let times = || events.iter().map(|e| e.timestamp);
        let from = times().min().unwrap_or(Timestamp::MIN).saturating_sub(SLACK).unwrap_or(Timestamp::MIN);
        let to = times().max().unwrap_or(Timestamp::MAX).saturating_add(SLACK).unwrap_or(Timestamp::MAX);
        for row in clickhouse.find_stored(&projects, &uuids, from, to).await? {
            stored.insert((row.project_id(), row.uuid), row);
        }
    }
    Ok(stored)
}
