//! What events say about their session.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use super::AcceptedEvent;
use crate::model::session::{
    CLICK_IDS, ENTRY_TEXTS, EXIT_TEXTS, MAX_CLICK_ID_BYTES, MAX_SESSION_ID_CHARS, SessionEntry, SessionExit,
    SessionPartial, SessionPoint, SessionText,
};
use crate::model::{PersonId, ProjectId};

/// Events folded by session, without one more copy of their texts than a session needs.
#[derive(Debug, Default)]
pub struct SessionFold<'a>(HashMap<(ProjectId, &'a str), SessionPartial>);

/// What an event counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pageview,
    Screen,
    Autocapture,
    Other,
}

/// An event's session, if it names one: a text of 1 to 200 characters.
#[must_use]
pub fn session_id(event: &AcceptedEvent) -> Option<&str> {
    let id = text(event, "$session_id")?;
    // Characters are at most four bytes: most ids need no count.
    let is_short = id.len() <= MAX_SESSION_ID_CHARS
        || (id.len() <= 4 * MAX_SESSION_ID_CHARS && id.chars().count() <= MAX_SESSION_ID_CHARS);
    is_short.then_some(id)
}

impl<'a> SessionFold<'a> {
    /// Adds an event, unless it belongs to no session.
    pub fn add(&mut self, event: &'a AcceptedEvent, person: PersonId) {
        let Some(id) = session_id(event) else { return };
        match self.0.entry((event.project_id, id)) {
            Entry::Occupied(session) => extend(session.into_mut(), event, person),
            Entry::Vacant(free) => {
                free.insert(partial_of(event, person));
            }
        }
    }

    /// The sessions, in the order of the table.
    #[must_use]
    pub fn into_sorted(self) -> Vec<((ProjectId, &'a str), SessionPartial)> {
        let mut sessions: Vec<_> = self.0.into_iter().collect();
        sessions.sort_unstable_by_key(|(key, _)| *key);
        sessions
    }
}

fn partial_of(event: &AcceptedEvent, person: PersonId) -> SessionPartial {
    let (kind, point) = (kind(event), point(event));
    let is_view = kind.is_view();
    let mut partial = SessionPartial {
        first: point,
        first_distinct_id: event.distinct_id.clone(),
        last: point,
        last_person: person,
        events: 0,
        pageviews: 0,
        screens: 0,
        autocaptures: 0,
        url_hashes: Vec::new(),
        entry: entry_of(event, is_view, point),
        exit: is_view.then(|| exit_of(event, point)),
    };
    count(&mut partial, event, kind);
    partial
}

fn extend(partial: &mut SessionPartial, event: &AcceptedEvent, person: PersonId) {
    let (kind, point) = (kind(event), point(event));
    let is_view = kind.is_view();
    if point < partial.first {
        partial.first = point;
        partial.first_distinct_id.clone_from(&event.distinct_id);
    }
    if point > partial.last {
        partial.last = point;
        partial.last_person = person;
    }
    if !partial.entry.is_before(is_view, point) {
        partial.entry = entry_of(event, is_view, point);
    }
    if is_view && partial.exit.as_ref().is_none_or(|exit| point > exit.point) {
        partial.exit = Some(exit_of(event, point));
    }
    count(partial, event, kind);
}

fn count(partial: &mut SessionPartial, event: &AcceptedEvent, kind: Kind) {
    partial.events += 1;
    match kind {
        Kind::Pageview => partial.pageviews += 1,
        Kind::Screen => partial.screens += 1,
        Kind::Autocapture => partial.autocaptures += 1,
        Kind::Other => {}
    }
    if kind.is_view()
        && let Some(url) = text(event, "$current_url")
    {
        partial.add_url_hash(url_hash(url));
    }
}

impl Kind {
    fn is_view(self) -> bool {
        matches!(self, Self::Pageview | Self::Screen)
    }
}

fn kind(event: &AcceptedEvent) -> Kind {
    match event.event.as_str() {
        "$pageview" => Kind::Pageview,
        "$screen" => Kind::Screen,
        "$autocapture" => Kind::Autocapture,
        _ => Kind::Other,
    }
}

fn point(event: &AcceptedEvent) -> SessionPoint {
    let (high, low) = event.uuid.as_u64_pair();
    SessionPoint { at: event.timestamp.as_microsecond(), tie: high ^ low }
}

fn entry_of(event: &AcceptedEvent, is_view: bool, point: SessionPoint) -> SessionEntry {
    let click_ids = CLICK_IDS.iter().filter_map(|key| {
        let id = text(event, key)?;
        Some(((*key).to_owned(), shortened(id, MAX_CLICK_ID_BYTES)))
    });
    SessionEntry {
        is_view,
        point,
        texts: ENTRY_TEXTS.each_ref().map(|wanted| text_of(event, wanted, is_view)),
        click_ids: click_ids.collect(),
    }
}

fn exit_of(event: &AcceptedEvent, point: SessionPoint) -> SessionExit {
    SessionExit { point, texts: EXIT_TEXTS.each_ref().map(|wanted| text_of(event, wanted, true)) }
}

fn text_of(event: &AcceptedEvent, wanted: &SessionText, is_view: bool) -> Option<String> {
    if wanted.is_of_view && !is_view {
        return None;
    }
    let url = || text(event, "$current_url");
    let found = text(event, wanted.property).or_else(|| match wanted.property {
        "$pathname" => url().map(path_of),
        "$host" => url().and_then(host_of),
        _ => None,
    });
    found.map(|found| shortened(found, wanted.max_bytes))
}

/// A property that is a text and not empty.
fn text<'a>(event: &'a AcceptedEvent, key: &str) -> Option<&'a str> {
    event.properties.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn shortened(text: &str, max_bytes: usize) -> String {
    text[..text.floor_char_boundary(max_bytes)].to_owned()
}

/// The host of an address, with its port.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())
}

/// The path of an address; `/` if it has none.
fn path_of(url: &str) -> &str {
    let rest = match url.split_once("://") {
        Some((_, rest)) => rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]),
        None => url,
    };
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    if path.is_empty() { "/" } else { path }
}

/// FNV-1a with a final mix: the same on every machine and in every version, because it is kept.
fn url_hash(url: &str) -> u64 {
    let hash = url
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn event(name: &str, second: i64, properties: Value) -> AcceptedEvent {
        AcceptedEvent {
            project_id: ProjectId::new(1),
            uuid: Uuid::from_u128(u128::from(second.unsigned_abs()) + 1),
            event: name.to_owned(),
            distinct_id: format!("id-{second}"),
            timestamp: jiff::Timestamp::from_second(second).expect("a time"),
            received_at: jiff::Timestamp::UNIX_EPOCH,
            properties: serde_json::from_value(properties).expect("an object"),
        }
    }

    fn fold(events: &[AcceptedEvent]) -> Vec<SessionPartial> {
        let mut fold = SessionFold::default();
        for (n, event) in (0..).zip(events) {
            fold.add(event, PersonId::from_event(n));
        }
        fold.into_sorted().into_iter().map(|(_, partial)| partial).collect()
    }

    fn entry<'a>(partial: &'a SessionPartial, column: &str) -> Option<&'a str> {
        let at = ENTRY_TEXTS.iter().position(|text| text.column == column).expect("a column");
        partial.entry.texts[at].as_deref()
    }

    #[test]
    fn a_session_enters_and_leaves_by_its_views_in_order_of_time() {
        let s = |more: Value| {
            let mut all = json!({ "$session_id": "s" });
            all.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
            all
        };
        let events = [
            event("$pageview", 30, s(json!({ "$current_url": "https://x.org/c?q#f", "utm_source": "late" }))),
            event("$pageview", 20, s(json!({ "$current_url": "https://x.org", "gclid": "g", "$browser": "Firefox" }))),
            event("$pageview", 25, s(json!({ "$current_url": "https://x.org" }))),
            event("signup", 10, s(json!({ "$current_url": "https://x.org/before", "$browser": "Other" }))),
            event("$autocapture", 40, s(json!({ "$current_url": "https://x.org/after" }))),
        ];
        let [partial] = &fold(&events)[..] else { panic!("one session") };
        assert_eq!((partial.first.at, partial.last.at), (10_000_000, 40_000_000));
        assert_eq!((partial.first_distinct_id.as_str(), partial.last_person), ("id-10", PersonId::from_event(4)));
        assert_eq!((partial.events, partial.pageviews, partial.autocaptures, partial.url_hashes.len()), (5, 3, 1, 2));
        assert_eq!((entry(partial, "entry_pathname"), entry(partial, "entry_host")), (Some("/"), Some("x.org")));
        assert_eq!((entry(partial, "browser"), entry(partial, "utm_source")), (Some("Firefox"), None));
        assert_eq!(partial.entry.click_ids, [("gclid".to_owned(), "g".to_owned())]);
        let exit = partial.exit.as_ref().expect("an exit");
        assert_eq!((exit.texts[0].as_deref(), exit.texts[1].as_deref()), (Some("https://x.org/c?q#f"), Some("/c")));
    }

    #[test]
    fn a_session_without_views_has_attributes_but_no_pages() {
        let events = [event("e", 1, json!({ "$session_id": "s", "$current_url": "https://x.org/a", "$os": "Linux" }))];
        let [partial] = &fold(&events)[..] else { panic!("one session") };
        assert_eq!((entry(partial, "entry_url"), entry(partial, "os"), &partial.exit), (None, Some("Linux"), &None));
    }

    #[test]
    fn only_a_text_of_a_fair_length_names_a_session() {
        let named = |id: Value| fold(&[event("e", 1, json!({ "$session_id": id }))]).len();
        for id in [json!(null), json!(""), json!(7), json!(["s"]), json!("x".repeat(201)), json!("é".repeat(201))] {
            assert_eq!(named(id.clone()), 0, "{id}");
        }
        for id in [json!("s"), json!("é".repeat(200)), json!("not a uuid '; --")] {
            assert_eq!(named(id.clone()), 1, "{id}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let long = format!("https://x.org/{}é", "a".repeat(2033));
        let events = [event("$pageview", 1, json!({ "$session_id": "s", "$current_url": long }))];
        assert_eq!(fold(&events)[0].entry.texts[0].as_ref().map(String::len), Some(2047));
    }

    #[test]
    fn paths_and_hosts_of_odd_addresses() {
        for (url, path, host) in [
            ("https://x.org:8000/a/b?c=/d", "/a/b", Some("x.org:8000")),
            ("https://x.org?c", "/", Some("x.org")),
            ("/only/path#x", "/only/path", None),
            ("file:///etc", "/etc", None),
            ("", "/", None),
        ] {
            assert_eq!((path_of(url), host_of(url)), (path, host), "{url}");
        }
    }
}
