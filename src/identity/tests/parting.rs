//! Merges undone: single cases, and any number of them against a model that only knows who was said to be whom.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::store::{Event, PROJECT, Store, alias, dangerous, event, identify, minute, personless};
use crate::identity::parting::CannotPart;
use crate::identity::person_properties::merged;
use crate::identity::{Part, Warning};
use crate::model::PersonId;

fn set(id: &str, properties: Value) -> Event {
    event("$set", id, json!({ "$set": properties }))
}

fn properties(store: &Store, id: &str) -> Value {
    Value::Object((*store.of(id).properties).clone())
}

#[test]
fn an_undone_merge_gives_both_their_profiles_back_and_keeps_what_was_set_since() {
    let mut store = Store::default();
    let a = store.one(0, &set("a", json!({ "x": "a", "old": 1, "plan": "free" })));
    let b = store.one(5, &set("b", json!({ "x": "b" })));
    let before = store.clone();
    store.batch(10, &[dangerous("b", "a"), set("a", json!({ "plan": "pro", "since": 1 }))]);
    assert_eq!(store.stands_for(a), b);
    let later = store.one(12, &event("e", "a", json!({})));
    assert_eq!(later, a, "the number of a's events does not change");
    store.part(Part::Merge(0)).unwrap();
    assert_eq!((store.stands_for(a), store.stands_for(later), store.stands_for(b)), (a, a, b));
    assert_eq!(store.of("a").uuid, before.of("a").uuid);
    assert_eq!((store.of("a").created_at, store.of("b").created_at), (minute(0), minute(5)));
    assert_eq!(properties(&store, "a"), json!({ "x": "a", "old": 1, "plan": "free" }));
    assert_eq!(properties(&store, "b"), json!({ "x": "b", "plan": "pro", "since": 1 }), "set on the survivor");
    assert_eq!(store.part(Part::Merge(0)), Err(CannotPart::UndoneBefore));
}

#[test]
fn an_undone_identify_makes_the_anonymous_id_nobodys_again() {
    let mut store = Store::default();
    let before = store.one(0, &personless("e", "anon"));
    store.batch(1, &[identify("anon", "ada")]);
    let after = store.one(2, &personless("e", "anon"));
    store.part(Part::Merge(0)).unwrap();
    assert!(!store.ids.contains_key("anon"));
    assert_eq!((store.stands_for(before), store.stands_for(after)), (before, before));
    // Whatever it becomes next, all of its events are that.
    store.batch(3, &[identify("anon", "bob")]);
    assert_eq!(store.stands_for(before), store.of("bob").id);
    store.part(Part::Merge(1)).unwrap();
    let own = store.one(4, &event("e", "anon", json!({})));
    assert_eq!((store.stands_for(before), store.stands_for(own)), (own, own));
}

#[test]
fn the_first_of_a_chain_is_undone_and_the_rest_stands() {
    let mut store = Store::default();
    for (at, id) in ["a", "b", "c"].into_iter().enumerate() {
        store.one(at as i64, &set(id, json!({ id: id })));
    }
    store.batch(5, &[dangerous("b", "a"), dangerous("c", "b")]);
    store.part(Part::Merge(0)).unwrap();
    assert_eq!(store.of("b").id, store.of("c").id);
    assert_eq!(
        (properties(&store, "a"), properties(&store, "c")),
        (json!({ "a": "a" }), json!({ "b": "b", "c": "c" }))
    );
    store.part(Part::Merge(1)).unwrap();
    assert_eq!((properties(&store, "b"), properties(&store, "c")), (json!({ "b": "b" }), json!({ "c": "c" })));
    assert_eq!(store.of("c").created_at, minute(2));
}

#[test]
fn who_came_by_way_of_an_id_leaves_with_it() {
    let mut store = Store::default();
    store.batch(0, &[identify("laptop", "ada"), identify("desk", "bob")]);
    store.batch(2, &[dangerous("ada", "bob")]);
    store.batch(3, &[identify("phone", "bob"), identify("tablet", "ada")]);
    assert_eq!(store.persons.len(), 1);
    store.part(Part::Merge(2)).unwrap();
    for (id, person) in [("laptop", "ada"), ("tablet", "ada"), ("desk", "bob"), ("phone", "bob")] {
        assert_eq!(store.of(id).id, store.of(person).id, "{id}");
    }
    assert_ne!(store.of("ada").id, store.of("bob").id);
    assert_eq!(store.of("bob").properties["email"], "bob@example.com");
}

#[test]
fn ids_that_leave_together_without_a_profile_get_one() {
    let mut store = Store::default();
    let phone = store.one(0, &personless("e", "phone"));
    store.batch(1, &[identify("phone", "ada"), alias("phone", "tablet")]);
    store.part(Part::Merge(0)).unwrap();
    assert_eq!(store.of("phone").id, store.of("tablet").id);
    assert_ne!(store.of("phone").id, store.of("ada").id);
    assert_eq!(store.stands_for(phone), store.of("phone").id);
    store.part(Part::Merge(1)).unwrap();
    assert!(!store.ids.contains_key("tablet"));
    assert_eq!(store.stands_for(phone), store.of("phone").id);
}

#[test]
fn one_id_gets_off_alone_and_the_others_stay_together() {
    let mut store = Store::default();
    store.batch(0, &[identify("x", "ada"), set("y", json!({ "y": 1 })), alias("x", "y"), alias("y", "z")]);
    store.part(Part::DistinctId("y")).unwrap();
    assert_eq!(properties(&store, "y"), json!({ "y": 1 }));
    let ada = store.of("ada").id;
    assert!(store.of("x").id == ada && store.of("z").id == ada && store.of("y").id != ada);
    assert!(!store.of("ada").properties.contains_key("y"));
    assert_eq!(store.plan(Part::DistinctId("ada")).unwrap_err(), CannotPart::OwnId);
    assert_eq!(store.plan(Part::DistinctId("y")).unwrap_err(), CannotPart::OnlyId);
    assert_eq!(store.plan(Part::DistinctId("nobody")).unwrap_err(), CannotPart::NotTheirs);
}

#[test]
fn who_was_identified_by_a_merge_alone_is_so_while_it_stands() {
    let mut store = Store::default();
    store.batch(0, &[set("a", json!({})), set("b", json!({})), alias("a", "b")]);
    assert!(store.of("a").is_identified);
    store.part(Part::Merge(0)).unwrap();
    assert!(!store.of("a").is_identified && !store.of("b").is_identified);
    // One that is merged by a link that is undone later, and by another that stands.
    store.batch(1, &[set("c", json!({})), dangerous("a", "b"), dangerous("c", "a")]);
    store.part(Part::Merge(2)).unwrap();
    assert!(store.of("a").is_identified && !store.of("c").is_identified);
    store.part(Part::Merge(1)).unwrap();
    assert!(!store.of("a").is_identified && !store.of("b").is_identified);
}

#[test]
fn who_was_identified_by_name_stays_so_wherever_the_id_goes() {
    let mut store = Store::default();
    store.batch(0, &[identify("anon", "ada"), set("visitor", json!({})), identify("visitor", "bob")]);
    // What a visitor with a profile did before is theirs again, and nobody said who they are.
    store.part(Part::Merge(1)).unwrap();
    assert!(!store.of("visitor").is_identified && !store.ids.contains_key("bob"));
    store.part(Part::Merge(0)).unwrap();
    assert!(store.of("ada").is_identified);
    // Said while they were one person, and so of the id that said it.
    store.batch(1, &[dangerous("ada", "visitor"), event("$identify", "visitor", json!({}))]);
    store.part(Part::Merge(2)).unwrap();
    assert!(store.of("visitor").is_identified && store.of("ada").is_identified);
}

#[test]
fn what_was_joined_before_merges_were_written_down_cannot_be_parted() {
    let mut store = Store::default();
    store.batch(0, &[event("e", "a", json!({}))]);
    let a = store.of("a").id;
    store.ids.insert("b".to_owned(), (a, a));
    assert_eq!(store.plan(Part::DistinctId("b")).unwrap_err(), CannotPart::SharedNumber);
    let hash = PersonId::without_profile(PROJECT, "c");
    store.ids.insert("c".to_owned(), (a, hash));
    store.overrides.insert(hash, a);
    assert_eq!(store.plan(Part::DistinctId("c")).unwrap_err(), CannotPart::NotRecorded);
}

#[test]
fn an_event_that_comes_again_does_not_redo_what_was_undone_and_a_new_one_does() {
    let mut store = Store::default();
    let batch = [event("e", "ada", json!({})), identify("anon", "ada")];
    store.batch(0, &batch);
    store.batch(0, &batch);
    assert_eq!(store.merges.len(), 1, "a batch that comes twice is written down once");
    store.part(Part::Merge(0)).unwrap();
    let (_, warnings) = store.batch(0, &batch);
    assert_eq!((store.ids.contains_key("anon"), warnings), (false, vec![]));
    store.batch(5, &[identify("anon", "ada")]);
    assert_eq!(store.ids["anon"].0, store.of("ada").id);
}

#[test]
fn a_merge_by_hand_takes_anybody_and_is_undone_as_any_other() {
    let mut store = Store::default();
    store.batch(0, &[identify("x", "ada"), identify("y", "bob"), event("e", "null", json!({}))]);
    let before = store.clone();
    store.merge_by_hand(5, "ada", "bob");
    store.merge_by_hand(6, "ada", "null");
    assert_eq!(store.persons.len(), 1);
    store.part(Part::Merge(2)).unwrap();
    store.part(Part::Merge(3)).unwrap();
    assert_eq!(people(&store), people(&before));
}

type Profile<'a> = (BTreeSet<&'a str>, BTreeMap<&'a str, &'a Value>, bool, Timestamp, uuid::Uuid);

/// Each person: its ids, properties, whether it is identified, its date and uuid.
fn people(store: &Store) -> BTreeMap<PersonId, Profile<'_>> {
    let ids = |id: PersonId| store.ids.iter().filter(move |(_, held)| held.0 == id).map(|(id, _)| id.as_str());
    let mut people = BTreeMap::new();
    for person in store.persons.values() {
        let properties = person.properties.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let profile = (ids(person.id).collect(), properties, person.is_identified, person.created_at, person.uuid);
        people.insert(person.id, profile);
    }
    people
}

const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "null"];

#[derive(Debug, Clone)]
enum Op {
    Events(Vec<Event>),
    Again,
    Undo(prop::sample::Index),
    Split(&'static str),
    Hand(&'static str, &'static str),
}

fn any_op() -> impl Strategy<Value = Op> {
    let id = || prop::sample::select(IDS.to_vec());
    let event = (0..7_u8, id(), id(), 0..3_u8).prop_map(|(kind, own, other, value)| match kind {
        0 => personless("e", own),
        1 => event("e", own, json!({})),
        2 => set(own, json!({ own: value, "shared": value })),
        3 | 4 => identify(other, own),
        5 => alias(own, other),
        _ => dangerous(own, other),
    });
    prop_oneof![
        6 => prop::collection::vec(event, 1..5).prop_map(Op::Events),
        1 => Just(Op::Again),
        3 => any::<prop::sample::Index>().prop_map(Op::Undo),
        1 => id().prop_map(Op::Split),
        1 => (id(), id()).prop_map(|(a, b)| Op::Hand(a, b)),
    ]
}

/// Who was said to be whom, and not unsaid.
#[derive(Debug, Default)]
struct Model {
    links: Vec<(String, String, bool)>,
    /// Ids that `$identify` named.
    named: BTreeSet<String>,
}

impl Model {
    fn are_one(&self, a: &str, b: &str) -> bool {
        let mut known = BTreeSet::from([a]);
        loop {
            let next = self.links.iter().filter(|link| link.2).find_map(|(x, y, _)| {
                match (known.contains(x.as_str()), known.contains(y.as_str())) {
                    (true, false) => Some(y),
                    (false, true) => Some(x),
                    _ => None,
                }
            });
            match next {
                Some(id) => known.insert(id),
                None => return known.contains(b),
            };
        }
    }

    /// Who was named, or became one with somebody, is identified.
    fn is_identified(&self, id: &str) -> bool {
        self.named.contains(id) || IDS.iter().any(|other| *other != id && self.are_one(id, other))
    }

    fn read(&mut self, store: &Store) {
        let id_of = |number| store.ids.iter().find(|(_, held)| held.1 == number).map(|(id, _)| id.clone());
        self.links = store
            .merges
            .iter()
            .map(|(merge, stands)| match (stands, id_of(merge.other_number), id_of(merge.target_number)) {
                (true, Some(other), Some(target)) => (other, target, true),
                _ => (String::new(), String::new(), false),
            })
            .collect();
    }
}

/// Whoever asks to be one becomes one, unless refused by name.
fn say(model: &mut Model, store: &mut Store, at: i64, event: &Event) -> PersonId {
    let merges = store.merges.len();
    let (resolved, warnings) = store.batch(at, std::slice::from_ref(event));
    if event.name == "$identify" {
        model.named.insert(event.distinct_id.clone());
    }
    let key = if event.name == "$identify" { "$anon_distinct_id" } else { "alias" };
    if let Some(other) = event.properties.get(key).and_then(Value::as_str) {
        let is_refused = warnings.iter().any(|w| matches!(w, Warning::AlreadyIdentified | Warning::IllegalDistinctId));
        let is_news = other != event.distinct_id && !is_refused && !model.are_one(&event.distinct_id, other);
        assert!(event.name != "$merge_dangerously" || !is_refused || [other, &event.distinct_id].contains(&"null"));
        assert_eq!(store.merges.len() - merges, usize::from(is_news), "{event:?}");
        if is_news {
            model.links.push((other.to_owned(), event.distinct_id.clone(), true));
        }
    }
    super::store::number(&resolved[0])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Whatever happens in whatever order, each event belongs to who its distinct id is said to be by now, and its number
    /// never had to change.
    #[test]
    fn people_are_what_was_said_and_not_unsaid(ops in prop::collection::vec(any_op(), 1..30)) {
        let (mut store, mut model) = (Store::default(), Model::default());
        let mut stored: Vec<(PersonId, String)> = Vec::new();
        let mut last = Vec::new();
        for (at, op) in ops.into_iter().enumerate() {
            let at = at as i64 * 10;
            match op {
                Op::Events(events) => {
                    for event in &events {
                        stored.push((say(&mut model, &mut store, at, event), event.distinct_id.clone()));
                    }
                    last = events;
                }
                Op::Again => {
                    let merges = store.merges.len();
                    store.batch(at, &last);
                    // What was refused the first time may be accepted by now: it is news, and that alone.
                    let named = last.iter().filter(|event| event.name == "$identify");
                    model.named.extend(named.map(|event| event.distinct_id.clone()));
                    for (merge, _) in &store.merges[merges..] {
                        model.links.push((merge.other_distinct_id.clone(), merge.target_distinct_id.clone(), true));
                    }
                }
                Op::Undo(which) if !store.merges.is_empty() => {
                    let which = which.index(store.merges.len());
                    let stood = store.merges[which].1;
                    prop_assert_eq!(store.part(Part::Merge(which as i64)).is_ok(), stood);
                    model.links[which].2 = false;
                }
                Op::Undo(_) => {}
                Op::Split(id) => {
                    let together = |model: &Model, a: &str, b: &str| model.are_one(a, b) && a != id && b != id;
                    let pairs = || IDS.iter().flat_map(|a| IDS.iter().map(move |b| (*a, *b)));
                    let before: Vec<bool> = pairs().map(|(a, b)| together(&model, a, b)).collect();
                    if store.part(Part::DistinctId(id)).is_ok() {
                        model.read(&store);
                        let after: Vec<bool> = pairs().map(|(a, b)| together(&model, a, b)).collect();
                        prop_assert_eq!(before, after);
                        prop_assert!(IDS.iter().all(|other| *other == id || !model.are_one(id, other)));
                    }
                }
                Op::Hand(a, b) => {
                    let is_possible = a != b && (store.ids.contains_key(a) || store.ids.contains_key(b));
                    if is_possible && !model.are_one(a, b) {
                        store.merge_by_hand(at, a, b);
                        model.links.push((b.to_owned(), a.to_owned(), true));
                    }
                }
            }
            model.named.retain(|id| store.ids.contains_key(id));
            for id in IDS.iter().filter(|id| store.ids.contains_key(**id)) {
                prop_assert_eq!(store.of(id).is_identified, model.is_identified(id), "{} of {:?}", id, model);
            }
            for (number, id) in &stored {
                let owner = store.ids.get(id).map_or(PersonId::without_profile(PROJECT, id), |held| held.0);
                prop_assert_eq!(store.stands_for(*number), owner, "an event of {}", id);
            }
            for a in IDS {
                for b in IDS.iter().filter(|b| **b != a) {
                    let is_one = store.ids.get(a).is_some_and(|held| store.ids.get(*b).is_some_and(|o| o.0 == held.0));
                    prop_assert_eq!(is_one, model.are_one(a, b), "{} and {}", a, b);
                }
            }
        }
    }

    /// A merge and its undoing leave nothing behind, whatever was before.
    #[test]
    fn a_merge_undone_at_once_changes_nothing(
        ops in prop::collection::vec(any_op(), 1..20), target in prop::sample::select(IDS.to_vec()),
        other in prop::sample::select(IDS.to_vec()),
    ) {
        let mut store = Store::default();
        for (at, op) in ops.into_iter().enumerate() {
            match op {
                Op::Events(events) => drop(store.batch(at as i64 * 10, &events)),
                Op::Undo(which) if !store.merges.is_empty() => {
                    let _ = store.part(Part::Merge(which.index(store.merges.len()) as i64));
                }
                Op::Split(id) => drop(store.part(Part::DistinctId(id))),
                _ => {}
            }
        }
        let is_one = store.ids.get(other).is_some_and(|held| store.ids.get(target).is_some_and(|o| o.0 == held.0));
        if target == other || is_one || !store.ids.contains_key(target) {
            return Ok(());
        }
        let before = store.clone();
        let merge = store.merges.len() as i64;
        store.merge_by_hand(500, target, other);
        store.part(Part::Merge(merge)).unwrap();
        prop_assert_eq!(people(&store), people(&before));
        prop_assert_eq!(&store.kept, &before.kept);
        for (from, into) in &store.overrides {
            prop_assert_eq!(*into, before.stands_for(*from));
        }
    }

    /// Merges that are undone in any order leave, at every step, what the standing ones alone would have made.
    #[test]
    fn what_stands_alone_makes_a_person(
        values in prop::collection::vec(prop::collection::btree_map("[kl]", 0..3_u8, 0..3), 6),
        joins in prop::collection::vec((0..6_usize, 0..6_usize), 1..10),
        order in Just((0..10_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut store = Store::default();
        let name = |at: usize| format!("p{at}");
        for (at, values) in values.iter().enumerate() {
            store.one(10 - at as i64, &set(&name(at), json!(values)));
        }
        let before = store.clone();
        for (target, other) in &joins {
            store.batch(20, &[dangerous(&name(*target), &name(*other))]);
        }
        let merges = store.merges.len();
        for which in order.into_iter().filter(|which| *which < merges) {
            store.part(Part::Merge(which as i64)).unwrap();
            let links: Vec<_> = store.merges.iter().filter(|(_, stands)| *stands).map(|(m, _)| m).collect();
            // Each person of the start: who they are, what is known of that one, and since when.
            let mut made: BTreeMap<String, (String, Map<String, Value>, Timestamp)> = (0..6)
                .map(|at| (name(at), (name(at), (*before.of(&name(at)).properties).clone(), before.of(&name(at)).created_at)))
                .collect();
            for link in links {
                let other = made[&link.other_distinct_id].clone();
                let target = made[&link.target_distinct_id].clone();
                let one = (target.0.clone(), merged(&other.1, &target.1), other.2.min(target.2));
                made.values_mut().filter(|p| p.0 == other.0 || p.0 == target.0).for_each(|p| *p = one.clone());
            }
            let text = |m: &Map<String, Value>| m.iter().map(|(k, v)| (k.clone(), v.clone())).collect::<BTreeMap<_, _>>();
            for (id, (own, properties, created_at)) in &made {
                let person = store.of(id);
                prop_assert_eq!(person.uuid, before.of(own).uuid, "{}", id);
                prop_assert_eq!(text(&person.properties), text(properties), "{}", id);
                prop_assert_eq!(person.created_at, *created_at, "{}", id);
                let is_joined = made.iter().any(|(other, (its_own, ..))| other != id && its_own == own);
                prop_assert_eq!(person.is_identified, is_joined, "{}", id);
            }
        }
    }
}
