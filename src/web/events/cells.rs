//! A table of events: what stands in each cell.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::columns::{ADDRESS_KEYS, BOT_KEY, Column, LABEL_KEYS, LIBRARY_KEYS};
use super::detail::EventDetail;
use crate::insights::explore::EventLine;
use crate::model::ProjectId;
use crate::storage::ch::EventRecord;

/// A table of events; `templates/pages/events/_table.html` draws it.
#[derive(Debug, Clone)]
pub struct EventTable {
    pub columns: Vec<Column>,
    pub lines: Vec<Line>,
    /// Whether narrow screens may leave out columns that matter less: not when a user chose them.
    pub is_compact: bool,
}

/// One event's row.
#[derive(Debug, Clone)]
pub struct Line {
    pub uuid: Uuid,
    /// The page with this row open, for those without script.
    pub open_href: String,
    /// Where script gets what the row opens into.
    pub detail_src: String,
    pub cells: Vec<Cell>,
    /// What the row opens into, if it is open.
    pub detail: Option<EventDetail>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// What happened: in words, and the name as it was sent.
    Event {
        label: String,
        name: String,
        /// The class of bot that sent it.
        bot: Option<String>,
    },
    Person {
        label: String,
        href: String,
        has_profile: bool,
    },
    Time {
        iso: String,
        text: String,
    },
    /// An address: `href` only if it is one of the web.
    Address {
        text: String,
        href: Option<String>,
    },
    Text(String),
    Empty,
}

impl EventTable {
    /// The table of these events, of which `open` is shown in full. `open_href` makes the address of the page with a row
    /// open.
    #[must_use]
    pub fn new(
        project: ProjectId,
        zone: &TimeZone,
        columns: Vec<Column>,
        lines: &[EventLine],
        open: Option<&EventLine>,
        open_href: impl Fn(Uuid) -> String,
    ) -> Self {
        let lines = lines
            .iter()
            .map(|line| {
                let uuid = line.event.uuid;
                Line {
                    uuid,
                    open_href: format!("{}#e{uuid}", open_href(uuid)),
                    detail_src: event_href(project, &line.event),
                    cells: columns.iter().map(|column| cell(project, zone, column, line)).collect(),
                    detail: open
                        .filter(|open| open.event.uuid == uuid)
                        .map(|open| EventDetail::new(project, zone, open)),
                }
            })
            .collect();
        Self { columns, lines, is_compact: true }
    }

    /// Whether narrow screens leave out this column.
    #[must_use]
    pub fn is_hidden_narrow(&self, at: &usize) -> bool {
        self.is_compact
            && match self.columns.get(*at) {
                Some(Column::Library) => true,
                Some(Column::Address) => self.columns.contains(&Column::Person),
                _ => false,
            }
    }
}

/// Where one event is shown: its time spares a look through all events.
#[must_use]
pub fn event_href(project: ProjectId, event: &EventRecord) -> String {
    format!("/project/{project}/events/{}?at={}", event.uuid, event.at.as_microsecond())
}

fn cell(project: ProjectId, zone: &TimeZone, column: &Column, line: &EventLine) -> Cell {
    let event = &line.event;
    match column {
        Column::Event => Cell::Event {
            label: event_label(event),
            name: event.name.clone(),
            bot: event.properties.get(BOT_KEY).map(value_text).filter(|class| !class.is_empty()),
        },
        Column::Person => Cell::Person {
            label: line.person.label.clone(),
            href: person_href(project, &event.distinct_id),
            has_profile: line.person.has_profile,
        },
        Column::Address => {
            ADDRESS_KEYS.into_iter().find_map(|key| event.properties.get(key)).map_or(Cell::Empty, value_cell)
        }
        Column::Library => {
            let text = |key| event.properties.get(key).map(value_text);
            match (text(LIBRARY_KEYS[0]), text(LIBRARY_KEYS[1])) {
                (Some(lib), Some(version)) => Cell::Text(format!("{lib} {version}")),
                (Some(lib), None) => Cell::Text(lib),
                (None, _) => Cell::Empty,
            }
        }
        Column::Time => time_cell(zone, event.at),
        Column::ReceivedAt => time_cell(zone, event.received_at),
        Column::DistinctId => Cell::Text(event.distinct_id.clone()),
        Column::Property(key) => event.properties.get(key).map_or(Cell::Empty, value_cell),
    }
}

fn time_cell(zone: &TimeZone, at: Timestamp) -> Cell {
    Cell::Time { iso: at.to_string(), text: time_text(zone, at) }
}

fn value_cell(value: &Value) -> Cell {
    let text = value_text(value);
    match web_address(&text) {
        Some(href) => Cell::Address { href: Some(href.to_owned()), text },
        None => Cell::Text(text),
    }
}

/// A moment in the project's time zone, to the second.
#[must_use]
pub fn time_text(zone: &TimeZone, at: Timestamp) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A property's value as people read it: text as it is, all else as JSON.
#[must_use]
pub fn value_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The text itself, if it is the address of a web page. Anything else, such as `javascript:…`, must not become a link.
#[must_use]
pub fn web_address(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let is_clean = !rest.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    (is_web && is_clean).then_some(text)
}

/// The page of whoever has this distinct id.
#[must_use]
pub fn person_href(project: ProjectId, distinct_id: &str) -> String {
    format!("/project/{project}/person/{}", path_segment(distinct_id))
}

/// Text as one segment of a path.
#[must_use]
pub fn path_segment(text: &str) -> String {
    use std::fmt::Write;
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => segment.push(char::from(byte)),
            // A segment of dots only means another place, even when percent-encoded.
            b'.' if text.bytes().any(|b| b != b'.') => segment.push('.'),
            byte => write!(segment, "%{byte:02X}").expect("a string takes all text"),
        }
    }
    segment
}

/// What happened, in words: our words for the events that SDKs send by themselves, else the name.
#[must_use]
pub fn event_label(event: &EventRecord) -> String {
    let words = match event.name.as_str() {
        "$pageview" => "Page viewed",
        "$pageleave" => "Page left",
        "$screen" => "Screen viewed",
        "$identify" => "Identified",
        "$create_alias" => "Alias added",
        "$set" => "Person properties set",
        "$groupidentify" => "Group identified",
        "$rageclick" => "Rage click",
        "$dead_click" => "Dead click",
        "$web_vitals" => "Web vitals",
        "$exception" => "Exception",
        "$feature_flag_called" => "Feature flag called",
        "$opt_in" => "Opted in",
        "$autocapture" => return autocapture_label(&event.properties),
        name => name,
    };
    words.to_owned()
}

/// Such as: Clicked button “Add to cart”.
fn autocapture_label(properties: &Map<String, Value>) -> String {
    let [kind, element_text, chain] = LABEL_KEYS.map(|key| properties.get(key).and_then(Value::as_str));
    let verb = match kind {
        Some("click") => "Clicked",
        Some("change") => "Changed",
        Some("submit") => "Submitted",
        _ => return "Autocapture".to_owned(),
    };
    let tag: String = chain.unwrap_or_default().chars().take_while(char::is_ascii_alphanumeric).collect();
    let what = match tag.as_str() {
        "a" => "link",
        "" => "element",
        "img" => "image",
        "input" => "field",
        tag => tag,
    };
    match element_text.filter(|text| !text.trim().is_empty()) {
        Some(text) => format!("{verb} {what} “{}”", text.trim()),
        None => format!("{verb} {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_become_links() {
        assert_eq!(web_address("https://shop.example/a?b=c"), Some("https://shop.example/a?b=c"));
        for text in [
            "javascript:alert(1)",
            "JAVASCRIPT://x",
            "java\nscript://x",
            "data:text/html,x",
            "//x",
            "http://",
            "https://a b",
        ] {
            assert_eq!(web_address(text), None, "{text}");
        }
    }

    #[test]
    fn any_distinct_id_is_one_segment_of_a_path() {
        let project = ProjectId::new(1);
        assert_eq!(person_href(project, "a/b?c#d é"), "/project/1/person/a%2Fb%3Fc%23d%20%C3%A9");
        assert_eq!(person_href(project, ".."), "/project/1/person/%2E%2E");
        assert_eq!(person_href(project, "ada@x.org"), "/project/1/person/ada%40x.org");
    }

    #[test]
    fn what_was_clicked_is_said_in_words() {
        let properties = serde_json::json!({
            "$event_type": "click", "$el_text": " Buy ", "$elements_chain": "button.primary:text=\"Buy\"",
        });
        assert_eq!(autocapture_label(properties.as_object().expect("an object")), "Clicked button “Buy”");
        assert_eq!(autocapture_label(&Map::new()), "Autocapture");
    }
}
