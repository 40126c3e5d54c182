//! Names of events and properties, for pickers. What is known is remembered, so that steady traffic writes nothing.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::identity::Resolved;
use crate::ingest::AcceptedEvent;
use crate::model::ProjectId;
use crate::storage::pg::{EventDefinition, Pg, PgError, PropertyDefinition, PropertyKind};

/// Most names kept of a project; events beyond them are stored all the same.
const MAX_EVENTS: usize = 5_000;
const MAX_PROPERTIES: usize = 10_000;
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
    event_properties: HashSet<String, RandomState>,
    person_properties: HashSet<String, RandomState>,
}

/// What is new in a batch.
#[derive(Debug, Default, PartialEq)]
struct News {
    events: HashMap<String, Timestamp>,
    properties: HashMap<(PropertyKind, String), &'static str>,
}

impl Definitions {
    /// Writes the names in these events that Postgres does not have.
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
                pg.upsert_event_definitions(project, &rows).await?;
            }
            if !news.properties.is_empty() {
                let rows: Vec<_> = news
                    .properties
                    .iter()
                    .map(|((kind, name), property_type)| PropertyDefinition {
                        kind: *kind,
                        name: name.clone(),
                        property_type,
                    })
                    .collect();
                pg.insert_property_definitions(project, &rows, now).await?;
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
            event_properties: event_properties.into_iter().map(|(name, _)| name).collect(),
            person_properties: person_properties.into_iter().map(|(name, _)| name).collect(),
        })
    }

    fn news(&self, events: &[(&AcceptedEvent, Option<&Resolved>)]) -> News {
        let mut news = News::default();
        let mut last_person = None;
        for (event, resolved) in events {
            self.meet_event(&event.event, event.timestamp, &mut news);
            for (name, value) in &event.properties {
                self.meet_property(PropertyKind::Event, name, value, &mut news);
            }
            if let Some(Resolved::Person { properties: Some(properties), .. }) = resolved {
                // Events of one person in a row share one map.
                let this = Arc::as_ptr(properties);
                if last_person != Some(this) {
                    last_person = Some(this);
                    for (name, value) in properties.iter() {
                        self.meet_property(PropertyKind::Person, name, value, &mut news);
                    }
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

    fn meet_property(&self, kind: PropertyKind, name: &str, value: &Value, news: &mut News) {
        let known = match kind {
            PropertyKind::Event => &self.event_properties,
            PropertyKind::Person => &self.person_properties,
        };
        if known.contains(name) || name.contains('\0') || name.len() > 200 {
            return;
        }
        let Some(property_type) = property_type(value) else { return };
        let count = self.event_properties.len() + self.person_properties.len() + news.properties.len();
        if count < MAX_PROPERTIES {
            news.properties.entry((kind, name.to_owned())).or_insert(property_type);
        }
    }

    fn learn(&mut self, news: News) {
        self.events.extend(news.events);
        for (kind, name) in news.properties.into_keys() {
            match kind {
                PropertyKind::Event => self.event_properties.insert(name),
                PropertyKind::Person => self.person_properties.insert(name),
            };
        }
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
