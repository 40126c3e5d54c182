//! The rules of identity, on the persons that a batch may touch. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::groups::Groups;
use super::legal::may_merge;
use super::person_properties::{Operations, Own, merged};
use super::subject::{Dropped, Resolved, Subject, Warning};
use crate::model::{PersonId, ProjectId};
use crate::storage::pg::{
    IdentityAnswer, IdentityChanges, MergeCause, MergedPerson, NewDistinctId, NewMerge, PersonState,
};

/// The namespace of person uuids: the one the SDKs' world uses, so that uuids are the same here.
const PERSON_NAMESPACE: Uuid = Uuid::from_u128(0x9329_79b4_65c3_4424_8467_0b66_ec27_bc22);

/// How much later an event must be for its person's "last seen" alone to be worth a write.
const LAST_SEEN_STEP: SignedDuration = SignedDuration::from_hours(1);

/// An event that wants no profile, of somebody who had one for so long, carries what is known of them.
const UPGRADE_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// The uuid of the person that is made for a distinct id.
pub(super) fn person_uuid(project: ProjectId, distinct_id: &str) -> Uuid {
    Uuid::new_v5(&PERSON_NAMESPACE, format!("{project}:{distinct_id}").as_bytes())
}

/// A person by its place in [`World::persons`]; follow [`World::living`] before use.
type Slot = usize;

/// Of a distinct id: whose it is, and the number of its events.
type Holding = (Slot, PersonId);

#[derive(Debug)]
struct Person {
    project_id: ProjectId,
    id: PersonId,
    /// Whether Postgres has it.
    is_stored: bool,
    uuid: Uuid,
    properties: Arc<Map<String, Value>>,
    is_identified: bool,
    own_created_at: Timestamp,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    version: i64,
    /// Properties that it has from those merged into it.
    inherited: Map<String, Value>,
    is_changed: bool,
    merged_into: Option<Slot>,
}

impl Person {
    fn stored(project_id: ProjectId, state: PersonState) -> Self {
        Self {
            project_id,
            id: state.id,
            is_stored: true,
            uuid: state.uuid,
            properties: state.properties,
            is_identified: state.is_identified,
            own_created_at: state.own_created_at,
            created_at: state.created_at,
            last_seen_at: state.last_seen_at,
            version: state.version,
            inherited: state.inherited,
            is_changed: false,
            merged_into: None,
        }
    }
}

/// Why two ids shall be one person.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub at: Timestamp,
    pub cause: MergeCause,
    /// Also if the other is identified.
    pub is_dangerous: bool,
}

/// The persons that a batch may touch, and what it does to them.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Known projects, and whether they ever had an event without a profile.
    projects: HashMap<ProjectId, bool>,
    persons: Vec<Person>,
    by_distinct_id: HashMap<(ProjectId, String), Holding>,
    /// Distinct ids that `$identify` named, and whether Postgres knows it.
    identified: HashMap<(ProjectId, String), bool>,
    /// Numbers for the persons that may be made.
    spare: HashMap<(ProjectId, String), PersonId>,
    /// Events whose merge was decided before.
    decided: HashSet<(ProjectId, Uuid)>,
    groups: Groups,
    first_personless: Vec<ProjectId>,
    new_distinct_ids: Vec<(ProjectId, String)>,
    /// Numbers that lead to a person now.
    overridden: Vec<(ProjectId, PersonId, Slot)>,
    merges: Vec<NewMerge>,
    merged_persons: Vec<(ProjectId, MergedPerson)>,
    pub warnings: Vec<Warning>,
}

impl World {
    /// The world as Postgres has it. The answer must hold all distinct ids that will be asked for.
    pub fn new(answer: IdentityAnswer) -> Self {
        let mut world = Self {
            projects: answer.projects.iter().map(|p| (p.id, p.has_personless_events)).collect(),
            decided: answer.decided.into_iter().collect(),
            groups: Groups::new(answer.group_types),
            ..Self::default()
        };
        let mut slots: HashMap<PersonId, Slot> = HashMap::new();
        for (slot, (project, state)) in answer.persons.into_iter().enumerate() {
            slots.insert(state.id, slot);
            world.persons.push(Person::stored(project, state));
        }
        for known in answer.ids {
            let key = (known.project_id, known.distinct_id);
            if known.is_identified {
                world.identified.insert(key.clone(), true);
            }
            match known.person.and_then(|person| slots.get(&person)) {
                Some(slot) => drop(world.by_distinct_id.insert(key, (*slot, known.number))),
                None => drop(world.spare.insert(key, known.number)),
            }
        }
        world
    }

    /// Lets an event happen, and says whose it is.
    pub fn happen(&mut self, subject: &Subject<'_>) -> Resolved {
        let Some(has_personless) = self.projects.get(&subject.project_id).copied() else {
            return Resolved::Dropped(Dropped::UnknownProject);
        };
        if subject.is_personless() {
            return self.happen_personless(subject, has_personless);
        }
        if !matches!(subject.properties.get("$process_person_profile"), None | Some(Value::Bool(_))) {
            self.warnings.push(Warning::InvalidPersonProfileValue);
        }
        if subject.event == "$groupidentify" {
            self.groups.identify(subject, &mut self.warnings);
        }
        let groups = self.groups.of(subject, &mut self.warnings);
        let joined = subject.other_id().is_some_and(|other| self.join_as_asked(subject, &other));
        let ((slot, number), is_new) = self.find_or_create(subject.project_id, subject.distinct_id, subject.timestamp);
        let person = &mut self.persons[slot];
        if (joined || subject.event == "$identify") && !person.is_identified {
            person.is_identified = true;
            person.is_changed = true;
        }
        if subject.event == "$identify" {
            let key = (subject.project_id, subject.distinct_id.to_owned());
            self.identified.entry(key).or_insert(false);
        }
        if Operations::of(subject.event, subject.properties).apply(&mut person.properties, is_new) {
            person.is_changed = true;
        }
        if subject.timestamp > person.last_seen_at.saturating_add(LAST_SEEN_STEP).unwrap_or(Timestamp::MAX) {
            person.is_changed = true;
        }
        person.last_seen_at = person.last_seen_at.max(subject.timestamp);
        Resolved::Person { id: number, properties: Some(Arc::clone(&person.properties)), groups }
    }

    fn happen_personless(&mut self, subject: &Subject<'_>, has_personless: bool) -> Resolved {
        if matches!(subject.event, "$identify" | "$create_alias" | "$merge_dangerously") {
            return Resolved::Dropped(Dropped::IdentityWithoutProfile);
        }
        // What it says of a group needs no person.
        if subject.event == "$groupidentify" {
            self.groups.identify(subject, &mut self.warnings);
        }
        let groups = self.groups.of(subject, &mut self.warnings);
        if let Some((slot, id)) = self.find(subject.project_id, subject.distinct_id) {
            let person = &self.persons[slot];
            let since = person.created_at.saturating_add(UPGRADE_AFTER).unwrap_or(Timestamp::MAX);
            let properties = (subject.timestamp > since).then(|| Arc::clone(&person.properties));
            return Resolved::Person { id, properties, groups };
        }
        if !has_personless {
            self.projects.insert(subject.project_id, true);
            self.first_personless.push(subject.project_id);
        }
        let id = PersonId::without_profile(subject.project_id, subject.distinct_id);
        Resolved::Person { id, properties: None, groups }
    }

    fn join_as_asked(&mut self, subject: &Subject<'_>, other_id: &str) -> bool {
        if other_id == subject.distinct_id {
            return false;
        }
        if !may_merge(other_id) || !may_merge(subject.distinct_id) {
            self.warnings.push(Warning::IllegalDistinctId);
            return false;
        }
        if self.decided.contains(&(subject.project_id, subject.uuid)) {
            // Done before a crash, and it stands or was undone since: in no case is it done again.
            return self.are_one(subject.project_id, subject.distinct_id, other_id);
        }
        let wish = Wish {
            at: subject.timestamp,
            cause: MergeCause::Event { name: subject.event.to_owned(), uuid: subject.uuid },
            is_dangerous: subject.event == "$merge_dangerously",
        };
        let joined = self.join(subject.project_id, subject.distinct_id, other_id, wish);
        if !joined {
            self.warnings.push(Warning::AlreadyIdentified);
        }
        joined
    }

    /// Makes one person of two ids, of which at least the target may be made a person; `false` if the other is identified.
    pub fn join(&mut self, project: ProjectId, target_id: &str, other_id: &str, wish: Wish) -> bool {
        let (target, other) = (self.find(project, target_id), self.find(project, other_id));
        let mut other_person = None;
        match (target, other) {
            (None, None) => {
                let ((slot, _), _) = self.find_or_create(project, target_id, wish.at);
                self.give(project, other_id, slot);
            }
            (Some((target, _)), None) => self.give(project, other_id, target),
            (None, Some((other, _))) => self.give(project, target_id, other),
            (Some((target, _)), Some((other, _))) if target == other => return true,
            (Some(_), Some((other, _))) if self.persons[other].is_identified && !wish.is_dangerous => return false,
            (Some((target, _)), Some((other, _))) => {
                other_person = Some(self.persons[other].id);
                self.merge(other, target);
            }
        }
        let number = |id| self.find(project, id).expect("it was just given to somebody").1;
        self.merges.push(NewMerge {
            project_id: project,
            at: wish.at,
            cause: wish.cause,
            other_number: number(other_id),
            target_number: number(target_id),
            other_distinct_id: other_id.to_owned(),
            target_distinct_id: target_id.to_owned(),
            other_person,
        });
        true
    }

    /// Marks a person as identified, as a merge by hand does.
    pub fn identify(&mut self, project: ProjectId, distinct_id: &str) {
        if let Some((slot, _)) = self.find(project, distinct_id) {
            let person = &mut self.persons[slot];
            person.is_changed |= !person.is_identified;
            person.is_identified = true;
        }
    }

    fn merge(&mut self, other: Slot, target: Slot) {
        self.persons[other].merged_into = Some(target);
        let from = &self.persons[other];
        let (project_id, created_at, last_seen_at) = (from.project_id, from.created_at, from.last_seen_at);
        let (id, version, properties) = (from.id, from.version, Arc::clone(&from.properties));
        let own = Own::of(&properties, &from.inherited);
        let kept = MergedPerson {
            id,
            uuid: from.uuid,
            properties: own.properties,
            removed: own.removed,
            own_created_at: from.own_created_at,
            last_seen_at,
        };
        self.merged_persons.push((project_id, kept));
        let into = &mut self.persons[target];
        let news = properties.iter().filter(|(key, _)| !into.properties.contains_key(*key));
        into.inherited.extend(news.map(|(key, value)| (key.clone(), value.clone())));
        into.properties = Arc::new(merged(&properties, &into.properties));
        into.created_at = into.created_at.min(created_at);
        into.last_seen_at = into.last_seen_at.max(last_seen_at);
        into.version = into.version.max(version);
        into.is_changed = true;
        self.overridden.push((project_id, id, target));
    }

    fn find(&self, project: ProjectId, distinct_id: &str) -> Option<Holding> {
        // The key's text is copied for the look-up: ids are short, and HashMap has no pair of borrowed halves.
        let (slot, number) = self.by_distinct_id.get(&(project, distinct_id.to_owned()))?;
        Some((self.living(*slot), *number))
    }

    /// Whether two ids are of one person.
    pub fn are_one(&self, project: ProjectId, one: &str, other: &str) -> bool {
        let slot = |id| self.find(project, id).map(|(slot, _)| slot);
        slot(one).is_some() && slot(one) == slot(other)
    }

    fn find_or_create(&mut self, project_id: ProjectId, distinct_id: &str, at: Timestamp) -> (Holding, bool) {
        if let Some(found) = self.find(project_id, distinct_id) {
            return (found, false);
        }
        let key = (project_id, distinct_id.to_owned());
        let id = *self.spare.get(&key).expect("a number was asked for with every id that may get a person");
        let slot = self.persons.len();
        self.persons.push(Person {
            project_id,
            id,
            is_stored: false,
            uuid: person_uuid(project_id, distinct_id),
            properties: Arc::default(),
            is_identified: false,
            own_created_at: at,
            created_at: at,
            last_seen_at: at,
            version: 0,
            inherited: Map::new(),
            is_changed: false,
            merged_into: None,
        });
        // Earlier events of the id may be stored under its hash.
        if self.projects.get(&project_id) == Some(&true) {
            self.overridden.push((project_id, PersonId::without_profile(project_id, distinct_id), slot));
        }
        self.by_distinct_id.insert(key.clone(), (slot, id));
        self.new_distinct_ids.push(key);
        ((slot, id), true)
    }

    /// Gives an id of nobody to a person. Its events keep a number of their own, so that it can be taken away again.
    fn give(&mut self, project: ProjectId, distinct_id: &str, slot: Slot) {
        let number = PersonId::without_profile(project, distinct_id);
        self.by_distinct_id.insert((project, distinct_id.to_owned()), (slot, number));
        self.new_distinct_ids.push((project, distinct_id.to_owned()));
        self.overridden.push((project, number, slot));
    }

    /// Who a person has become.
    fn living(&self, mut slot: Slot) -> Slot {
        while let Some(into) = self.persons[slot].merged_into {
            slot = into;
        }
        slot
    }

    /// What Postgres must be told.
    pub fn changes(self) -> IdentityChanges {
        let living_id = |slot: Slot| self.persons[self.living(slot)].id;
        let mut changes = IdentityChanges {
            overrides: self.overridden.iter().map(|(p, from, slot)| (*p, *from, living_id(*slot))).collect(),
            groups: self.groups.changes(),
            ..IdentityChanges::default()
        };
        let new: HashSet<&(ProjectId, String)> = self.new_distinct_ids.iter().collect();
        for key in &self.new_distinct_ids {
            let (slot, number) = self.by_distinct_id[key];
            changes.distinct_ids.push(NewDistinctId {
                project_id: key.0,
                distinct_id: key.1.clone(),
                person: living_id(slot),
                number,
                is_identified: self.identified.contains_key(key),
            });
        }
        let news = self.identified.iter().filter(|(key, is_known)| !**is_known && !new.contains(key));
        changes.identified = news.map(|(key, _)| key.clone()).collect();
        for (slot, person) in self.persons.iter().enumerate() {
            let state = |version| PersonState {
                id: person.id,
                uuid: person.uuid,
                properties: Arc::clone(&person.properties),
                is_identified: person.is_identified,
                own_created_at: person.own_created_at,
                created_at: person.created_at,
                last_seen_at: person.last_seen_at,
                version,
                inherited: person.inherited.clone(),
            };
            match (person.is_stored, person.merged_into) {
                (true, Some(_)) => changes.absorbed.push((person.project_id, person.id, living_id(slot))),
                (true, None) if person.is_changed => changes.changed.push(state(person.version + 1)),
                (false, None) => changes.created.push((person.project_id, state(0))),
                (true, None) | (false, Some(_)) => {}
            }
        }
        changes.first_personless = self.first_personless;
        changes.merges = self.merges;
        changes.merged_persons = self.merged_persons;
        changes.group_types = self.groups.new_types;
        changes
    }
}
