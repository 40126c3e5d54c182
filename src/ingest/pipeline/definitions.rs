//! Names of events and properties, for pickers; and what events' tails hold under a name, so that questions look nowhere in
//! vain. What is known is remembered, so that steady traffic writes nothing.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::identity::Resolved;
use crate::ingest::AcceptedEvent;
use crate::model::ProjectId;
use crate::model::property_columns::{ColumnKind, find, kinds_in_tail};
use crate::model::value_kinds::{MAX_PROPERTIES, ValueKinds, is_kept_name};
use crate::storage::pg::{EventDefinition, Pg, PgError, PropertyDefinition, PropertyKind, blames_data};

/// Most names kept of a project, as [`MAX_PROPERTIES`] of properties; events beyond them are stored all the same.
const MAX_EVENTS: usize = 5_000;
/// How often "last seen" is written.
const LAST_SEEN_STEP: SignedDuration = SignedDuration::from_hours(1);

/// The names that Postgres has.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    projects: HashMap<ProjectId, Names>,
}

#[derive(Debug, Default)]
struct Names {
    events: HashMap<String, Timestamp>,
    event_properties: HashMap<String, Tail, RandomState>,
    person_properties: HashSet<String, RandomState>,
}

/// What is known of a name in events' tails.
#[derive(Debug, Clone, Copy)]
struct Tail {
    /// The kind of the column that the name has beside the tail.
    column: Option<ColumnKind>,
    /// What Postgres knows of it; none if it does not know.
    kinds: Option<ValueKinds>,
}

/// What is new in a batch.
#[derive(Debug, Default, PartialEq)]
struct News {
    events: HashMap<String, Timestamp>,
    event_properties: HashMap<String, NewProperty, RandomState>,
    person_properties: HashMap<String, &'static str, RandomState>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct NewProperty {
    property_type: &'static str,
    kinds: ValueKinds,
}

impl Definitions {
    /// Writes the names in these events that Postgres does not have. Before they are stored: whoever reads them reads what is
    /// said of their tails, and would overlook what is not.
    pub async fn note(
        &mut self,
        pg: &Pg,
        events: &[(&AcceptedEvent, Option<&Resolved>)],
        now: Timestamp,
    ) -> Result<(), PgError> {
        let mut by_project: HashMap<ProjectId, Vec<(&AcceptedEvent, Option<&Resolved>)>> = HashMap::new();
        for (event, resolved) in events {
            by_project.entry(event.project_id).or_default().push((event, *resolved));
        }
        for (project, events) in by_project {
            let names = match self.projects.entry(project) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => free.insert(Names::load(pg, project).await?),
            };
            let news = names.news(&events);
            if !news.events.is_empty() {
                let rows: Vec<_> = news
                    .events
                    .iter()
                    .map(|(name, at)| EventDefinition { name: name.clone(), last_seen_at: *at })
                    .collect();
                match pg.upsert_event_definitions(project, &rows).await {
                    Err(error) if blames_data(&error) => {
                        tracing::warn!(%error, "Postgres refuses the names of some events");
                    }
                    done => done?,
                }
            }
            let properties = news.rows();
            if !properties.is_empty() {
                match pg.upsert_property_definitions(project, &properties, now).await {
                    Err(error) if blames_data(&error) => {
                        tracing::warn!(%error, "Postgres refuses the names of some properties");
                        pg.forget_tail_kinds(project).await?;
                        self.projects.remove(&project);
                        continue;
                    }
                    done => done?,
                }
            }
            names.learn(news);
        }
        Ok(())
    }
}

impl Names {
    async fn load(pg: &Pg, project: ProjectId) -> Result<Self, PgError> {
        let events = pg.list_event_definitions(project).await?;
        let event_properties = pg.list_property_definitions(project, PropertyKind::Event).await?;
        let person_properties = pg.list_property_definitions(project, PropertyKind::Person).await?;
        Ok(Self {
            events: events.into_iter().map(|e| (e.name, e.last_seen_at)).collect(),
            event_properties: event_properties
                .into_iter()
                .map(|seen| {
                    let tail = Tail::new(&seen.name, seen.tail_kinds);
                    (seen.name, tail)
                })
                .collect(),
            person_properties: person_properties.into_iter().map(|seen| seen.name).collect(),
        })
    }

    fn news(&self, events: &[(&AcceptedEvent, Option<&Resolved>)]) -> News {
        let mut news = News::default();
        // Events of one person share one map, as long as nothing changes.
        let mut met: HashSet<_, RandomState> = HashSet::default();
        for (event, resolved) in events {
            self.meet_event(&event.event, event.timestamp, &mut news);
            for (name, value) in event.properties.iter() {
                self.meet_event_property(name, value, &mut news);
            }
            if let Some(Resolved::Person { properties: Some(properties), .. }) = resolved
                && met.insert(Arc::as_ptr(properties))
            {
                for (name, value) in properties.iter() {
                    self.meet_person_property(name, value, &mut news);
                }
            }
        }
        news
    }

    fn meet_event(&self, name: &str, at: Timestamp, news: &mut News) {
        let is_news = match self.events.get(name) {
            Some(seen) => at.duration_since(*seen) >= LAST_SEEN_STEP,
            None => self.events.len() + news.events.len() < MAX_EVENTS && !name.contains('\0'),
        };
        if let Some(seen) = news.events.get_mut(name) {
            *seen = at.max(*seen);
        } else if is_news {
            news.events.insert(name.to_owned(), at);
        }
    }

    fn meet_event_property(&self, name: &str, value: &Value, news: &mut News) {
        let known = self.event_properties.get(name);
        let kinds = match known {
            Some(Tail { kinds: None, .. }) => return,
            Some(Tail { column, .. }) => kinds_in_tail(*column, value),
            None => kinds_in_tail(find(name).map(|column| column.kind), value),
        };
        if known.and_then(|tail| tail.kinds).is_some_and(|known| kinds.are_among(known)) {
            return;
        }
        if let Some(new) = news.event_properties.get_mut(name) {
            new.kinds = new.kinds.with(kinds);
        } else if let Some(property_type) = property_type(value)
            && (known.is_some() || self.has_place(name, news))
        {
            news.event_properties.insert(name.to_owned(), NewProperty { property_type, kinds });
        }
    }

    fn meet_person_property(&self, name: &str, value: &Value, news: &mut News) {
        if !self.person_properties.contains(name)
            && !news.person_properties.contains_key(name)
            && let Some(property_type) = property_type(value)
            && self.has_place(name, news)
        {
            news.person_properties.insert(name.to_owned(), property_type);
        }
    }

    fn has_place(&self, name: &str, news: &News) -> bool {
        let known = self.event_properties.len() + self.person_properties.len();
        known + news.event_properties.len() + news.person_properties.len() < MAX_PROPERTIES && is_kept_name(name)
    }

    fn learn(&mut self, news: News) {
        self.events.extend(news.events);
        self.person_properties.extend(news.person_properties.into_keys());
        for (name, new) in news.event_properties {
            let tail = Tail::new(&name, Some(new.kinds));
            let tail = self.event_properties.entry(name).or_insert(tail);
            tail.kinds = tail.kinds.map(|known| known.with(new.kinds));
        }
    }
}

impl News {
    fn rows(&self) -> Vec<PropertyDefinition> {
        let of_events = self.event_properties.iter().map(|(name, new)| PropertyDefinition {
            kind: PropertyKind::Event,
            name: name.clone(),
            property_type: new.property_type,
            tail_kinds: Some(new.kinds),
        });
        let of_people = self.person_properties.iter().map(|(name, property_type)| PropertyDefinition {
            kind: PropertyKind::Person,
            name: name.clone(),
            property_type,
            tail_kinds: None,
        });
        of_events.chain(of_people).collect()
    }
}

impl Tail {
    fn new(name: &str, kinds: Option<ValueKinds>) -> Self {
        Self { column: find(name).map(|column| column.kind), kinds }
    }
}

/// What kind of values a property holds, by its first one; `None` while only null was seen.
fn property_type(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("Boolean"),
        Value::Number(_) => Some("Numeric"),
        Value::String(text) if is_date_time(text) => Some("DateTime"),
        Value::String(_) => Some("String"),
        Value::Array(_) | Value::Object(_) => Some("Object"),
    }
}

fn is_date_time(text: &str) -> bool {
    (19..=40).contains(&text.len()) && text.as_bytes()[4] == b'-' && text.parse::<Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_come_from_values() {
        let cases = [
            (json!(1), Some("Numeric")),
            (json!("2026-11-01T12:00:00Z"), Some("DateTime")),
            (json!("2026-11-01 plus more text"), Some("String")),
            (json!([1]), Some("Object")),
            (json!(false), Some("Boolean")),
            (json!(null), None),
        ];
        for (value, expected) in cases {
            assert_eq!(property_type(&value), expected, "{value}");
        }
    }

    #[test]
    fn what_tails_hold_is_news_until_it_is_known() {
        let mut names = Names::default();
        let meet = |names: &Names, name: &str, value: Value| {
            let mut news = News::default();
            names.meet_event_property(name, &value, &mut news);
            names.meet_event_property(name, &value, &mut news);
            news
        };
        let kinds = |news: &News, name: &str| news.event_properties.get(name).map(|new| new.kinds);
        // A key with a column of its own is in no tail while its values fit.
        for (name, value, expected) in [
            ("$browser", json!("Firefox"), Some(ValueKinds::NONE)),
            ("$browser", json!("Safari"), None),
            ("$browser", json!(7), Some(ValueKinds::WHOLE)),
            ("$browser", json!("Safari"), None),
            ("plan", json!("pro"), Some(ValueKinds::TEXT)),
            ("plan", json!(["pro"]), Some(ValueKinds::LIST)),
            ("plan", json!(null), None),
        ] {
            let news = meet(&names, name, value.clone());
            assert_eq!(kinds(&news, name), expected, "{name} {value}");
            names.learn(news);
        }
        let both = ValueKinds::TEXT.with(ValueKinds::LIST);
        assert!(both.are_among(names.event_properties["plan"].kinds.expect("known")));

        // Of what is not known, nothing becomes known.
        names.event_properties.insert("old".to_owned(), Tail::new("old", None));
        assert_eq!(meet(&names, "old", json!(1)), News::default());
    }

    #[test]
    fn a_known_event_is_news_again_after_an_hour_and_names_are_bounded() {
        let at: Timestamp = "2026-11-01T12:00:00Z".parse().expect("a time");
        let later = |minutes| at + SignedDuration::from_mins(minutes);
        let mut names = Names::default();
        names.events.insert("e".to_owned(), at);
        let mut news = News::default();
        names.meet_event("e", later(59), &mut news);
        assert_eq!(news, News::default());
        names.meet_event("e", later(61), &mut news);
        names.meet_event("e", later(70), &mut news);
        assert_eq!(news.events["e"], later(70));
        names.events.extend((0..MAX_EVENTS).map(|n| (format!("e{n}"), at)));
        names.meet_event("one more", at, &mut news);
        assert!(!news.events.contains_key("one more"));
    }
}
