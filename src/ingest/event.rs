//! One event, checked and completed: from what a sender wrote to an [`AcceptedEvent`] (PROTOCOL §1.4).

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::accepted::AcceptedEvent;
use super::elements::elements_chain;
use super::normalise::normalise;
use super::parse;
use super::refusal::Rejection;
use super::timestamp::{Claim, event_time};
use crate::config::EventLimits;
use crate::model::ProjectId;

/// Longest event name and distinct id, in characters; what is longer is cut.
const MAX_NAME_CHARS: usize = 200;

/// What all events of one request share.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    pub project_id: ProjectId,
    /// When the request came in.
    pub now: Timestamp,
    /// When it was sent, by the sender's clock.
    pub sent_at: Option<Timestamp>,
    /// Came to `/engage/`: an update of a person, which needs no event name.
    pub is_person_update: bool,
    /// Largest event; `None` if the whole request is smaller than that.
    pub max_event_bytes: Option<usize>,
    /// What is inside.
    pub limits: EventLimits,
    /// Gives the uuid of an event that has none.
    pub new_uuid: &'a dyn Fn() -> Uuid,
}

/// Makes an event of what a sender wrote.
///
/// # Errors
/// If it cannot be an event; says why, and leaves it as it was. Its neighbours in the request are not concerned.
pub fn accept(event: &mut Value, arrival: &Arrival<'_>) -> Result<AcceptedEvent, Rejection> {
    if arrival.max_event_bytes.is_some_and(|max| json_bytes(event) > max) {
        return Err(Rejection::TooLarge);
    }
    let Value::Object(fields) = event else { return Err(Rejection::NotAnObject) };
    let event = event_name(fields, arrival.is_person_update)?;
    let mut properties = match fields.remove("properties") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(properties)) => properties,
        Some(other) => {
            fields.insert("properties".to_owned(), other);
            return Err(Rejection::InvalidProperties);
        }
    };
    let (distinct_id, uuid) = match names(fields, &mut properties, arrival.new_uuid) {
        Ok(names) => names,
        Err(reason) => {
            if !properties.is_empty() {
                fields.insert("properties".to_owned(), Value::Object(properties));
            }
            return Err(reason);
        }
    };
    let timestamp = place_in_time(fields, &mut properties, arrival);
    lay_over(fields, &mut properties);
    simplify_elements(&mut properties);
    // Every event may carry the page's heat map along; only its own event keeps it.
    if event != "$$heatmap" {
        properties.remove("$heatmap_data");
    }
    normalise(&mut properties, &arrival.limits);
    Ok(AcceptedEvent {
        project_id: arrival.project_id,
        uuid,
        event,
        distinct_id,
        timestamp,
        received_at: arrival.now,
        properties: properties.into(),
    })
}

fn event_name(fields: &Map<String, Value>, is_person_update: bool) -> Result<String, Rejection> {
    let name = match fields.get("event") {
        Some(Value::String(name)) if !name.is_empty() => name,
        None | Some(Value::Null) if is_person_update => return Ok("$identify".to_owned()),
        _ => return Err(Rejection::MissingEventName),
    };
    match unkept(name) {
        Some(reason) => Err(reason),
        None => Ok(shortened(name)),
    }
}

/// Why events of this name are not kept, if they are not: those of recordings, and an SDK's warnings about itself.
pub(super) fn unkept(name: &str) -> Option<Rejection> {
    match name {
        "$snapshot" | "$performance_event" => Some(Rejection::Recording),
        "$$client_ingestion_warning" => Some(Rejection::ClientWarning),
        _ => None,
    }
}

/// Distinct id and uuid; the properties are as they were if one is wrong.
fn names(
    fields: &Map<String, Value>,
    properties: &mut Map<String, Value>,
    new_uuid: &dyn Fn() -> Uuid,
) -> Result<(String, Uuid), Rejection> {
    let uuid = match fields.get("uuid") {
        None | Some(Value::Null) => Some(new_uuid()),
        Some(Value::String(text)) if text.is_empty() => Some(new_uuid()),
        Some(Value::String(text)) => Uuid::parse_str(text.trim()).ok(),
        Some(_) => None,
    };
    match uuid {
        Some(uuid) => Ok((distinct_id(fields, properties)?, uuid)),
        None => Err(Rejection::InvalidUuid),
    }
}

/// Finds the distinct id, and takes its copy out of the properties.
fn distinct_id(fields: &Map<String, Value>, properties: &mut Map<String, Value>) -> Result<String, Rejection> {
    let on_event = ["distinct_id", "$distinct_id"].into_iter().find_map(|key| fields.get(key).and_then(id_text));
    let in_properties = properties.get("distinct_id").and_then(id_text);
    let is_copy = on_event.is_none() || on_event == in_properties;
    let id = on_event.or(in_properties).ok_or(Rejection::MissingDistinctId)?;
    let id = shortened(&id);
    if is_copy {
        properties.remove("distinct_id");
    }
    Ok(id)
}

/// Numbers, truth values, objects and arrays name somebody by their JSON text.
pub(super) fn id_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.into()),
        other => Some(other.to_string().into()),
    }
}

/// Cut to 200 characters, with U+FFFD for NUL.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(MAX_NAME_CHARS).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

/// Decides the time, and leaves in the properties how it was come by.
fn place_in_time(fields: &Map<String, Value>, properties: &mut Map<String, Value>, arrival: &Arrival<'_>) -> Timestamp {
    let claim = Claim {
        now: arrival.now,
        sent_at: parse::sent_at(fields).or(arrival.sent_at),
        timestamp: fields.get("timestamp"),
        offset: fields.get("offset"),
        ignore_sent_at: properties.get("$ignore_sent_at") == Some(&Value::Bool(true)),
    };
    let time = event_time(&claim, &arrival.limits);
    if let (true, Some(sent_at)) = (time.is_corrected, claim.sent_at) {
        properties.insert("$sent_at".to_owned(), sent_at.to_string().into());
    }
    if let (true, Some(original)) = (time.is_replaced, claim.timestamp) {
        properties.insert("$original_timestamp".to_owned(), original.clone());
    }
    time.at
}

/// Lays the event's own `$set`, `$set_once` and `$unset` over those in its properties, and brings along what else of the
/// event says who it was.
fn lay_over(fields: &mut Map<String, Value>, properties: &mut Map<String, Value>) {
    for key in ["$set", "$set_once", "$unset"] {
        let Some(over) = fields.remove(key) else { continue };
        match (properties.get_mut(key), over) {
            (_, Value::Null) => {}
            (Some(Value::Object(below)), Value::Object(over)) => below.extend(over),
            (Some(Value::Array(below)), Value::Array(over)) => {
                for name in over {
                    if !below.contains(&name) {
                        below.push(name);
                    }
                }
            }
            (_, over) => {
                properties.insert(key.to_owned(), over);
            }
        }
    }
    for key in ["$device_id", "$user_id"] {
        if let Some(value) = fields.remove(key)
            && !properties.contains_key(key)
        {
            properties.insert(key.to_owned(), value);
        }
    }
}

/// Leaves the text form of an autocaptured element's ancestors as the only one.
fn simplify_elements(properties: &mut Map<String, Value>) {
    if let Some(Value::Array(elements)) = properties.get("$elements") {
        if !properties.get("$elements_chain").is_some_and(Value::is_string) {
            let chain = elements_chain(elements);
            properties.insert("$elements_chain".to_owned(), chain.into());
        }
        properties.remove("$elements");
    }
}

/// How long a value is as JSON.
pub(super) fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("a value is JSON, and counting does not fail");
    count.0
}

#[cfg(test)]
mod tests;
