//! A capture request, from its bytes to the events in it: all of the door that needs neither store nor spool.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::accepted::AcceptedEvent;
use super::ai_event::{PartOutcome, assemble};
use super::decode::{Encoded, decode};
use super::enrich::Origin;
use super::event::{self, Arrival};
use super::glance::{Glance, glance};
use super::json;
use super::parse::{ParsedRequest, parse, query_clock};
use super::refusal::{CaptureError, Rejection};
use super::rejected::{RejectedEvent, Rejections};
use crate::config::LimitsConfig;
use crate::model::{Clock, ProjectApiKey, ProjectId};

/// The parts of an HTTP request that matter here.
#[derive(Debug, Clone, Default)]
pub struct CaptureRequest {
    /// The raw query string.
    pub query: String,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub body: Bytes,
    /// Came to `/engage/`: holds updates of persons, which need no event name.
    pub is_person_update: bool,
    /// Who sent it.
    pub origin: Origin,
}

/// A request of which the door knows enough.
#[derive(Debug)]
pub enum Glanced {
    /// All of its events will be accepted, and can be read later.
    Scanned { glance: Glance, query_clock: Option<Timestamp>, json: Vec<u8> },
    /// It had to be read.
    Read(ReadRequest),
}

/// A request that was read: it has a key and events, but nothing is known of the key and nothing checked of the events.
#[derive(Debug)]
pub struct ReadRequest {
    parsed: ParsedRequest,
    is_person_update: bool,
    json_bytes: usize,
}

/// The events of a request, each on one side.
#[derive(Debug, Default)]
pub struct CheckedEvents {
    pub accepted: Vec<AcceptedEvent>,
    /// By their place in the request.
    pub rejected: Vec<(usize, Rejection)>,
    /// The same for the ledger.
    pub noted: Vec<RejectedEvent>,
}

impl CaptureRequest {
    /// The JSON of the request.
    ///
    /// # Errors
    /// If it cannot be decoded, is too large, or is no JSON.
    pub fn json(&self, limits: &LimitsConfig) -> Result<Value, CaptureError> {
        Ok(json::parse(&self.data(limits)?)?)
    }

    /// The text of that JSON.
    fn data(&self, limits: &LimitsConfig) -> Result<Cow<'_, [u8]>, CaptureError> {
        let encoded = Encoded {
            query: &self.query,
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
            body: &self.body,
        };
        let data = decode(&encoded, limits.into())?;
        match json::holds_more_values_than(limits.max_request_values, &data) {
            true => Err(CaptureError::TooManyValues),
            false => Ok(data),
        }
    }

    /// Reads as little of the request as its acknowledgement needs.
    ///
    /// # Errors
    /// As [`CaptureRequest::read`].
    pub fn glance(&self, limits: &LimitsConfig) -> Result<Glanced, CaptureError> {
        let data = self.data(limits)?;
        // What is longer may hold an event that is too long.
        if data.len() <= limits.max_event_bytes
            && !self.is_person_update
            && let Some(glance) = glance(&data)
        {
            return Ok(Glanced::Scanned { glance, query_clock: query_clock(&self.query), json: data.into_owned() });
        }
        self.read_data(&data).map(Glanced::Read)
    }

    /// Reads the request up to its events.
    ///
    /// # Errors
    /// If it cannot be decoded, holds no event, or names no project or several.
    pub fn read(&self, limits: &LimitsConfig) -> Result<ReadRequest, CaptureError> {
        self.read_data(&self.data(limits)?)
    }

    /// Reads one event of a language model that came as a form; `key` is the one in the request's headers.
    ///
    /// # Errors
    /// If it is no such form, is too large, or names no project or several.
    pub fn read_form(
        &self,
        key: Option<&ProjectApiKey>,
        limits: &LimitsConfig,
    ) -> Result<(ReadRequest, Vec<PartOutcome>), CaptureError> {
        let content_type = self.content_type.as_deref().unwrap_or_default();
        let assembled = assemble(content_type, &self.body, key, limits)?;
        let parsed = parse(assembled.event, || query_clock(&self.query))?;
        Ok((ReadRequest { parsed, is_person_update: false, json_bytes: assembled.json_bytes }, assembled.parts))
    }

    fn read_data(&self, data: &[u8]) -> Result<ReadRequest, CaptureError> {
        let parsed = parse(json::parse(data)?, || query_clock(&self.query))?;
        Ok(ReadRequest { parsed, is_person_update: self.is_person_update, json_bytes: data.len() })
    }
}

impl ReadRequest {
    /// The key that the request names its project by.
    #[must_use]
    pub fn key(&self) -> &ProjectApiKey {
        &self.parsed.key
    }

    /// How many events it holds.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.parsed.events.len()
    }

    /// Checks and completes every event; *now* is when the request came in.
    #[must_use]
    pub fn check(self, project_id: ProjectId, clock: &Clock, limits: &LimitsConfig) -> CheckedEvents {
        let arrival = Arrival {
            project_id,
            now: clock.now(),
            sent_at: self.parsed.sent_at,
            is_person_update: self.is_person_update,
            // An event cannot be longer than the request it came in: most need not be measured.
            max_event_bytes: (self.json_bytes > limits.max_event_bytes).then_some(limits.max_event_bytes),
            limits: limits.event,
            new_uuid: &|| clock.new_uuid(),
        };
        CheckedEvents::of(self.parsed.events, &arrival)
    }
}

impl CheckedEvents {
    /// Notes events as rejected that were accepted first and have left `accepted`, by the places they had there, in order.
    pub(super) fn drop_accepted(&mut self, dropped: Vec<(usize, RejectedEvent)>) {
        let mut places: Vec<usize> = Vec::new();
        let taken: std::collections::HashSet<usize> = self.rejected.iter().map(|(place, _)| *place).collect();
        let mut free = (0..).filter(|place| !taken.contains(place));
        for (at, rejected) in dropped {
            while places.len() <= at {
                places.extend(free.next());
            }
            self.rejected.push((places[at], rejected.reason));
            self.noted.push(rejected);
        }
    }

    /// Checks and completes each of these.
    pub(super) fn of(events: Vec<Value>, arrival: &Arrival<'_>) -> Self {
        let mut checked = Self::default();
        let mut rejections = Rejections::new(arrival.project_id, arrival.now);
        for (place, mut event) in events.into_iter().enumerate() {
            match event::accept(&mut event, arrival) {
                Ok(event) => checked.accepted.push(event),
                Err(reason) => {
                    rejections.note(reason, &mut event);
                    checked.rejected.push((place, reason));
                }
            }
        }
        checked.noted = rejections.into_events();
        checked
    }
}
