//! The rules of a batch against a store in memory, and against the same events one by one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::world::World;
use super::{Dropped, Resolved, Subject, Warning};
use crate::model::{PersonId, ProjectId};
use crate::storage::pg::{KnownProject, PersonRef, PersonState};

const PROJECT: ProjectId = ProjectId::new(1);

/// What Postgres would hold.
#[derive(Debug, Default, Clone)]
struct Store {
    has_personless: bool,
    persons: BTreeMap<i64, PersonState>,
    ids: BTreeMap<String, i64>,
    overrides: BTreeMap<u64, i64>,
    last_id: i64,
}

#[derive(Debug, Clone)]
struct Event {
    name: &'static str,
    distinct_id: String,
    properties: Map<String, Value>,
}

fn event(name: &'static str, distinct_id: &str, properties: Value) -> Event {
    let properties = properties.as_object().cloned().expect("an object");
    Event { name, distinct_id: distinct_id.to_owned(), properties }
}

fn start() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().expect("a time")
}

impl Store {
    /// Lets a batch happen that starts at this minute.
    fn batch(&mut self, minute: i64, events: &[Event]) -> (Vec<Resolved>, Vec<Warning>) {
        let subjects: Vec<_> = events
            .iter()
            .enumerate()
            .map(|(at, event)| Subject {
                project_id: PROJECT,
                event: event.name,
                distinct_id: &event.distinct_id,
                timestamp: start() + SignedDuration::from_mins(minute + at as i64),
                properties: &event.properties,
            })
            .collect();
        let wanted: BTreeSet<String> = subjects.iter().flat_map(Subject::distinct_ids).collect();
        let persons = wanted
            .into_iter()
            .filter_map(|id| self.ids.get(&id).map(|person| (PROJECT, id.clone(), self.persons[person].clone())))
            .collect();
        let known = [KnownProject { id: PROJECT, has_personless_events: self.has_personless }];
        let mut world = World::new(&known, persons);
        for subject in &subjects {
            world.happen(subject);
        }
        let changes = world.changes();
        self.has_personless |= !changes.first_personless.is_empty();
        let mut created = Vec::new();
        for person in changes.created {
            self.last_id += 1;
            created.push(PersonId::from_row(self.last_id));
            assert!(self.persons.values().all(|p| p.uuid != person.uuid), "a uuid is there twice");
            let state = PersonState {
                id: PersonId::from_row(self.last_id),
                uuid: person.uuid,
                properties: person.properties,
                is_identified: person.is_identified,
                created_at: person.created_at,
                last_seen_at: person.last_seen_at,
                version: 0,
            };
            self.persons.insert(self.last_id, state);
        }
        let resolve = |person: PersonRef| match person {
            PersonRef::Existing(id) => id.as_row(),
            PersonRef::Created(at) => created[at].as_row(),
        };
        for person in changes.changed {
            let old = self.persons.get_mut(&person.id.as_row()).expect("a changed person exists");
            old.properties = person.properties;
            old.is_identified = person.is_identified;
            old.created_at = person.created_at;
            old.last_seen_at = person.last_seen_at;
            old.version = person.version;
        }
        for (_, id, person) in changes.distinct_ids {
            assert!(self.ids.insert(id, resolve(person)).is_none(), "a new distinct id was known");
        }
        for (_, from, into) in &changes.merged {
            let (from, into) = (from.as_row(), resolve(*into));
            self.ids.values_mut().chain(self.overrides.values_mut()).filter(|p| **p == from).for_each(|p| *p = into);
            self.persons.remove(&from).expect("a merged person existed");
        }
        for (_, from, into) in changes.merged.iter().chain(&changes.claimed) {
            self.overrides.insert(from.get(), resolve(*into));
        }
        for person in self.ids.values().chain(self.overrides.values()) {
            assert!(self.persons.contains_key(person), "something leads to nobody");
        }
        let warnings = std::mem::take(&mut world.warnings);
        (world.resolved(&created), warnings)
    }

    /// The person that an event's number stands for now.
    fn person(&self, resolved: &Resolved) -> Option<u64> {
        let Resolved::Person { id, .. } = resolved else { return None };
        Some(self.overrides.get(&id.get()).map_or(id.get(), |into| into.cast_unsigned()))
    }

    fn of(&self, distinct_id: &str) -> &PersonState {
        &self.persons[&self.ids[distinct_id]]
    }
}

fn personless(name: &'static str, id: &str) -> Event {
    event(name, id, json!({ "$process_person_profile": false, "$browser": "Firefox" }))
}

fn identify(anonymous: &str, id: &str) -> Event {
    event("$identify", id, json!({ "$anon_distinct_id": anonymous, "$set": { "email": format!("{id}@example.com") } }))
}

#[test]
fn identify_joins_what_was_anonymous_before_in_this_batch_and_in_earlier_ones() {
    let mut store = Store::default();
    let (before, _) = store.batch(0, &[personless("$pageview", "anon")]);
    assert!(store.persons.is_empty() && store.ids.is_empty(), "an event without a profile writes no person");
    let (after, _) =
        store.batch(10, &[personless("$pageview", "anon"), identify("anon", "ada"), event("e", "ada", json!({}))]);
    let ada = Some(store.of("ada").id.get());
    for resolved in before.iter().chain(&after) {
        assert_eq!(store.person(resolved), ada);
    }
    assert!(store.of("ada").is_identified);
    assert_eq!(store.of("ada").properties["email"], "ada@example.com");
    assert_eq!(store.ids["anon"], store.ids["ada"]);
    // From now on, events of either id carry the person's number, with what is known of it.
    let (later, _) = store.batch(20, &[personless("$pageview", "anon")]);
    let Resolved::Person { id, properties: Some(properties) } = &later[0] else { panic!("{later:?}") };
    assert_eq!((Some(id.get()), &properties["email"]), (ada, &json!("ada@example.com")));
    assert!(!properties.contains_key("$browser"), "and it still writes nothing");
}

#[test]
fn an_id_that_gets_a_profile_without_identify_keeps_its_earlier_events() {
    let mut store = Store::default();
    let (before, _) = store.batch(0, &[personless("$pageview", "a")]);
    let (after, _) = store.batch(1, &[event("$set", "a", json!({ "$set": { "plan": "pro" } }))]);
    assert_eq!(store.person(&before[0]), store.person(&after[0]));
}

#[test]
fn a_project_without_personless_events_needs_no_overrides() {
    let mut store = Store::default();
    store.batch(0, &[event("$pageview", "a", json!({})), event("$pageview", "b", json!({})), identify("c", "d")]);
    assert!(store.overrides.is_empty());
    assert_eq!(store.persons.len(), 3);
}

#[test]
fn merging_keeps_the_target_and_the_older_date_and_ends_chains() {
    let mut store = Store::default();
    let (old, _) = store.batch(0, &[event("e", "a", json!({ "$set": { "x": "a", "only": 1 } }))]);
    store.batch(1, &[event("e", "b", json!({ "$set": { "x": "b" } }))]);
    store.batch(2, &[event("e", "c", json!({}))]);
    store.batch(3, &[event("$create_alias", "b", json!({ "alias": "a" }))]);
    assert_eq!(store.of("a").properties, *json!({ "x": "b", "only": 1 }).as_object().expect("an object"));
    assert_eq!(store.of("b").created_at, start());
    // b is identified by now; only the dangerous kind may take it over.
    let (_, warnings) = store.batch(4, &[event("$create_alias", "c", json!({ "alias": "b" }))]);
    assert_eq!(warnings, [Warning::AlreadyIdentified]);
    store.batch(5, &[event("$merge_dangerously", "c", json!({ "alias": "b" }))]);
    assert_eq!(store.persons.len(), 1);
    assert_eq!(store.person(&old[0]), Some(store.of("c").id.get()), "one look-up leads from a to c");
}

#[test]
fn a_refused_merge_stores_the_event_under_its_own_id() {
    let mut store = Store::default();
    store.batch(0, &[identify("x", "ada"), identify("y", "bob")]);
    let (resolved, warnings) = store.batch(1, &[identify("ada", "bob"), identify("null", "eve"), identify("a", "a")]);
    assert_eq!(warnings, [Warning::AlreadyIdentified, Warning::IllegalDistinctId]);
    assert_eq!(store.person(&resolved[0]), Some(store.of("bob").id.get()));
    assert_eq!(store.person(&resolved[1]), Some(store.of("eve").id.get()));
    assert!(!store.ids.contains_key("null"));
    assert_eq!(store.persons.len(), 4);
}

#[test]
fn what_forbids_a_profile_and_wants_to_change_it_is_dropped() {
    let mut store = Store::default();
    let no = json!({ "$process_person_profile": false, "$anon_distinct_id": "b", "alias": "b" });
    let events =
        ["$identify", "$create_alias", "$merge_dangerously", "$groupidentify"].map(|n| event(n, "a", no.clone()));
    let (resolved, _) = store.batch(0, &events);
    assert!(resolved.iter().all(|r| *r == Resolved::Dropped(Dropped::IdentityWithoutProfile)));
    assert!(store.persons.is_empty());
    let (_, warnings) = store.batch(0, &[event("e", "a", json!({ "$process_person_profile": "no" }))]);
    assert_eq!((warnings.as_slice(), store.persons.len()), (&[Warning::InvalidPersonProfileValue][..], 1));
}

#[test]
fn events_of_a_project_that_is_gone_are_dropped() {
    let properties = Map::new();
    let mut world = World::new(&[], Vec::new());
    world.happen(&Subject {
        project_id: PROJECT,
        event: "e",
        distinct_id: "a",
        timestamp: start(),
        properties: &properties,
    });
    assert!(world.changes().is_empty());
    assert_eq!(world.resolved(&[]), [Resolved::Dropped(Dropped::UnknownProject)]);
}

#[test]
fn a_persons_uuid_is_the_one_the_sdk_world_computes() {
    let mut store = Store::default();
    store.batch(0, &[event("e", "a", json!({}))]);
    let namespace = "932979b4-65c3-4424-8467-0b66ec27bc22".parse().expect("a uuid");
    assert_eq!(store.of("a").uuid, uuid::Uuid::new_v5(&namespace, b"1:a"));
}

fn any_event() -> impl Strategy<Value = Event> {
    let id = || prop::sample::select(vec!["a", "b", "c", "d", "null"]);
    let mode = prop::sample::select(vec![None, Some(true), Some(false)]);
    let name = prop::sample::select(vec!["e", "$pageview", "$identify", "$create_alias", "$merge_dangerously", "$set"]);
    (name, id(), id(), mode, 0..3_u8, 0..3_u8).prop_map(|(name, own, other, mode, set, once)| {
        let mut properties = json!({
            "$anon_distinct_id": other, "alias": other, "$set": { "set": set }, "$set_once": { "once": once },
            "$current_url": format!("/{set}"),
        });
        if let Some(mode) = mode {
            properties["$process_person_profile"] = json!(mode);
        }
        if set == 2 {
            properties["$unset"] = json!(["once"]);
        }
        event(name, own, properties)
    })
}

proptest! {
    /// However events are cut into batches, the persons, who is whose, and what events say of them are the same.
    #[test]
    fn batches_are_the_same_as_one_by_one(
        events in prop::collection::vec(any_event(), 1..25),
        cuts in prop::collection::btree_set(0..25_usize, 0..4),
    ) {
        let (mut one_by_one, mut in_batches) = (Store::default(), Store::default());
        let mut first = Vec::new();
        for (at, event) in events.iter().enumerate() {
            first.extend(one_by_one.batch(at as i64, std::slice::from_ref(event)).0);
        }
        let mut second = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().filter(|cut| *cut < events.len()).chain([events.len()]) {
            second.extend(in_batches.batch(from as i64, &events[from..cut]).0);
            from = cut;
        }

        let known = |store: &Store, id: &str| store.ids.get(id).map(|person| {
            let p = &store.persons[person];
            (p.properties.iter().map(|(k, v)| (k.clone(), v.to_string())).collect::<BTreeMap<_, _>>(), p.is_identified, p.created_at, p.uuid)
        });
        for id in ["a", "b", "c", "d"] {
            prop_assert_eq!(known(&one_by_one, id), known(&in_batches, id));
        }
        for (a, x) in first.iter().zip(&second) {
            let about = |resolved: &Resolved| match resolved {
                Resolved::Person { properties, .. } => properties.as_ref().map(|p| p.len()),
                Resolved::Dropped(_) => None,
            };
            prop_assert_eq!(about(a), about(x));
            for (b, y) in first.iter().zip(&second) {
                let same = |store: &Store, l, r| store.person(l).is_some() && store.person(l) == store.person(r);
                prop_assert_eq!(same(&one_by_one, a, b), same(&in_batches, x, y));
            }
        }
    }
}
