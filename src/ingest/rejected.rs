//! What a request brings: the events that were accepted, and for the ledger what is known of those that were not.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::accepted::AcceptedEvent;
use super::event::{id_text, shortened};
use super::refusal::Rejection;
use crate::model::ProjectId;

/// Most rejected events of a request that are kept with their text; the others are only counted. So a sender of a hundred
/// thousand of them does not have more written than it sent.
const MAX_SAMPLES: usize = 20;
/// Most bytes of a sample.
const MAX_SAMPLE_BYTES: usize = 2 << 10;

/// All events of one request; the spool holds them together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Arrivals {
    pub events: Vec<AcceptedEvent>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<RejectedEvent>,
}

impl Arrivals {
    /// How many entries of both kinds there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len() + self.rejected.len()
    }

    /// Whether the request brought nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<AcceptedEvent>> for Arrivals {
    fn from(events: Vec<AcceptedEvent>) -> Self {
        Self { events, rejected: Vec::new() }
    }
}

/// One event that was not accepted, or many of which only the reason is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedEvent {
    pub project_id: ProjectId,
    pub received_at: Timestamp,
    pub reason: Rejection,
    /// How many events these are: more than one only without a sample.
    pub count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct_id: Option<String>,
    /// As it was sent; in the usual form if it is a UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The beginning of the event's JSON, without addresses; empty if it is only counted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sample: String,
}

/// The rejected events of one request as they are found.
#[derive(Debug)]
pub(super) struct Rejections {
    project_id: ProjectId,
    received_at: Timestamp,
    samples: usize,
    found: Vec<RejectedEvent>,
}

impl Rejections {
    pub fn new(project_id: ProjectId, received_at: Timestamp) -> Self {
        Self { project_id, received_at, samples: 0, found: Vec::new() }
    }

    /// Notes one. The event loses the addresses in it.
    pub fn note(&mut self, reason: Rejection, event: &mut Value) {
        if self.samples >= MAX_SAMPLES {
            if let Some(counted) = self.found.iter_mut().find(|r| r.reason == reason && r.sample.is_empty()) {
                counted.count = counted.count.saturating_add(1);
                return;
            }
            self.found.push(self.bare(reason));
            return;
        }
        self.samples += 1;
        drop_addresses(event);
        let properties = event.get("properties");
        let text = |key: &str| event.get(key).and_then(id_text).map(|text| shortened(&text));
        let distinct_id = text("distinct_id").or_else(|| text("$distinct_id"));
        let in_properties = || properties.and_then(|p| p.get("distinct_id")).and_then(id_text).map(|id| shortened(&id));
        let rejected = RejectedEvent {
            event: text("event"),
            distinct_id: distinct_id.or_else(in_properties),
            uuid: text("uuid").map(|sent| Uuid::parse_str(sent.trim()).map_or(sent, |uuid| uuid.to_string())),
            sample: sample(event),
            ..self.bare(reason)
        };
        self.found.push(rejected);
    }

    pub fn into_events(self) -> Vec<RejectedEvent> {
        self.found
    }

    fn bare(&self, reason: Rejection) -> RejectedEvent {
        RejectedEvent {
            project_id: self.project_id,
            received_at: self.received_at,
            reason,
            count: 1,
            event: None,
            distinct_id: None,
            uuid: None,
            sample: String::new(),
        }
    }
}

/// Addresses are not kept of events that are stored, so not of these either.
fn drop_addresses(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_addresses),
        Value::Object(entries) => {
            entries.retain(|key, _| !matches!(key.as_str(), "$ip" | "ip"));
            entries.values_mut().for_each(drop_addresses);
        }
        _ => {}
    }
}

/// The beginning of a value's JSON.
pub(super) fn sample(value: &impl Serialize) -> String {
    let mut cut = Cut(Vec::new());
    // The only failure is that there is no more room.
    serde_json::to_writer(&mut cut, value).ok();
    let whole = std::str::from_utf8(&cut.0).map_or_else(|e| e.valid_up_to(), str::len);
    String::from_utf8_lossy(&cut.0[..whole]).into_owned()
}

/// Takes as much as fits and refuses the rest, so that a large event is not written out only to be cut.
struct Cut(Vec<u8>);

impl Write for Cut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = MAX_SAMPLE_BYTES - self.0.len();
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = room.min(bytes.len());
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rejections() -> Rejections {
        Rejections::new(ProjectId::new(7), "2026-11-21T12:00:00Z".parse().expect("a time"))
    }

    #[test]
    fn a_rejected_event_is_kept_with_who_it_was_and_without_its_address() {
        let mut rejections = rejections();
        let mut event = json!({
            "event": "sign\0up", "uuid": "01A1FBBE-C8DF-76B3-94C7-DAE158D25385", "ip": "192.0.2.1",
            "properties": {"distinct_id": 7, "$ip": "192.0.2.1", "$set": {"$ip": "192.0.2.1", "plan": "pro"}},
        });
        rejections.note(Rejection::TooLarge, &mut event);
        let found = rejections.into_events();
        assert_eq!(found[0].event.as_deref(), Some("sign\u{fffd}up"));
        assert_eq!(found[0].distinct_id.as_deref(), Some("7"));
        assert_eq!(found[0].uuid.as_deref(), Some("01a1fbbe-c8df-76b3-94c7-dae158d25385"));
        assert!(found[0].sample.contains("\"plan\":\"pro\"") && !found[0].sample.contains("192.0.2"), "{found:?}");
        let json = serde_json::to_string(&found[0]).expect("JSON");
        assert_eq!(serde_json::from_str::<RejectedEvent>(&json).expect("read again"), found[0]);
    }

    #[test]
    fn a_sample_is_cut_between_characters() {
        for lead in 0..4 {
            let mut rejections = rejections();
            rejections.note(Rejection::TooLarge, &mut json!("x".repeat(lead) + &"猫".repeat(10_000)));
            let sample = rejections.into_events().remove(0).sample;
            assert!((MAX_SAMPLE_BYTES - 3..=MAX_SAMPLE_BYTES).contains(&sample.len()), "{}", sample.len());
            assert!(sample.ends_with('猫'));
        }
    }

    #[test]
    fn of_very_many_most_are_only_counted() {
        let mut rejections = rejections();
        for n in 0..100_000 {
            let reason = if n % 2 == 0 { Rejection::NotAnObject } else { Rejection::InvalidUuid };
            rejections.note(reason, &mut json!(n));
        }
        let found = rejections.into_events();
        assert_eq!(found.len(), MAX_SAMPLES + 2);
        assert_eq!(found.iter().map(|r| r.count).sum::<u32>(), 100_000);
        assert_eq!(found.iter().filter(|r| r.reason == Rejection::InvalidUuid).map(|r| r.count).sum::<u32>(), 50_000);
    }

    #[test]
    fn a_reason_of_another_version_is_read_all_the_same() {
        let rejected =
            json!({"project_id": 1, "received_at": "2026-11-21T12:00:00Z", "reason": "on_a_whim", "count": 3});
        let read: RejectedEvent = serde_json::from_value(rejected).expect("read");
        assert_eq!((read.reason, read.count), (Rejection::Other, 3));
    }
}
