//! A request that was only glanced at: safe to acknowledge, and read in full behind the spool.

use std::cell::RefCell;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::enrich::{Enricher, Sender};
use super::event::Arrival;
use super::refusal::CaptureError;
use super::rejected::Arrivals;
use super::request::CheckedEvents;
use super::{json, parse};
use crate::config::EventLimits;
use crate::model::ProjectId;

/// Events as their sender wrote them, with what only the door could know.
#[derive(Debug, Clone, PartialEq)]
pub struct ScannedRequest {
    pub facts: Facts,
    /// How many events the text holds.
    pub events: u32,
    /// The JSON of the request, decoded.
    pub json: Vec<u8>,
}

/// What was known and decided when a request came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub project_id: ProjectId,
    pub received_at: Timestamp,
    /// The clock of old browsers, which stands in the query and not in the text.
    pub query_clock: Option<Timestamp>,
    pub sender: Sender,
    /// For the events that have none of their own, in order: made once, so that a second reading makes the same events.
    pub uuids: Vec<Uuid>,
    /// Those that held at the door, so that a reading under others makes the same events.
    #[serde(default, skip_serializing_if = "EventLimits::are_default")]
    pub limits: EventLimits,
}

impl ScannedRequest {
    /// Reads, checks, completes and enriches every event. Reading again gives the same.
    ///
    /// # Errors
    /// If the text cannot be read after all; a glance lets no such text pass.
    pub fn read(self, enricher: &Enricher) -> Result<Arrivals, CaptureError> {
        let Facts { project_id, received_at, query_clock, sender, uuids, limits } = self.facts;
        let parsed = parse::parse(json::parse(&self.json)?, || query_clock)?;
        let uuids = RefCell::new(uuids.into_iter());
        let arrival = Arrival {
            project_id,
            now: received_at,
            sent_at: parsed.sent_at,
            is_person_update: false,
            max_event_bytes: None,
            limits,
            new_uuid: &|| uuids.borrow_mut().next().unwrap_or_else(Uuid::nil),
        };
        // A glance lets no event pass that is rejected here; were it wrong, the ledger would show it.
        let mut checked = CheckedEvents::of(parsed.events, &arrival);
        for event in &mut checked.accepted {
            enricher.complete(&mut event.properties, &sender);
            event.properties.shrink_to_fit();
        }
        Ok(Arrivals { events: checked.accepted, rejected: checked.noted })
    }
}
