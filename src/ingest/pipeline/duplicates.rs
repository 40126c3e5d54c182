//! Which events are stored already.
//!
//! A uuid alone is no key that the table can be searched by: it is looked for around the time of its event. An event that is
//! sent again is found
//!
//! - for ever, if it has the same time as before, give or take a day: as it has if it carries a `timestamp` and no `sent_at`, or
//!   the `sent_at` of this sending, or asks not to be corrected;
//! - for 31 days, if a recorded request is sent again as it was, with the old `sent_at`: its time moves by how long that is
//!   ago, which the correction tells; and if its time is that of its arrival, or is told by `offset`, and its uuid is of
//!   version 7, as those of SDKs are: that tells when it was made;
//! - for 7 days, if its time is that of its arrival and its uuid tells nothing;
//! - for one day, if its time is told by `offset` and its uuid tells nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use crate::ingest::AcceptedEvent;
use crate::model::ProjectId;
use crate::storage::ch::{ChError, ClickHouse, StoredEvent, partition};

/// How far the time of an event may differ when a client sends it again: its clock may have been corrected in between.
const SLACK: SignedDuration = SignedDuration::from_hours(24);
/// How much earlier an event may have been stored at most than the time it has now.
const LONGEST_AGO: SignedDuration = SignedDuration::from_hours(31 * 24);
/// The same for an event that says nothing of when it was made.
const ARRIVAL_AGO: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A clock that is off by less is covered by the slack.
const NEARLY: SignedDuration = SignedDuration::from_hours(1);

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
    // By month, as the table is: an event of last year must not make the look-up read all months up to now. And those that
    // must be looked for far and wide by themselves: the index of uuids helps where they are few.
    let mut groups: BTreeMap<(i32, bool), Vec<(&AcceptedEvent, Timestamp)>> = BTreeMap::new();
    for event in events {
        let earliest = earliest(event);
        let is_wide = earliest < event.timestamp;
        groups.entry((partition(event.timestamp), is_wide)).or_default().push((event, earliest));
    }
    let mut stored = HashMap::new();
    for events in groups.values() {
        let projects: BTreeSet<ProjectId> = events.iter().map(|(e, _)| e.project_id).collect();
        let projects: Vec<ProjectId> = projects.into_iter().collect();
        let uuids: Vec<Uuid> = events.iter().map(|(e, _)| e.uuid).collect();
        let from = events.iter().map(|(_, earliest)| *earliest).min().unwrap_or(Timestamp::MIN);
        let to = events.iter().map(|(e, _)| e.timestamp).max().unwrap_or(Timestamp::MAX);
        let from = from.saturating_sub(SLACK).unwrap_or(Timestamp::MIN);
        let to = to.saturating_add(SLACK).unwrap_or(Timestamp::MAX);
        for row in clickhouse.find_stored(&projects, &uuids, from, to).await? {
            stored.insert((row.project_id(), row.uuid), row);
        }
    }
    Ok(stored)
}

/// The earliest time that the event may have had when it came before; its time now, if that is so by all signs.
fn earliest(event: &AcceptedEvent) -> Timestamp {
    let at = event.timestamp;
    let ago = |earlier: Timestamp| Some(at.duration_since(earlier)).filter(|ago| (NEARLY..=LONGEST_AGO).contains(ago));
    let ago = match (corrected_by(event), made_at(event.uuid)) {
        (Some(by), _) if (NEARLY..=LONGEST_AGO).contains(&by) => Some(by),
        (_, Some(made_at)) => ago(made_at),
        (_, None) if at.duration_since(event.received_at).abs() < SignedDuration::from_millis(1) => Some(ARRIVAL_AGO),
        (_, None) => None,
    };
    ago.and_then(|ago| at.checked_sub(ago).ok()).unwrap_or(at)
}

/// How much later the time became when the sender's clock was corrected: by how long ago the request left its sender, too, if
/// it is an old one.
fn corrected_by(event: &AcceptedEvent) -> Option<SignedDuration> {
    let Some(Value::String(sent_at)) = event.properties.get("$sent_at") else { return None };
    Some(event.received_at.duration_since(sent_at.parse().ok()?))
}

/// What a uuid of version 7 says.
pub(super) fn made_at(uuid: Uuid) -> Option<Timestamp> {
    let (7, (high, _)) = (uuid.get_version_num(), uuid.as_u64_pair()) else { return None };
    Timestamp::from_millisecond(i64::try_from(high >> 16).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn an_event_is_looked_for_where_it_may_have_been_before() {
        let (v4, v7) = ("7f0fd2b1-5b0e-4b0a-9b0a-5f3c1d2e4f60", "019a3f5e-1000-7000-8000-000000000001");
        let made = at("2025-11-01T12:22:00.448Z");
        let late = "2025-11-04T12:00:00Z";
        let cases = [
            ("the same time as ever", v4, "2025-11-01T12:00:00Z", late, None, "2025-11-01T12:00:00Z"),
            ("no time, and no sign", v4, late, late, None, "2025-10-28T12:00:00Z"),
            ("no time, but the uuid's", v7, late, late, None, &made.to_string()),
            ("made just now", v7, "2025-11-01T12:30:00Z", "2025-11-01T12:30:00Z", None, "2025-11-01T12:30:00Z"),
            ("imported", v7, "2025-05-01T12:00:00Z", late, None, "2025-05-01T12:00:00Z"),
            ("made too long ago", v7, "2026-05-01T12:00:00Z", "2026-05-01T12:00:00Z", None, "2026-05-01T12:00:00Z"),
            ("an old request", v4, late, late, Some("2025-11-01T12:00:00Z"), "2025-11-01T12:00:00Z"),
            (
                "a clock slightly off",
                v4,
                "2025-11-04T11:59:00Z",
                late,
                Some("2025-11-04T11:59:50Z"),
                "2025-11-04T11:59:00Z",
            ),
        ];
        for (name, uuid, timestamp, received_at, sent_at, expected) in cases {
            let properties = sent_at.map(|sent_at| ("$sent_at".to_owned(), json!(sent_at)));
            let event = AcceptedEvent {
                project_id: ProjectId::new(1),
                uuid: uuid.parse().expect("a uuid"),
                event: "e".to_owned(),
                distinct_id: "d".to_owned(),
                timestamp: at(timestamp),
                received_at: at(received_at),
                properties: properties.into_iter().collect(),
            };
            assert_eq!(earliest(&event), at(expected), "{name}");
        }
    }
}
