//! One test for each rule, and the same events one by one as in batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::store::{Event, PROJECT, Store, alias, dangerous, event, identify, number, personless, start};
use crate::identity::world::World;
use crate::identity::{Dropped, GroupKey, Resolved, Subject, Warning};
use crate::model::Properties;
use crate::storage::pg::IdentityAnswer;

#[test]
fn identify_joins_what_was_anonymous_before_in_this_batch_and_in_earlier_ones() {
    let mut store = Store::default();
    let (before, _) = store.batch(0, &[personless("$pageview", "anon")]);
    assert!(store.persons.is_empty() && store.ids.is_empty(), "an event without a profile writes no person");
    let (after, _) =
        store.batch(10, &[personless("$pageview", "anon"), identify("anon", "ada"), event("e", "ada", json!({}))]);
    let ada = Some(store.of("ada").id);
    for resolved in before.iter().chain(&after) {
        assert_eq!(store.person(resolved), ada);
    }
    assert!(store.of("ada").is_identified);
    assert_eq!(store.of("ada").properties["email"], "ada@example.com");
    assert_eq!(store.ids["anon"].0, store.ids["ada"].0);
    // From now on, events of either id are the person's, with what is known of it, each under its own number.
    let (later, _) = store.batch(20, &[personless("$pageview", "anon")]);
    assert_eq!((store.person(&later[0]), number(&later[0])), (ada, number(&before[0])));
    let properties = known(&later[0]);
    assert_eq!(properties["email"], "ada@example.com");
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
fn a_project_without_personless_events_needs_overrides_for_given_ids_only() {
    let mut store = Store::default();
    store.batch(0, &[event("$pageview", "a", json!({})), event("$pageview", "b", json!({})), identify("c", "d")]);
    assert_eq!(store.overrides.into_keys().collect::<Vec<_>>(), [store.ids["c"].1]);
    assert_eq!(store.persons.len(), 3);
}

#[test]
fn merging_keeps_the_target_and_the_older_date_and_ends_chains() {
    let mut store = Store::default();
    let (old, _) = store.batch(0, &[event("e", "a", json!({ "$set": { "x": "a", "only": 1 } }))]);
    store.batch(1, &[event("e", "b", json!({ "$set": { "x": "b" } }))]);
    store.batch(2, &[event("e", "c", json!({}))]);
    store.batch(3, &[alias("b", "a")]);
    assert_eq!(*store.of("a").properties, *json!({ "x": "b", "only": 1 }).as_object().expect("an object"));
    assert_eq!(store.of("b").created_at, start());
    // b is identified by now; only the dangerous kind may take it over.
    let (_, warnings) = store.batch(4, &[alias("c", "b")]);
    assert_eq!(warnings, [Warning::AlreadyIdentified]);
    store.batch(5, &[dangerous("c", "b")]);
    assert_eq!(store.persons.len(), 1);
    assert_eq!(store.person(&old[0]), Some(store.of("c").id), "one look-up leads from a to c");
}

#[test]
fn a_refused_merge_stores_the_event_under_its_own_id() {
    let mut store = Store::default();
    store.batch(0, &[identify("x", "ada"), identify("y", "bob")]);
    let (resolved, warnings) = store.batch(1, &[identify("ada", "bob"), identify("null", "eve"), identify("a", "a")]);
    assert_eq!(warnings, [Warning::AlreadyIdentified, Warning::IllegalDistinctId]);
    assert_eq!(store.person(&resolved[0]), Some(store.of("bob").id));
    assert_eq!(store.person(&resolved[1]), Some(store.of("eve").id));
    assert!(!store.ids.contains_key("null"));
    assert_eq!(store.persons.len(), 4);
}

#[test]
fn what_forbids_a_profile_and_wants_to_change_it_is_dropped() {
    let mut store = Store::default();
    let no = json!({ "$process_person_profile": false, "$anon_distinct_id": "b", "alias": "b" });
    let events = ["$identify", "$create_alias", "$merge_dangerously"].map(|n| event(n, "a", no.clone()));
    let (resolved, _) = store.batch(0, &events);
    assert!(resolved.iter().all(|r| *r == Resolved::Dropped(Dropped::IdentityWithoutProfile)));
    assert!(store.persons.is_empty());
    let (_, warnings) = store.batch(0, &[event("e", "a", json!({ "$process_person_profile": "no" }))]);
    assert_eq!((warnings.as_slice(), store.persons.len()), (&[Warning::InvalidPersonProfileValue][..], 1));
}

#[test]
fn events_of_a_project_that_is_gone_are_dropped() {
    let properties = Properties::default();
    let mut world = World::new(IdentityAnswer::default());
    let subject = Subject {
        project_id: PROJECT,
        uuid: Uuid::nil(),
        event: "e",
        distinct_id: "a",
        timestamp: start(),
        properties: &properties,
    };
    assert_eq!(world.happen(&subject), Resolved::Dropped(Dropped::UnknownProject));
    assert!(world.changes().is_empty());
}

#[test]
fn a_persons_uuid_is_the_one_the_sdk_world_computes() {
    let mut store = Store::default();
    store.batch(0, &[event("e", "a", json!({}))]);
    let namespace = "932979b4-65c3-4424-8467-0b66ec27bc22".parse().expect("a uuid");
    assert_eq!(store.of("a").uuid, uuid::Uuid::new_v5(&namespace, b"1:a"));
}

/// What an event says of its person.
fn known(resolved: &Resolved) -> Arc<Map<String, Value>> {
    match resolved {
        Resolved::Person { properties: Some(properties), .. } => Arc::clone(properties),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_of_somebody_that_wants_no_profile_carries_theirs_if_it_is_a_minute_old() {
    let mut store = Store::default();
    store.batch(10, &[event("$set", "ada", json!({ "$set": { "plan": "pro" } }))]);
    let (early, _) = store.batch(9, &[personless("e", "ada")]);
    assert!(matches!(&early[0], Resolved::Person { properties: None, .. }), "{early:?}");
    let (same, _) = store.batch(11, &[personless("e", "ada")]);
    assert!(matches!(&same[0], Resolved::Person { properties: None, .. }), "{same:?}");
    let (late, _) = store.batch(12, &[personless("e", "ada")]);
    assert_eq!(known(&late[0])["plan"], "pro");
    assert!([&early, &same, &late].iter().all(|resolved| number(&resolved[0]) == store.of("ada").id));
}

#[test]
fn every_odd_value_of_the_person_mode_is_told_of_and_means_a_profile() {
    for odd in [json!("false"), json!(0), json!(null), json!([]), json!({}), json!("")] {
        let mut store = Store::default();
        let (resolved, warnings) = store.batch(0, &[event("e", "a", json!({ "$process_person_profile": odd }))]);
        assert_eq!(warnings, [Warning::InvalidPersonProfileValue], "{odd}");
        assert_eq!(store.person(&resolved[0]), Some(store.of("a").id));
    }
    for fine in [json!({}), json!({ "$process_person_profile": true })] {
        assert_eq!(Store::default().batch(0, &[event("e", "a", fine)]).1, []);
    }
}

#[test]
fn identify_without_an_anonymous_id_identifies_and_an_alias_does_too() {
    let mut store = Store::default();
    store.batch(0, &[event("$identify", "ada", json!({})), event("e", "bob", json!({})), alias("eve", "old-eve")]);
    assert!(store.of("ada").is_identified && !store.of("bob").is_identified && store.of("eve").is_identified);
    assert_eq!(store.merges.len(), 1, "only the alias merged somebody");
}

#[test]
fn an_id_that_is_no_text_is_its_json() {
    let mut store = Store::default();
    store.batch(0, &[event("$identify", "ada", json!({ "$anon_distinct_id": 7 }))]);
    store.batch(1, &[event("$create_alias", "ada", json!({ "alias": null })), alias("ada", "x\0y")]);
    assert_eq!(store.ids.keys().map(String::as_str).collect::<Vec<_>>(), ["7", "ada", "x\u{fffd}y"]);
}

#[test]
fn set_once_as_an_event_name_always_writes() {
    let mut store = Store::default();
    store.batch(0, &[event("e", "a", json!({ "$current_url": "/1" }))]);
    store.batch(1, &[event("e", "a", json!({ "$current_url": "/2" }))]);
    assert_eq!(store.of("a").properties["$current_url"], "/1", "only noise");
    store.batch(2, &[event("$set_once", "a", json!({ "$current_url": "/3", "$set_once": { "k": 1 } }))]);
    assert_eq!((&store.of("a").properties["$current_url"], &store.of("a").properties["k"]), (&json!("/3"), &json!(1)));
}

#[test]
fn group_types_take_places_as_they_appear_five_at_most() {
    let mut store = Store::default();
    let group = |kind: &str, key: Value, set: Value| {
        event("$groupidentify", "ada", json!({ "$group_type": kind, "$group_key": key, "$group_set": set }))
    };
    store.batch(0, &[group("company", json!("acme"), json!({ "plan": "free", "seats": 1 }))]);
    let in_groups = json!({ "$groups": { "project": 7, "company": "acme", "none": null, "": "x" } });
    let (resolved, warnings) = store.batch(1, &[event("e", "ada", in_groups.clone())]);
    let keys = |resolved: &Resolved| match resolved {
        Resolved::Person { groups, .. } => groups.clone(),
        Resolved::Dropped(_) => vec![],
    };
    let key = |type_index, key: &str| GroupKey { type_index, key: key.to_owned() };
    assert_eq!((keys(&resolved[0]), warnings.len()), (vec![key(1, "7"), key(0, "acme")], 0));
    store.batch(
        2,
        &[group("company", json!("acme"), json!({ "plan": "pro" })), group("project", json!(7), json!(null))],
    );
    assert_eq!(Value::Object(store.groups[&(0, "acme".to_owned())].clone()), json!({ "plan": "pro", "seats": 1 }));
    assert!(store.groups[&(1, "7".to_owned())].is_empty());
    let many = json!({ "$groups": { "c": "1", "d": "1", "e": "1", "f": "1", "company": "acme" } });
    let (resolved, warnings) = store.batch(3, &[event("e", "ada", many), event("e", "ada", json!({ "$groups": "x" }))]);
    assert_eq!(keys(&resolved[0]), [key(2, "1"), key(3, "1"), key(4, "1"), key(0, "acme")]);
    assert_eq!((warnings, keys(&resolved[1])), (vec![Warning::TooManyGroupTypes], vec![]));
    // Who has no profile belongs to groups too, and may tell of one: that makes nobody.
    let mut quiet = in_groups.as_object().cloned().expect("an object");
    quiet.insert("$process_person_profile".to_owned(), json!(false));
    let (resolved, _) = store.batch(4, &[event("e", "anon", Value::Object(quiet))]);
    assert_eq!(keys(&resolved[0]).len(), 2);
    assert_eq!(
        store.group_types.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
        ["company", "project", "c", "d", "e"]
    );
    let known = store.persons.len();
    let told = json!({ "$group_type": "company", "$group_key": "initech", "$group_set": { "plan": "free" }, "$process_person_profile": false });
    let (resolved, _) = store.batch(5, &[event("$groupidentify", "anon", told)]);
    assert!(matches!(resolved[0], Resolved::Person { properties: None, .. }));
    assert_eq!(Value::Object(store.groups[&(0, "initech".to_owned())].clone()), json!({ "plan": "free" }));
    assert_eq!((store.groups.len(), store.persons.len()), (3, known));
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

        let known = |store: &Store, id: &str| store.ids.get(id).map(|(person, _)| {
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
