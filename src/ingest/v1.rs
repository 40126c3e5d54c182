//! Capture v1: who asks stands in headers, and every event is answered for (PROTOCOL §1.9).
//!
//! An event is put into the form of v0 first, with what the SDK left out of its properties put back, and then goes the way
//! of every other event.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::accepted::AcceptedEvent;
use super::enrich::Origin;
use super::event::{self, Arrival};
use super::inflate::{InflateError, UnpackLimits, gunzip, inflate_zlib, unbrotli, unzstd};
use super::refusal::{CaptureError, Rejection};
use super::rejected::{RejectedEvent, Rejections};
use super::{decode::DecodeError, json, timestamp};
use crate::config::LimitsConfig;
use crate::model::{Clock, ProjectApiKey, ProjectId};

/// Longest event name and distinct id, in characters. What is longer is dropped here, where v0 cuts it.
const MAX_NAME_CHARS: usize = 200;

/// A request whose headers were read.
#[derive(Debug, Clone)]
pub struct V1Request {
    pub key: ProjectApiKey,
    /// Name and version of the SDK, as `posthog-node/5.70.0`.
    pub sdk_info: String,
    /// When it was sent, by the sender's clock.
    pub sent_at: Timestamp,
    pub content_encoding: Option<String>,
    pub body: Bytes,
    /// Came to the address for events of language models, which may be larger.
    pub is_ai: bool,
    pub origin: Origin,
}

/// Why a request was refused as a whole. Its text is for the person who reads the SDK's log.
#[derive(Debug, thiserror::Error)]
pub enum V1Error {
    #[error("the request has no body")]
    EmptyBody,
    #[error("the batch holds no event")]
    EmptyBatch,
    #[error("the body must be an object with a batch, which is an array of events")]
    InvalidBatch,
    #[error("an event of the batch has no uuid")]
    MissingUuid,
    #[error("the uuid of an event is not a UUID")]
    InvalidUuid,
    #[error("two events of the batch have the same uuid")]
    DuplicateUuid,
    #[error("the request has no header {0}")]
    MissingHeader(&'static str),
    #[error("the value of the header {0} makes no sense")]
    InvalidHeader(&'static str),
    #[error("the body must be application/json")]
    UnsupportedMediaType,
    #[error("the request needs the header Authorization: Bearer with the project API key")]
    MissingToken,
    /// What capture of both versions refuses.
    #[error(transparent)]
    Capture(#[from] CaptureError),
}

impl From<InflateError> for V1Error {
    fn from(error: InflateError) -> Self {
        Self::Capture(error.into())
    }
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V1Result {
    /// As it was sent.
    pub uuid: String,
    pub outcome: Outcome,
}

/// What became of an event, with its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    /// Accepted, but not all of it was done.
    Warning(&'static str),
    Drop(Rejection),
}

impl Outcome {
    /// What the SDK is told; `None` if there is nothing to say.
    #[must_use]
    pub const fn tag(self) -> Option<&'static str> {
        match self {
            Self::Accepted => None,
            Self::Warning(tag) => Some(tag),
            Self::Drop(Rejection::InvalidProperties) => Some("malformed_event_properties"),
            Self::Drop(reason) => Some(reason.code()),
        }
    }
}

/// The events of a request, and what to say of each.
#[derive(Debug, Default)]
pub struct V1Checked {
    pub accepted: Vec<AcceptedEvent>,
    pub results: Vec<V1Result>,
    /// The dropped ones, for the ledger.
    pub noted: Vec<RejectedEvent>,
}

impl V1Checked {
    /// Says of events that were accepted first and have left `accepted` that they are dropped, by the places they had there, in
    /// order.
    pub(super) fn drop_accepted(&mut self, dropped: Vec<(usize, RejectedEvent)>) {
        let places: Vec<usize> =
            (0..self.results.len()).filter(|place| !matches!(self.results[*place].outcome, Outcome::Drop(_))).collect();
        for (at, rejected) in dropped {
            self.results[places[at]].outcome = Outcome::Drop(rejected.reason);
            self.noted.push(rejected);
        }
    }
}

impl V1Request {
    /// Reads, checks and completes every event; *now* is when the request came in.
    ///
    /// # Errors
    /// If the body is not a batch of events with a UUID each.
    pub fn check(&self, project_id: ProjectId, clock: &Clock, limits: &LimitsConfig) -> Result<V1Checked, V1Error> {
        let (events, json_bytes) = self.events(limits)?;
        let uuids = uuids(&events)?;
        let arrival = Arrival {
            project_id,
            now: clock.now(),
            sent_at: Some(self.sent_at),
            is_person_update: false,
            max_event_bytes: (json_bytes > limits.max_event_bytes).then_some(limits.max_event_bytes),
            limits: limits.event,
            new_uuid: &|| clock.new_uuid(),
        };
        let mut checked = V1Checked::default();
        let mut rejections = Rejections::new(project_id, arrival.now);
        for (mut event, uuid) in events.into_iter().zip(uuids) {
            let formed = self.in_v0_form(&mut event);
            let mut event = Value::Object(event);
            let outcome = match formed.and_then(|outcome| Ok((event::accept(&mut event, &arrival)?, outcome))) {
                Ok((event, outcome)) => {
                    checked.accepted.push(event);
                    outcome
                }
                Err(reason) => {
                    rejections.note(reason, &mut event);
                    Outcome::Drop(reason)
                }
            };
            checked.results.push(V1Result { uuid, outcome });
        }
        checked.noted = rejections.into_events();
        Ok(checked)
    }

    fn events(&self, limits: &LimitsConfig) -> Result<(Vec<Map<String, Value>>, usize), V1Error> {
        let data = unpack(self.content_encoding.as_deref(), &self.body, limits.into())?;
        if json::holds_more_values_than(limits.max_request_values, &data) {
            return Err(CaptureError::TooManyValues.into());
        }
        let Value::Object(mut envelope) = json::parse(&data).map_err(CaptureError::from)? else {
            return Err(V1Error::InvalidBatch);
        };
        let Some(Value::Array(batch)) = envelope.remove("batch") else { return Err(V1Error::InvalidBatch) };
        let events = batch.into_iter().map(|event| match event {
            Value::Object(event) => Ok(event),
            _ => Err(V1Error::InvalidBatch),
        });
        let events = events.collect::<Result<Vec<_>, _>>()?;
        if events.is_empty() { Err(V1Error::EmptyBatch) } else { Ok((events, data.len())) }
    }

    /// Makes the event what an SDK of v0 would have sent; or says why it is dropped, and leaves it as it was.
    fn in_v0_form(&self, event: &mut Map<String, Value>) -> Result<Outcome, Rejection> {
        let name = text(event, "event").ok_or(Rejection::MissingEventName)?;
        if name.chars().count() > MAX_NAME_CHARS {
            return Err(Rejection::EventNameTooLong);
        }
        let distinct_id = text(event, "distinct_id").ok_or(Rejection::MissingDistinctId)?;
        if distinct_id.chars().count() > MAX_NAME_CHARS {
            return Err(Rejection::DistinctIdTooLong);
        }
        let is_nobody = names_nobody(distinct_id);
        if event.get("timestamp").and_then(timestamp::parse_value).is_none() {
            return Err(Rejection::InvalidTimestamp);
        }
        if !matches!(event.get("properties"), None | Some(Value::Null | Value::Object(_))) {
            return Err(Rejection::InvalidProperties);
        }
        let options = options(event.get("options"))?;
        let mut properties = match event.remove("properties") {
            Some(Value::Object(properties)) => properties,
            _ => Map::new(),
        };
        properties.extend(options);
        event.remove("options");
        for (field, property) in [("session_id", "$session_id"), ("window_id", "$window_id")] {
            if let Some(id @ Value::String(_)) = event.remove(field) {
                properties.insert(property.to_owned(), id);
            }
        }
        if let Some((lib, version)) = self.sdk_info.rsplit_once('/') {
            properties.entry("$lib").or_insert_with(|| lib.into());
            properties.entry("$lib_version").or_insert_with(|| version.into());
        }
        if is_nobody {
            properties.insert("$process_person_profile".to_owned(), false.into());
        }
        event.insert("properties".to_owned(), properties.into());
        // Only the clock in the headers counts.
        for key in ["offset", "sent_at", "sentAt"] {
            event.remove(key);
        }
        Ok(if is_nobody { Outcome::Warning("person_processing_disabled") } else { Outcome::Accepted })
    }
}

/// Undoes the `Content-Encoding`, unless somebody on the way did already.
fn unpack<'a>(encoding: Option<&str>, body: &'a [u8], limits: UnpackLimits) -> Result<Cow<'a, [u8]>, V1Error> {
    if body.is_empty() {
        return Err(V1Error::EmptyBody);
    }
    let encoding = encoding.map(|name| name.trim().to_ascii_lowercase());
    let is_json = body.trim_ascii_start().first() == Some(&b'{');
    let data: Cow<'a, [u8]> = match encoding.as_deref() {
        // Neither magic number begins with a brace; brotli has none, but its first byte of a brace is an odd window.
        Some("gzip" | "deflate" | "zstd") if is_json => body.into(),
        None | Some("" | "identity") => body.into(),
        Some("gzip") => gunzip(body, limits)?.into(),
        Some("deflate") => inflate_zlib(body, limits)?.into(),
        Some("br") => unbrotli(body, limits)?.into(),
        Some("zstd") => unzstd(body, limits)?.into(),
        Some(_) => return Err(CaptureError::Decode(DecodeError::UnsupportedEncoding("something unknown")).into()),
    };
    if data.len() > limits.max_bytes {
        return Err(InflateError::TooLarge { max_bytes: limits.max_bytes }.into());
    }
    if data.trim_ascii().is_empty() { Err(V1Error::EmptyBody) } else { Ok(data) }
}

/// The uuids as they were sent. Answers are given by them, so each event needs one of its own.
fn uuids(events: &[Map<String, Value>]) -> Result<Vec<String>, V1Error> {
    let mut seen = HashSet::new();
    let uuids = events.iter().map(|event| {
        let sent = match event.get("uuid") {
            None | Some(Value::Null) => return Err(V1Error::MissingUuid),
            Some(Value::String(text)) if text.is_empty() => return Err(V1Error::MissingUuid),
            Some(Value::String(text)) => text,
            Some(_) => return Err(V1Error::InvalidUuid),
        };
        let uuid = Uuid::parse_str(sent).map_err(|_| V1Error::InvalidUuid)?;
        if seen.insert(uuid) { Ok(sent.clone()) } else { Err(V1Error::DuplicateUuid) }
    });
    uuids.collect()
}

/// A field of text that is not empty.
fn text<'a>(event: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    event.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// The properties that the SDK made options of.
fn options(options: Option<&Value>) -> Result<Vec<(String, Value)>, Rejection> {
    const WRONG: Rejection = Rejection::InvalidOptions;
    let options = match options {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(options)) => options,
        Some(_) => return Err(WRONG),
    };
    let mut properties = Vec::new();
    for (option, property) in [
        ("cookieless_mode", "$cookieless_mode"),
        ("disable_skew_correction", "$ignore_sent_at"),
        ("process_person_profile", "$process_person_profile"),
        ("product_tour_id", "$product_tour_id"),
    ] {
        match (options.get(option), option) {
            (None | Some(Value::Null), _) => {}
            (Some(id @ Value::String(_)), "product_tour_id") => properties.push((property.to_owned(), id.clone())),
            (Some(_), "product_tour_id") => return Err(WRONG),
            (Some(choice @ Value::Bool(_)), _) => properties.push((property.to_owned(), choice.clone())),
            (Some(_), _) => return Err(WRONG),
        }
    }
    Ok(properties)
}

/// Whether a distinct id is what a program sends that does not know whom it speaks of.
fn names_nobody(distinct_id: &str) -> bool {
    const NOBODY: [&str; 20] = [
        "0",
        "00000000-0000-0000-0000-000000000000",
        "[object object]",
        "anonymous",
        "anonymous-user",
        "backend",
        "distinct_id",
        "distinctid",
        "email",
        "false",
        "guest",
        "id",
        "nan",
        "none",
        "not_authenticated",
        "null",
        "system",
        "true",
        "undefined",
        "user",
    ];
    NOBODY.contains(&distinct_id.trim().to_ascii_lowercase().as_str())
}
