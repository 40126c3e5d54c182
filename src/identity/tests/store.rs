//! What Postgres would hold, changed as the statements change it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::identity::parting::{CannotPart, part, split};
use crate::identity::world::{Wish, World};
use crate::identity::{Part, Resolved, Subject, Warning};
use crate::model::{PersonId, ProjectId, Properties, UserId};
use crate::storage::pg::{
    GroupType, IdentityAnswer, IdentityChanges, KnownId, KnownProject, MergeCause, MergeLink, MergedPerson, NewMerge,
    Parting, PersonState, PersonTree,
};

pub const PROJECT: ProjectId = ProjectId::new(1);

#[derive(Debug, Default, Clone, PartialEq)]
pub struct Store {
    pub has_personless: bool,
    pub persons: BTreeMap<PersonId, PersonState>,
    /// Whose each id is, and its number.
    pub ids: BTreeMap<String, (PersonId, PersonId)>,
    /// Those that `$identify` named.
    pub identified: BTreeSet<String>,
    pub overrides: BTreeMap<PersonId, PersonId>,
    /// Whether each stands.
    pub merges: Vec<(NewMerge, bool)>,
    pub kept: BTreeMap<PersonId, MergedPerson>,
    pub group_types: Vec<GroupType>,
    pub groups: BTreeMap<(u8, String), Map<String, Value>>,
    /// All merges by their places; one that gets other ends goes last.
    order: Vec<i64>,
    last_id: i64,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub uuid: Uuid,
    pub name: &'static str,
    pub distinct_id: String,
    pub properties: Properties,
}

/// An event with a uuid that follows from nothing else.
pub fn event(name: &'static str, distinct_id: &str, properties: Value) -> Event {
    let properties = serde_json::from_value(properties).expect("an object");
    Event { uuid: Uuid::new_v4(), name, distinct_id: distinct_id.to_owned(), properties }
}

pub fn personless(name: &'static str, id: &str) -> Event {
    event(name, id, json!({ "$process_person_profile": false, "$browser": "Firefox" }))
}

pub fn identify(anonymous: &str, id: &str) -> Event {
    event("$identify", id, json!({ "$anon_distinct_id": anonymous, "$set": { "email": format!("{id}@example.com") } }))
}

pub fn alias(target: &str, other: &str) -> Event {
    event("$create_alias", target, json!({ "alias": other }))
}

pub fn dangerous(target: &str, other: &str) -> Event {
    event("$merge_dangerously", target, json!({ "alias": other }))
}

pub fn start() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().expect("a time")
}

pub fn minute(minute: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minute)
}

fn somebody() -> UserId {
    UserId::new(Uuid::nil())
}

impl Store {
    /// Lets a batch happen that starts at this minute.
    pub fn batch(&mut self, from: i64, events: &[Event]) -> (Vec<Resolved>, Vec<Warning>) {
        let subjects: Vec<_> = events
            .iter()
            .enumerate()
            .map(|(at, event)| Subject {
                project_id: PROJECT,
                uuid: event.uuid,
                event: event.name,
                distinct_id: &event.distinct_id,
                timestamp: minute(from + at as i64),
                properties: &event.properties,
            })
            .collect();
        let mut wanted: BTreeMap<String, bool> = BTreeMap::new();
        for (id, may_be_created) in subjects.iter().flat_map(Subject::distinct_ids) {
            *wanted.entry(id).or_default() |= may_be_created;
        }
        let mut world = World::new(self.answer(wanted));
        let resolved = subjects.iter().map(|subject| world.happen(subject)).collect();
        let warnings = std::mem::take(&mut world.warnings);
        self.write(world.changes());
        (resolved, warnings)
    }

    /// Lets one event happen, and gives the number it is stored under.
    pub fn one(&mut self, at: i64, event: &Event) -> PersonId {
        number(&self.batch(at, std::slice::from_ref(event)).0[0])
    }

    pub fn merge_by_hand(&mut self, at: i64, target: &str, other: &str) {
        let wanted = [(target.to_owned(), false), (other.to_owned(), false)];
        let mut world = World::new(self.answer(wanted.into()));
        let wish = Wish { at: minute(at), cause: MergeCause::Hand(somebody()), is_dangerous: true };
        assert!(world.join(PROJECT, target, other, wish));
        world.identify(PROJECT, target);
        self.write(world.changes());
    }

    fn answer(&mut self, wanted: BTreeMap<String, bool>) -> IdentityAnswer {
        let (mut ids, mut persons) = (Vec::new(), BTreeMap::new());
        for (distinct_id, may_be_created) in wanted {
            let (number, person) = match self.ids.get(&distinct_id).copied() {
                Some((person, number)) => {
                    persons.insert(person, (PROJECT, self.persons[&person].clone()));
                    (number, Some(person))
                }
                None if may_be_created => (self.next_id(), None),
                None => continue,
            };
            let is_identified = self.identified.contains(&distinct_id);
            ids.push(KnownId { project_id: PROJECT, distinct_id, number, is_identified, person });
        }
        let decided = self.merges.iter().filter_map(|(merge, _)| merge.cause.event());
        IdentityAnswer {
            projects: vec![KnownProject { id: PROJECT, has_personless_events: self.has_personless }],
            persons: persons.into_values().collect(),
            ids,
            decided: decided.map(|(_, uuid)| (PROJECT, uuid)).collect(),
            group_types: self.group_types.clone(),
        }
    }

    fn next_id(&mut self) -> PersonId {
        self.last_id += 1;
        PersonId::from_row(self.last_id)
    }

    fn write(&mut self, changes: IdentityChanges) {
        self.has_personless |= !changes.first_personless.is_empty();
        for (_, person) in changes.created {
            assert!(self.persons.values().all(|p| p.uuid != person.uuid), "a uuid is there twice");
            assert!(self.persons.insert(person.id, person).is_none(), "a number was given out twice");
        }
        for person in changes.changed {
            self.persons.insert(person.id, person).expect("a changed person exists");
        }
        let mut touched = BTreeSet::new();
        for (_, id, into) in changes.absorbed {
            self.ids.values_mut().filter(|(person, _)| *person == id).for_each(|held| held.0 = into);
            for (from, to) in self.overrides.iter_mut().filter(|(from, to)| **to == id && from != to) {
                touched.insert(*from);
                *to = into;
            }
            self.persons.remove(&id).expect("a merged person existed");
        }
        for (_, id) in changes.identified {
            assert!(self.ids.contains_key(&id), "a known distinct id is not known");
            assert!(self.identified.insert(id), "it was identified before");
        }
        for new in changes.distinct_ids {
            if new.is_identified {
                self.identified.insert(new.distinct_id.clone());
            }
            let was = self.ids.insert(new.distinct_id, (new.person, new.number));
            assert!(was.is_none(), "a new distinct id was known");
        }
        for (_, from, into) in changes.overrides {
            assert!(touched.insert(from), "one statement would touch an override twice");
            self.overrides.insert(from, into);
        }
        for merge in changes.merges {
            let event = merge.cause.event();
            assert!(event.is_none() || self.merges.iter().all(|(m, _)| m.cause.event() != event), "it decided twice");
            self.order.push(self.merges.len() as i64);
            self.merges.push((merge, true));
        }
        for (_, person) in changes.merged_persons {
            assert!(self.kept.insert(person.id, person).is_none(), "a profile was kept twice");
        }
        self.group_types.extend(changes.group_types.into_iter().map(|(group_type, _)| group_type));
        for group in changes.groups {
            self.groups.entry((group.type_index, group.key)).or_default().extend(group.properties);
        }
        self.check();
    }

    fn tree(&self, number: PersonId) -> Option<PersonTree> {
        let root = self.persons.get(self.overrides.get(&number).unwrap_or(&number))?.clone();
        let leads = self.overrides.iter().filter(|(_, into)| **into == root.id).map(|(from, _)| *from);
        let numbers: BTreeSet<PersonId> = leads.chain([root.id]).collect();
        let link = |(at, (merge, stands)): (usize, &(NewMerge, bool))| {
            let link = MergeLink { id: at as i64, other: merge.other_number, target: merge.target_number };
            (*stands && numbers.contains(&merge.other_number)).then_some(link)
        };
        let mut links: Vec<MergeLink> = self.merges.iter().enumerate().filter_map(link).collect();
        links.sort_by_key(|link| self.order.iter().position(|id| *id == link.id));
        Some(PersonTree {
            ids: self.ids.iter().filter(|(_, (p, _))| *p == root.id).map(|(id, (_, n))| (id.clone(), *n)).collect(),
            links,
            persons: self.kept.values().filter(|person| numbers.contains(&person.id)).cloned().collect(),
            identified: self.identified.iter().map(|id| self.ids[id].1).filter(|n| numbers.contains(n)).collect(),
            numbers,
            root,
        })
    }

    pub fn plan(&self, what: Part<'_>) -> Result<Parting, CannotPart> {
        match what {
            Part::Merge(merge) => {
                let (merge_made, stands) = &self.merges[merge as usize];
                let tree = stands.then(|| self.tree(merge_made.other_number)).ok_or(CannotPart::UndoneBefore)?;
                part(PROJECT, &tree.ok_or(CannotPart::PersonGone)?, merge)
            }
            Part::DistinctId(id) => {
                let (_, number) = self.ids.get(id).ok_or(CannotPart::NotTheirs)?;
                split(PROJECT, &self.tree(*number).ok_or(CannotPart::PersonGone)?, id)
            }
        }
    }

    pub fn part(&mut self, what: Part<'_>) -> Result<(), CannotPart> {
        let parting = self.plan(what)?;
        self.persons.insert(parting.survivor.id, parting.survivor.clone()).expect("the survivor exists");
        self.merges[parting.undone as usize].1 = false;
        for link in &parting.relinked {
            let (merge, _) = &mut self.merges[link.id as usize];
            (merge.other_number, merge.target_number) = (link.other, link.target);
            self.order.retain(|id| *id != link.id);
            self.order.push(link.id);
        }
        let restored = parting.restored.as_ref().map(|restored| {
            let mut state = restored.state.clone();
            if restored.was_kept {
                self.kept.remove(&state.id).expect("the profile was kept");
            } else {
                let hash = std::mem::replace(&mut state.id, self.next_id());
                for (merge, _) in &mut self.merges {
                    for number in [&mut merge.other_number, &mut merge.target_number] {
                        *number = if *number == hash { state.id } else { *number };
                    }
                }
                self.ids.values_mut().filter(|(_, number)| *number == hash).for_each(|held| held.1 = state.id);
            }
            let id = state.id;
            assert!(self.persons.insert(id, state).is_none(), "it was alive");
            id
        });
        for (id, _) in &parting.ids {
            match restored {
                Some(person) => self.ids.get_mut(id).expect("it is known").0 = person,
                None => {
                    self.ids.remove(id);
                    self.identified.remove(id);
                }
            }
        }
        self.has_personless |= restored.is_none();
        for number in &parting.numbers {
            self.overrides.insert(*number, restored.unwrap_or(*number));
        }
        self.check();
        Ok(())
    }

    /// What holds at any time.
    fn check(&self) {
        for (id, (person, number)) in &self.ids {
            assert!(self.persons.contains_key(person), "{id} is nobody's");
            assert_eq!(self.stands_for(*number), *person, "the number of {id} leads to somebody else");
        }
        for (from, into) in &self.overrides {
            assert!(from == into || self.persons.contains_key(into), "{from:?} leads to nobody");
            assert!(from == into || self.overrides.get(into).is_none_or(|o| o == into), "{from:?} leads on");
        }
        assert!(self.persons.keys().all(|id| self.stands_for(*id) == *id), "a living person leads elsewhere");
        assert!(self.kept.keys().all(|id| !self.persons.contains_key(id)), "a kept profile lives");
    }

    /// The person that a number stands for now, as queries look it up.
    pub fn stands_for(&self, number: PersonId) -> PersonId {
        *self.overrides.get(&number).unwrap_or(&number)
    }

    /// The person that an event belongs to now.
    pub fn person(&self, resolved: &Resolved) -> Option<PersonId> {
        matches!(resolved, Resolved::Person { .. }).then(|| self.stands_for(number(resolved)))
    }

    pub fn of(&self, distinct_id: &str) -> &PersonState {
        &self.persons[&self.ids[distinct_id].0]
    }
}

pub fn number(resolved: &Resolved) -> PersonId {
    match resolved {
        Resolved::Person { id, .. } => *id,
        Resolved::Dropped(reason) => panic!("dropped: {reason:?}"),
    }
}
