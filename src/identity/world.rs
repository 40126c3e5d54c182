//! The rules of identity on a piece of the world in memory: the persons of a batch's distinct ids. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::legal::may_merge;
use super::person_properties::{Operations, merged};
use crate::model::{PersonId, ProjectId};
use crate::storage::pg::{ChangedPerson, IdentityChanges, KnownProject, NewPerson, PersonRef, PersonState};

/// The namespace of person uuids: the one the SDKs' world uses, so that uuids are the same here.
const PERSON_NAMESPACE: Uuid = Uuid::from_u128(0x9329_79b4_65c3_4424_8467_0b66_ec27_bc22);

/// How much later an event must be for its person's "last seen" alone to be worth a write.
const LAST_SEEN_STEP: SignedDuration = SignedDuration::from_hours(1);

/// What identity needs to know of an event.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub project_id: ProjectId,
    pub event: &'a str,
    pub distinct_id: &'a str,
    pub timestamp: Timestamp,
    pub properties: &'a Map<String, Value>,
}

/// Whose an event is.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// Somebody's. `properties` as they were after the event; `None` without a profile.
    Person { id: PersonId, properties: Option<Arc<Map<String, Value>>> },
    /// The event must not be stored.
    Dropped(Dropped),
}

/// Why an event is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// The project was deleted.
    UnknownProject,
    /// It wants to change who somebody is and forbids it in the same breath.
    IdentityWithoutProfile,
}

impl Dropped {
    /// The stable name: in the quarantine and as a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownProject => "unknown_project",
            Self::IdentityWithoutProfile => "invalid_event_when_process_person_profile_is_false",
        }
    }
}

/// Something an event asked for and did not get; it is stored all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Warning {
    IllegalDistinctId,
    AlreadyIdentified,
    InvalidPersonProfileValue,
}

impl Warning {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IllegalDistinctId => "cannot_merge_with_illegal_distinct_id",
            Self::AlreadyIdentified => "cannot_merge_already_identified",
            Self::InvalidPersonProfileValue => "invalid_process_person_profile",
        }
    }
}

impl<'a> Subject<'a> {
    /// The id that the event joins to its own, if it is of that kind.
    fn other_id(&self) -> Option<String> {
        let key = match self.event {
            "$identify" => "$anon_distinct_id",
            "$create_alias" | "$merge_dangerously" => "alias",
            _ => return None,
        };
        // As capture makes a distinct id of what it is given.
        let id = match self.properties.get(key)? {
            Value::Null => return None,
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        Some(id.chars().take(200).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect())
    }

    /// All distinct ids whose persons the event may touch.
    pub(super) fn distinct_ids(&self) -> impl Iterator<Item = String> + use<'a> {
        std::iter::once(self.distinct_id.to_owned()).chain(self.other_id())
    }

    fn is_personless(&self) -> bool {
        self.properties.get("$process_person_profile") == Some(&Value::Bool(false))
    }
}

/// A person by its place in [`World::persons`]; follow [`World::living`] before use.
type Slot = usize;

#[derive(Debug)]
struct Person {
    project_id: ProjectId,
    /// `None` until Postgres gave out a number.
    id: Option<PersonId>,
    uuid: Uuid,
    properties: Arc<Map<String, Value>>,
    is_identified: bool,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    version: i64,
    is_changed: bool,
    merged_into: Option<Slot>,
}

/// Whose an event is, before created persons have numbers.
#[derive(Debug)]
enum Answer {
    Slot(Slot, Arc<Map<String, Value>>),
    Hash(PersonId),
    Dropped(Dropped),
}

/// The persons that a batch may touch, and what it does to them.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Known projects, and whether they ever had an event without a profile.
    projects: HashMap<ProjectId, bool>,
    persons: Vec<Person>,
    by_distinct_id: HashMap<(ProjectId, String), Slot>,
    answers: Vec<Answer>,
    first_personless: Vec<ProjectId>,
    new_distinct_ids: Vec<(ProjectId, String, Slot)>,
    claimed: Vec<(ProjectId, PersonId, Slot)>,
    pub warnings: Vec<Warning>,
}

impl World {
    /// The world as Postgres has it. `persons` must hold all persons of all distinct ids that will be asked for.
    pub fn new(projects: &[KnownProject], persons: Vec<(ProjectId, String, PersonState)>) -> Self {
        let mut world =
            Self { projects: projects.iter().map(|p| (p.id, p.has_personless_events)).collect(), ..Self::default() };
        let mut slots: HashMap<PersonId, Slot> = HashMap::new();
        for (project_id, distinct_id, state) in persons {
            let slot = *slots.entry(state.id).or_insert_with(|| {
                world.persons.push(Person {
                    project_id,
                    id: Some(state.id),
                    uuid: state.uuid,
                    properties: Arc::new(state.properties),
                    is_identified: state.is_identified,
                    created_at: state.created_at,
                    last_seen_at: state.last_seen_at,
                    version: state.version,
                    is_changed: false,
                    merged_into: None,
                });
                world.persons.len() - 1
            });
            world.by_distinct_id.insert((project_id, distinct_id), slot);
        }
        world
    }

    /// Lets an event happen.
    pub fn happen(&mut self, subject: &Subject<'_>) {
        let answer = self.answer(subject);
        self.answers.push(answer);
    }

    fn answer(&mut self, subject: &Subject<'_>) -> Answer {
        let Some(has_personless) = self.projects.get(&subject.project_id).copied() else {
            return Answer::Dropped(Dropped::UnknownProject);
        };
        if subject.is_personless() {
            return self.answer_personless(subject, has_personless);
        }
        if !matches!(subject.properties.get("$process_person_profile"), None | Some(Value::Bool(_))) {
            self.warnings.push(Warning::InvalidPersonProfileValue);
        }
        let joined = subject.other_id().is_some_and(|other| self.join(subject, &other));
        let (slot, is_new) = self.find_or_create(subject, subject.distinct_id);
        let person = &mut self.persons[slot];
        if (joined || subject.event == "$identify") && !person.is_identified {
            person.is_identified = true;
            person.is_changed = true;
        }
        if Operations::of(subject.event, subject.properties).apply(&mut person.properties, is_new) {
            person.is_changed = true;
        }
        if subject.timestamp > person.last_seen_at.saturating_add(LAST_SEEN_STEP).unwrap_or(Timestamp::MAX) {
            person.is_changed = true;
        }
        person.last_seen_at = person.last_seen_at.max(subject.timestamp);
        Answer::Slot(slot, Arc::clone(&person.properties))
    }

    fn answer_personless(&mut self, subject: &Subject<'_>, has_personless: bool) -> Answer {
        if matches!(subject.event, "$identify" | "$create_alias" | "$merge_dangerously" | "$groupidentify") {
            return Answer::Dropped(Dropped::IdentityWithoutProfile);
        }
        if let Some(slot) = self.find(subject.project_id, subject.distinct_id) {
            return Answer::Slot(slot, Arc::clone(&self.persons[slot].properties));
        }
        if !has_personless {
            self.projects.insert(subject.project_id, true);
            self.first_personless.push(subject.project_id);
        }
        Answer::Hash(PersonId::without_profile(subject.project_id, subject.distinct_id))
    }

    /// Makes one person of the event's distinct id and another id; `false` if that may not be.
    fn join(&mut self, subject: &Subject<'_>, other_id: &str) -> bool {
        let (project, target_id) = (subject.project_id, subject.distinct_id);
        if other_id == target_id {
            return false;
        }
        if !may_merge(other_id) || !may_merge(target_id) {
            self.warnings.push(Warning::IllegalDistinctId);
            return false;
        }
        match (self.find(project, target_id), self.find(project, other_id)) {
            (None, None) => {
                let (slot, _) = self.find_or_create(subject, target_id);
                self.give(project, other_id, slot);
            }
            (Some(target), None) => self.give(project, other_id, target),
            (None, Some(other)) => self.give(project, target_id, other),
            (Some(target), Some(other)) if target == other => {}
            (Some(_), Some(other)) if self.persons[other].is_identified && subject.event != "$merge_dangerously" => {
                self.warnings.push(Warning::AlreadyIdentified);
                return false;
            }
            (Some(target), Some(other)) => self.merge(other, target),
        }
        true
    }

    fn merge(&mut self, other: Slot, target: Slot) {
        self.persons[other].merged_into = Some(target);
        let from = &self.persons[other];
        let (properties, created_at) = (Arc::clone(&from.properties), from.created_at);
        let (last_seen_at, version) = (from.last_seen_at, from.version);
        let into = &mut self.persons[target];
        into.properties = Arc::new(merged(&properties, &into.properties));
        into.created_at = into.created_at.min(created_at);
        into.last_seen_at = into.last_seen_at.max(last_seen_at);
        into.version = into.version.max(version);
        into.is_changed = true;
    }

    fn find(&self, project: ProjectId, distinct_id: &str) -> Option<Slot> {
        // The key's text is copied for the look-up: ids are short, and HashMap has no pair of borrowed halves.
        self.by_distinct_id.get(&(project, distinct_id.to_owned())).map(|slot| self.living(*slot))
    }

    fn find_or_create(&mut self, subject: &Subject<'_>, distinct_id: &str) -> (Slot, bool) {
        let project_id = subject.project_id;
        if let Some(slot) = self.find(project_id, distinct_id) {
            return (slot, false);
        }
        let slot = self.persons.len();
        self.persons.push(Person {
            project_id,
            id: None,
            uuid: Uuid::new_v5(&PERSON_NAMESPACE, format!("{project_id}:{distinct_id}").as_bytes()),
            properties: Arc::default(),
            is_identified: false,
            created_at: subject.timestamp,
            last_seen_at: subject.timestamp,
            version: 0,
            is_changed: false,
            merged_into: None,
        });
        self.give(project_id, distinct_id, slot);
        (slot, true)
    }

    /// Gives an id of nobody to a person.
    fn give(&mut self, project: ProjectId, distinct_id: &str, slot: Slot) {
        self.by_distinct_id.insert((project, distinct_id.to_owned()), slot);
        self.new_distinct_ids.push((project, distinct_id.to_owned(), slot));
        if self.projects.get(&project) == Some(&true) {
            self.claimed.push((project, PersonId::without_profile(project, distinct_id), slot));
        }
    }

    /// Who a person has become.
    fn living(&self, mut slot: Slot) -> Slot {
        while let Some(into) = self.persons[slot].merged_into {
            slot = into;
        }
        slot
    }

    /// What Postgres must be told.
    pub fn changes(&self) -> IdentityChanges {
        let created: Vec<Slot> = (0..self.persons.len())
            .filter(|slot| self.persons[*slot].id.is_none() && self.persons[*slot].merged_into.is_none())
            .collect();
        let refer = |slot: Slot| {
            let slot = self.living(slot);
            match self.persons[slot].id {
                Some(id) => PersonRef::Existing(id),
                None => {
                    PersonRef::Created(created.binary_search(&slot).expect("a living person without id is created"))
                }
            }
        };
        let mut changes = IdentityChanges {
            first_personless: self.first_personless.clone(),
            distinct_ids: self.new_distinct_ids.iter().map(|(p, id, slot)| (*p, id.clone(), refer(*slot))).collect(),
            claimed: self.claimed.iter().map(|(p, hash, slot)| (*p, *hash, refer(*slot))).collect(),
            ..IdentityChanges::default()
        };
        for (slot, person) in self.persons.iter().enumerate() {
            match (person.id, person.merged_into) {
                (Some(id), Some(_)) => changes.merged.push((person.project_id, id, refer(slot))),
                (Some(id), None) if person.is_changed => changes.changed.push(ChangedPerson {
                    id,
                    properties: (*person.properties).clone(),
                    is_identified: person.is_identified,
                    created_at: person.created_at,
                    last_seen_at: person.last_seen_at,
                    version: person.version + 1,
                }),
                (None, None) => changes.created.push(NewPerson {
                    project_id: person.project_id,
                    uuid: person.uuid,
                    properties: (*person.properties).clone(),
                    is_identified: person.is_identified,
                    created_at: person.created_at,
                    last_seen_at: person.last_seen_at,
                }),
                (Some(_), None) | (None, Some(_)) => {}
            }
        }
        changes
    }

    /// Whose each event is, in the order in which they happened, once the created persons have numbers.
    pub fn resolved(self, created: &[PersonId]) -> Vec<Resolved> {
        let mut fresh = created.iter();
        let ids: Vec<Option<PersonId>> = self
            .persons
            .iter()
            .map(|person| person.id.or_else(|| if person.merged_into.is_none() { fresh.next().copied() } else { None }))
            .collect();
        let living: Vec<Slot> = (0..self.persons.len()).map(|slot| self.living(slot)).collect();
        self.answers
            .into_iter()
            .map(|answer| match answer {
                Answer::Slot(slot, properties) => {
                    let id = ids[living[slot]].expect("every living person has a number after the write");
                    Resolved::Person { id, properties: Some(properties) }
                }
                Answer::Hash(id) => Resolved::Person { id, properties: None },
                Answer::Dropped(reason) => Resolved::Dropped(reason),
            })
            .collect()
    }
}
