//! What an event's row opens into: all its properties, its JSON, where it leads.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::cells::{event_label, person_href, time_text, value_text, web_address};
use crate::insights::explore::EventLine;
use crate::model::session::MAX_SESSION_ID_CHARS;
use crate::model::{ProjectId, property_columns};
use crate::web::sessions::session_href;

/// One event in full.
#[derive(Debug, Clone)]
pub struct EventDetail {
    /// For ids within the page.
    pub uuid: String,
    pub label: String,
    pub name: String,
    pub person: String,
    pub person_href: String,
    pub has_profile: bool,
    /// The session it belongs to.
    pub session_href: Option<String>,
    pub trend_href: String,
    /// The explorer with this event's name only.
    pub same_href: String,
    pub time: String,
    pub properties: Vec<PropertyLine>,
    pub person_properties: Vec<PropertyLine>,
    /// Facts beside the properties: ids and times.
    pub facts: Vec<(&'static str, String)>,
    /// The event as JSON, indented, for reading and copying.
    pub json: String,
}

/// One property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyLine {
    pub key: String,
    pub text: String,
    /// Where the value leads, if it is the address of a web page.
    pub href: Option<String>,
    /// An object or a list, shown indented.
    pub is_nested: bool,
    /// Sent by the SDK itself on nearly every event.
    pub is_well_known: bool,
    /// String, number, boolean, list or object.
    pub kind: &'static str,
}

impl EventDetail {
    /// All there is to say about an event.
    #[must_use]
    pub fn new(project: ProjectId, zone: &TimeZone, line: &EventLine) -> Self {
        let event = &line.event;
        let encoded = serde_urlencoded::to_string([("event", &event.name)]).unwrap_or_default();
        let json = json!({
            "uuid": event.uuid,
            "event": event.name,
            "distinct_id": event.distinct_id,
            "timestamp": event.at,
            "properties": event.properties,
        });
        Self {
            uuid: event.uuid.to_string(),
            label: event_label(event),
            name: event.name.clone(),
            person: line.person.label.clone(),
            person_href: person_href(project, &event.distinct_id),
            has_profile: line.person.has_profile,
            session_href: event
                .properties
                .get("$session_id")
                .and_then(Value::as_str)
                .filter(|id| (1..=MAX_SESSION_ID_CHARS).contains(&id.chars().count()))
                .map(|id| session_href(project, id)),
            trend_href: format!("/project/{project}/insights/new?{encoded}"),
            same_href: format!("/project/{project}/events?{encoded}"),
            time: time_text(zone, event.at),
            properties: property_lines(&event.properties),
            person_properties: property_lines(&event.person_properties),
            facts: vec![
                ("Event", event.name.clone()),
                ("UUID", event.uuid.to_string()),
                ("Distinct ID", event.distinct_id.clone()),
                ("Time", event.at.to_string()),
                ("Received", event.received_at.to_string()),
            ],
            json: indented(&json),
        }
    }
}

/// Properties, each on a line of its own: those that people made up before those of the SDKs. A null is not set, and left
/// out.
#[must_use]
pub fn property_lines(properties: &Map<String, Value>) -> Vec<PropertyLine> {
    let mut lines: Vec<PropertyLine> = properties
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| {
            let is_nested = value.is_object() || value.is_array();
            let text = if is_nested { indented(value) } else { value_text(value) };
            PropertyLine {
                href: value.as_str().and_then(web_address).map(str::to_owned),
                is_well_known: key.starts_with('$') || property_columns::find(key).is_some(),
                kind: match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "list",
                    Value::Object(_) => "object",
                },
                key: key.clone(),
                is_nested,
                text,
            }
        })
        .collect();
    lines.sort_by_key(|line| line.is_well_known);
    lines
}

fn indented(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value can be printed")
}
