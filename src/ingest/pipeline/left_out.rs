//! Events that are not stored because of whose they are: of somebody who opted out, or of an erased person's past.
//!
//! Erasing somebody marks their distinct ids with a moment. An event of such an id that happened or came in up to that moment
//! is left out, whether it waited in the spool then, is handed out again, or is sent again by its client: nothing comes back.
//! What the id does later belongs to a new person. Two kinds of event can slip through, and are new events then: one of a
//! client that sends it again without a time and with a uuid that tells none, and one whose sender's clock, not corrected,
//! runs ahead.
//!
//! Who is left out is read when a number in Postgres has grown; that is looked at behind the fence, so that a batch either
//! sees the mark or is over before the erasure deletes rows.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::Value;

use super::duplicates::{EventKey, key, made_at};
use crate::ingest::{AcceptedEvent, Rejection, erased_id};
use crate::model::ProjectId;
use crate::storage::pg::{Pg, PgError};

/// Who is left out, as last read.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    version: i64,
    erased: HashMap<(ProjectId, Vec<u8>), Timestamp>,
    /// Projects with erased people: elsewhere nothing is hashed.
    erasing: HashSet<ProjectId>,
    opted_out: HashMap<ProjectId, HashSet<String>>,
    secret: Option<erased_id::IdSecret>,
}

impl LeftOut {
    /// Reads again if something has changed, and says whether it had: what is remembered of sessions may then be somebody's
    /// who was erased.
    pub async fn refresh(&mut self, pg: &Pg) -> Result<bool, PgError> {
        let version = pg.privacy_version().await?;
        if version == self.version {
            return Ok(false);
        }
        let rows = pg.list_left_out().await?;
        if self.secret.is_none() && !rows.erased.is_empty() {
            self.secret = Some(erased_id::IdSecret::load(pg).await?);
        }
        self.erasing = rows.erased.iter().map(|id| id.project_id).collect();
        self.erased = rows.erased.into_iter().map(|id| ((id.project_id, id.hash), id.until)).collect();
        self.opted_out.clear();
        for (project, id) in rows.opted_out {
            self.opted_out.entry(project).or_default().insert(id);
        }
        let was_read = self.version != 0;
        self.version = version;
        Ok(was_read)
    }

    /// Those of these events that are left out, with why.
    pub fn among(&self, events: &[AcceptedEvent]) -> HashMap<EventKey, Rejection> {
        if self.erasing.is_empty() && self.opted_out.is_empty() {
            return HashMap::new();
        }
        events.iter().filter_map(|event| Some((key(event), self.reason(event)?))).collect()
    }

    /// Whether an event is of an erased person's past, opted out or not.
    pub fn is_erased(&self, event: &AcceptedEvent) -> bool {
        let project = event.project_id;
        let Some(secret) = self.secret.as_ref().filter(|_| self.erasing.contains(&project)) else { return false };
        ids_of(event).any(|id| {
            let until = self.erased.get(&(project, secret.hash(project, id)));
            until.is_some_and(|until| is_past(event, *until))
        })
    }

    fn reason(&self, event: &AcceptedEvent) -> Option<Rejection> {
        if let Some(ids) = self.opted_out.get(&event.project_id)
            && ids_of(event).any(|id| ids.contains(id))
        {
            return Some(Rejection::OptedOut);
        }
        self.is_erased(event).then_some(Rejection::Erased)
    }
}

/// The event's id, and the one that it wants to join.
pub(super) fn ids_of(event: &AcceptedEvent) -> impl Iterator<Item = &str> {
    let other = ["$anon_distinct_id", "alias"].into_iter().filter_map(|name| match event.properties.get(name) {
        Some(Value::String(id)) => Some(id.as_str()),
        _ => None,
    });
    std::iter::once(event.distinct_id.as_str()).chain(other)
}

/// Whether an event happened, was made or came in up to a moment. ClickHouse keeps milliseconds of the arrival, so no more
/// are looked at.
pub(super) fn is_past(event: &AcceptedEvent, until: Timestamp) -> bool {
    event.received_at.as_millisecond() <= until.as_millisecond()
        || event.timestamp <= until
        || made_at(event.uuid).is_some_and(|made_at| made_at <= until)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn event(id: &str, timestamp: &str, received_at: &str) -> AcceptedEvent {
        serde_json::from_value(json!({
            "project_id": 1, "uuid": Uuid::new_v4(), "event": "e", "distinct_id": id,
            "timestamp": timestamp, "received_at": received_at, "properties": {},
        }))
        .expect("an event")
    }

    #[test]
    fn the_past_of_an_erased_id_is_left_out_and_its_future_is_not() {
        let secret = erased_id::IdSecret::new(b"secret");
        let project = ProjectId::new(1);
        let left_out = LeftOut {
            erased: HashMap::from([((project, secret.hash(project, "ada")), at("2026-11-01T12:00:00Z"))]),
            erasing: HashSet::from([project]),
            opted_out: HashMap::from([(project, HashSet::from(["no".to_owned()]))]),
            secret: Some(secret),
            version: 1,
        };
        let (before, after) = ("2026-11-01T11:00:00Z", "2026-11-01T13:00:00Z");
        let mut joining = event("bob", before, before);
        joining.properties.insert("$anon_distinct_id".to_owned(), "ada".into());
        let mut made_before = event("ada", after, after);
        made_before.uuid = "019a3f5e-1000-7000-8000-000000000001".parse().expect("a uuid of 2025");
        for (name, event, reason) in [
            ("it waited", event("ada", before, before), Some(Rejection::Erased)),
            ("it is sent again", event("ada", before, after), Some(Rejection::Erased)),
            ("it is sent again without a time", made_before, Some(Rejection::Erased)),
            ("a clock ahead", event("ada", after, before), Some(Rejection::Erased)),
            ("it comes back", event("ada", after, after), None),
            ("somebody else", event("bob", before, before), None),
            ("somebody else who joins", joining, Some(Rejection::Erased)),
            ("opted out", event("no", after, after), Some(Rejection::OptedOut)),
        ] {
            assert_eq!(left_out.reason(&event), reason, "{name}");
        }
        let both = LeftOut { opted_out: HashMap::from([(project, HashSet::from(["ada".to_owned()]))]), ..left_out };
        assert_eq!(both.reason(&event("ada", before, before)), Some(Rejection::OptedOut));
        assert!(both.is_erased(&event("ada", before, before)), "who opted out is erased like anybody");
        let elsewhere = AcceptedEvent { project_id: ProjectId::new(2), ..event("ada", before, before) };
        assert!(both.among(&[elsewhere]).is_empty());
    }
}
