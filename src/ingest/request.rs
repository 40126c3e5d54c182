//! A capture request, from its bytes to the events in it: all of the door that needs neither store nor spool.

use bytes::Bytes;
use serde_json::Value;

use super::accepted::AcceptedEvent;
use super::decode::{Encoded, decode};
use super::enrich::Origin;
use super::event::{self, Arrival};
use super::json;
use super::parse::{ParsedRequest, parse};
use super::refusal::{CaptureError, Rejection};
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
}

impl CaptureRequest {
    /// The JSON of the request, and how long it was.
    ///
    /// # Errors
    /// If it cannot be decoded, is larger than `max_bytes`, or is no JSON.
    pub fn json(&self, max_bytes: usize) -> Result<(Value, usize), CaptureError> {
        let encoded = Encoded {
            query: &self.query,
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
            body: &self.body,
        };
        let data = decode(&encoded, max_bytes)?;
        Ok((json::parse(&data)?, data.len()))
    }

    /// Reads the request up to its events.
    ///
    /// # Errors
    /// If it cannot be decoded, holds no event, or names no project or several.
    pub fn read(&self, limits: &LimitsConfig) -> Result<ReadRequest, CaptureError> {
        let (value, json_bytes) = self.json(limits.max_body_bytes)?;
        let parsed = parse(value, &self.query)?;
        Ok(ReadRequest { parsed, is_person_update: self.is_person_update, json_bytes })
    }
}

impl ReadRequest {
    /// The key that the request names its project by.
    #[must_use]
    pub fn key(&self) -> &ProjectApiKey {
        &self.parsed.key
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
            clock,
        };
        let mut checked = CheckedEvents::default();
        for (place, event) in self.parsed.events.into_iter().enumerate() {
            match event::accept(event, &arrival) {
                Ok(event) => checked.accepted.push(event),
                Err(reason) => checked.rejected.push((place, reason)),
            }
        }
        checked
    }
}
