//! One event of a language model as a form (PROTOCOL §1.1): the event, its properties, and what is long in parts of their own.
//!
//! | part | what it becomes |
//! |---|---|
//! | `event` | the event, a JSON object |
//! | `event.properties` | laid over its properties |
//! | `event.properties.$ai_input` | its property `$ai_input`: the value if the part is JSON, else the text |
//!
//! There is no store for files here. A part that is no text, or does not fit into an event, is left out, and the event says so
//! in [`DROPPED`].

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::event::json_bytes;
use super::inflate::{UnpackLimits, gunzip};
use super::json;
use super::multipart::{MultipartError, Part, parts};
use super::refusal::CaptureError;
use crate::config::LimitsConfig;
use crate::model::ProjectApiKey;

/// The property of an event that lists the parts that were left out.
pub const DROPPED: &str = "$ai_parts_dropped";

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// An event put together from its form.
#[derive(Debug)]
pub struct AssembledEvent {
    pub event: Value,
    /// How long that is as JSON.
    pub json_bytes: usize,
    /// What became of each part.
    pub parts: Vec<PartOutcome>,
}

/// What became of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartOutcome {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Unpacked.
    pub bytes: usize,
    /// Why it was left out, if it was.
    #[serde(rename = "reason", skip_serializing_if = "Option::is_none")]
    pub dropped: Option<PartDropped>,
}

/// Why a part was left out of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartDropped {
    /// The event would be larger than one may be.
    TooLarge,
    /// Neither JSON nor text.
    Binary,
    /// JSON of more values than a request may hold.
    TooManyValues,
}

impl PartDropped {
    /// The stable name: in answers, on events and in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Binary => "binary",
            Self::TooManyValues => "too_many_values",
        }
    }
}

/// Puts an event together. `key` is the one in the request's headers: the event then needs none, or the same.
///
/// # Errors
/// If the body is no such form, or is larger unpacked than a body may be.
pub fn assemble(
    content_type: &str,
    body: &[u8],
    key: Option<&ProjectApiKey>,
    limits: &LimitsConfig,
) -> Result<AssembledEvent, CaptureError> {
    let body = unpack(body, limits)?;
    let mut form = Form::of(parts(content_type, &body)?, limits)?;
    if let Some(key) = key
        && let Some(name) = ["api_key", "token", "$token"].into_iter().find(|name| !form.event.contains_key(*name))
    {
        form.event.insert(name.to_owned(), key.as_str().into());
    }
    form.fill(limits)
}

/// The parts of the form by what they are for.
struct Form<'a> {
    event: Map<String, Value>,
    properties: Map<String, Value>,
    /// Each with the property it becomes.
    long: Vec<(String, Part<'a>)>,
    outcomes: Vec<PartOutcome>,
}

impl<'a> Form<'a> {
    fn of(parts: Vec<Part<'a>>, limits: &LimitsConfig) -> Result<Self, CaptureError> {
        let mut form = Self { event: Map::new(), properties: Map::new(), long: Vec::new(), outcomes: Vec::new() };
        let mut seen = HashSet::new();
        for part in parts {
            if !seen.insert(part.name.clone()) {
                return Err(MultipartError::NamedTwice(part.name).into());
            }
            match part.name.as_str() {
                "event" => form.event = form.object(&part, limits)?,
                "event.properties" => form.properties = form.object(&part, limits)?,
                name => match name.strip_prefix("event.properties.").filter(|property| !property.is_empty()) {
                    Some(property) => form.long.push((property.to_owned(), part)),
                    None => return Err(MultipartError::UnknownPart(part.name).into()),
                },
            }
        }
        if !seen.contains("event") {
            return Err(MultipartError::NoEvent.into());
        }
        let within = match form.event.remove("properties") {
            Some(Value::Object(within)) => within,
            None | Some(Value::Null) => Map::new(),
            // What this is instead is told by the check of the event.
            Some(other) => {
                form.event.insert("properties".to_owned(), other);
                return Ok(form);
            }
        };
        let over = std::mem::replace(&mut form.properties, within);
        form.properties.extend(over);
        Ok(form)
    }

    /// A part that must be an object, unlike what may be anything.
    fn object(&mut self, part: &Part<'_>, limits: &LimitsConfig) -> Result<Map<String, Value>, CaptureError> {
        let data = unpack_part(part, limits)?;
        if json::holds_more_values_than(limits.max_request_values, &data) {
            return Err(CaptureError::TooManyValues);
        }
        self.outcomes.push(outcome(part, data.len(), None));
        match json::parse(&data)? {
            Value::Object(object) => Ok(object),
            _ if part.name == "event" => Err(MultipartError::NoEvent.into()),
            _ => Err(MultipartError::NotAnObject(part.name.clone()).into()),
        }
    }

    /// Takes up the long parts in their order, as long as there is room.
    fn fill(mut self, limits: &LimitsConfig) -> Result<AssembledEvent, CaptureError> {
        let said = json_bytes(&Value::Object(self.properties.clone()));
        let reserved: usize = self.long.iter().map(|(property, _)| 2 * property.len() + 200).sum();
        let taken = json_bytes(&Value::Object(self.event.clone())) + said + reserved + 40;
        let mut left = limits.max_event_bytes.saturating_sub(taken);
        let mut dropped = Vec::new();
        for (property, part) in std::mem::take(&mut self.long) {
            let data = unpack_part(&part, limits)?;
            let outcome = match value(&part, &data, left, limits.max_request_values) {
                Ok((value, bytes)) => {
                    left -= bytes;
                    self.properties.insert(property, value);
                    outcome(&part, data.len(), None)
                }
                Err(reason) => {
                    let outcome = outcome(&part, data.len(), Some(reason));
                    let named = PartOutcome { name: property, ..outcome.clone() };
                    dropped.push(serde_json::to_value(named).expect("texts and numbers are JSON"));
                    outcome
                }
            };
            self.outcomes.push(outcome);
        }
        if !dropped.is_empty() {
            self.properties.insert(DROPPED.to_owned(), dropped.into());
        }
        if !self.event.contains_key("properties") {
            self.event.insert("properties".to_owned(), self.properties.into());
        }
        let event = Value::Object(self.event);
        Ok(AssembledEvent { json_bytes: json_bytes(&event), event, parts: self.outcomes })
    }
}

fn outcome(part: &Part<'_>, bytes: usize, dropped: Option<PartDropped>) -> PartOutcome {
    PartOutcome { name: part.name.clone(), content_type: part.content_type.clone(), bytes, dropped }
}

/// What a part becomes, and how long that is as JSON: at most `left` bytes.
fn value(part: &Part<'_>, data: &[u8], left: usize, max_values: usize) -> Result<(Value, usize), PartDropped> {
    if data.len() > left {
        return Err(PartDropped::TooLarge);
    }
    let is_json = part.content_type.as_deref().is_some_and(|t| t == "application/json" || t.ends_with("+json"));
    let is_text = part.content_type.as_deref().is_none_or(|t| t.starts_with("text/"));
    let value = match is_json {
        true if json::holds_more_values_than(max_values, data) => return Err(PartDropped::TooManyValues),
        true => json::parse(data).ok(),
        false => None,
    };
    let value = match (value, std::str::from_utf8(data)) {
        (Some(value), _) => value,
        (None, Ok(text)) => text.into(),
        (None, Err(_)) if is_text || is_json => String::from_utf8_lossy(data).into(),
        (None, Err(_)) => return Err(PartDropped::Binary),
    };
    match json_bytes(&value) {
        bytes if bytes > left => Err(PartDropped::TooLarge),
        bytes => Ok((value, bytes)),
    }
}

/// A body or a part, unpacked if it is gzip.
fn unpack<'a>(data: &'a [u8], limits: &LimitsConfig) -> Result<Cow<'a, [u8]>, super::InflateError> {
    let limits = UnpackLimits::from(limits);
    match data.starts_with(GZIP_MAGIC) {
        true => gunzip(data, limits).map(Cow::from),
        false if data.len() > limits.max_bytes => Err(super::InflateError::TooLarge { max_bytes: limits.max_bytes }),
        false => Ok(data.into()),
    }
}

fn unpack_part<'a>(part: &Part<'a>, limits: &LimitsConfig) -> Result<Cow<'a, [u8]>, MultipartError> {
    unpack(part.data, limits).map_err(|error| MultipartError::Packed { name: part.name.clone(), error })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;
    use crate::config::Config;

    const TYPE: &str = "multipart/form-data; boundary=x";

    fn limits(max_event_bytes: usize) -> LimitsConfig {
        LimitsConfig { max_event_bytes, ..Config::defaults().limits }
    }

    /// A form of parts: name, content type and content.
    fn form(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, content_type, data) in parts {
            let head = format!(
                "--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {content_type}\r\n\r\n"
            );
            body.extend(head.bytes());
            body.extend_from_slice(data);
            body.extend(b"\r\n");
        }
        body.extend(b"--x--\r\n");
        body
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut into = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        into.write_all(bytes).expect("memory takes all");
        into.finish().expect("memory takes all")
    }

    const EVENT: &[u8] = br#"{"event":"$ai_generation","distinct_id":"u","properties":{"$ai_model":"m","a":1}}"#;

    #[test]
    fn json_and_text_become_properties_of_the_event() {
        let packed = gzip(b"packed text");
        let body = form(&[
            ("event.properties.$ai_input", "application/json", br#"[{"role":"user","content":"hi"}]"#),
            ("event", "application/json", EVENT),
            ("event.properties", "application/json", br#"{"a":2,"b":3}"#),
            ("event.properties.$ai_output", "text/plain; charset=utf-8", "h\u{e9}llo".as_bytes()),
            ("event.properties.packed", "text/plain", &packed),
            ("event.properties.opaque", "application/octet-stream", b"still text"),
            ("event.properties.no json", "application/json", b"{half"),
        ]);
        let key: ProjectApiKey = "phc_1".parse().expect("a key");
        for body in [gzip(&body), body] {
            let assembled = assemble(TYPE, &body, Some(&key), &limits(1 << 20)).expect("it is a form");
            let expected = json!({
                "event": "$ai_generation",
                "distinct_id": "u",
                "api_key": "phc_1",
                "properties": {
                    "$ai_model": "m",
                    "a": 2,
                    "b": 3,
                    "$ai_input": [{"role": "user", "content": "hi"}],
                    "$ai_output": "h\u{e9}llo",
                    "packed": "packed text",
                    "opaque": "still text",
                    "no json": "{half",
                },
            });
            assert_eq!(assembled.event, expected);
            assert_eq!(assembled.json_bytes, expected.to_string().len());
            assert!(assembled.parts.len() == 7 && assembled.parts.iter().all(|part| part.dropped.is_none()));
        }
    }

    #[test]
    fn what_cannot_be_kept_is_left_out_and_named() {
        let picture = [0x89, b'P', b'N', b'G', 0xff];
        let body = form(&[
            ("event", "application/json", EVENT),
            ("event.properties.picture", "image/png", &picture),
            ("event.properties.long", "text/plain", &[b'a'; 5000]),
            ("event.properties.quotes", "text/plain", &[b'"'; 1200]),
            ("event.properties.short", "text/plain", b"fits"),
        ]);
        let assembled = assemble(TYPE, &body, None, &limits(3000)).expect("it is a form");
        let properties = &assembled.event["properties"];
        assert_eq!(properties["short"], "fits");
        assert_eq!(
            properties[DROPPED],
            json!([
                {"name": "picture", "content_type": "image/png", "bytes": 5, "reason": "binary"},
                {"name": "long", "content_type": "text/plain", "bytes": 5000, "reason": "too_large"},
                {"name": "quotes", "content_type": "text/plain", "bytes": 1200, "reason": "too_large"},
            ])
        );
        assert!(assembled.json_bytes <= 3000, "{}", assembled.json_bytes);
        assert_eq!(assembled.parts.iter().filter(|part| part.dropped.is_some()).count(), 3);
    }

    #[test]
    fn what_is_no_event_is_refused_by_name() {
        use MultipartError as E;
        let refused = |parts: &[(&str, &str, &[u8])]| match assemble(TYPE, &form(parts), None, &limits(1 << 20)) {
            Err(CaptureError::Multipart(error)) => error,
            other => panic!("{other:?}"),
        };
        let event = ("event", "application/json", EVENT);
        assert_eq!(refused(&[("event.properties.a", "text/plain", b"1")]), E::NoEvent);
        assert_eq!(refused(&[("event", "application/json", b"[]")]), E::NoEvent);
        assert_eq!(refused(&[event, ("blob", "text/plain", b"1")]), E::UnknownPart("blob".to_owned()));
        assert_eq!(refused(&[event, event]), E::NamedTwice("event".to_owned()));
        let properties = ("event.properties", "application/json", &b"3"[..]);
        assert_eq!(refused(&[event, properties]), E::NotAnObject("event.properties".to_owned()));
        let bomb = gzip(&vec![0; 8 << 20]);
        let bomb = refused(&[event, ("event.properties.a", "text/plain", &bomb)]);
        assert!(matches!(bomb, E::Packed { error: super::super::InflateError::TooDense { .. }, .. }), "{bomb:?}");
    }
}
