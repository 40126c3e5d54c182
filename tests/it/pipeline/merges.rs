//! Merges and their undoing on the real stores: what queries see, and what two instances make of everything at once.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tenrec::identity::{CannotPart, HandError, Identity, Part, Subject};
use tenrec::model::{Properties, UserId};
use tenrec::storage::pg::{MergePage, Pg, WrittenPersons};
use uuid::Uuid;

use super::rig::{Rig, event, now, object, resolve};
use crate::support::SharedStores;

/// What every number and id must agree on: whose an id is, and where its number leads; and that nothing leads on and on.
const DISAGREEMENTS: &str = "
    SELECT count(*)
    FROM person_distinct_ids d
    LEFT JOIN person_overrides o ON o.project_id = d.project_id AND o.from_id = coalesce(d.number, d.person_id)
    LEFT JOIN person_overrides further ON further.project_id = o.project_id AND further.from_id = o.into_id
    WHERE coalesce(o.into_id, d.number, d.person_id) <> d.person_id OR further.into_id <> o.into_id";

/// Whether who is identified is so by an id that was named, or by being several ids that were joined.
const WRONGLY_IDENTIFIED: &str = "
    SELECT count(*)
    FROM persons p
    JOIN LATERAL (
        SELECT bool_or(is_identified) OR count(*) > 1 AS is_identified FROM person_distinct_ids WHERE person_id = p.id
    ) ids ON true
    WHERE p.is_identified <> ids.is_identified";

impl Rig {
    async fn user(&self) -> UserId {
        let sql = "INSERT INTO users (id, email, name, password_hash, created_at)
                   VALUES (gen_random_uuid(), 'ada@example.com', 'Ada', '', now()) RETURNING id";
        UserId::new(self.pg_value(sql).await)
    }

    async fn plan_of(&self, id: &str) -> String {
        let sql = format!(
            "SELECT p.properties::text FROM person_distinct_ids d JOIN persons p ON p.id = d.person_id
             WHERE d.distinct_id = '{id}'"
        );
        self.pg_value(&sql).await
    }
}

#[tokio::test]
async fn an_undone_merge_is_undone_in_queries_at_once_and_for_what_comes_later() {
    let mut rig = Rig::start().await;
    let (identity, user) = (Identity::new(rig.pg.clone()), rig.user().await);
    rig.append(&[
        event(1, "$pageview", "laptop", json!({ "$process_person_profile": false })),
        event(2, "$identify", "ada", json!({ "$anon_distinct_id": "laptop", "$set": { "plan": "free" } })),
        event(3, "$identify", "bob", json!({ "$anon_distinct_id": "desk", "$set": { "plan": "pro", "seats": 2 } })),
        event(4, "$merge_dangerously", "ada", json!({ "alias": "bob" })),
        event(5, "$identify", "bob", json!({ "$anon_distinct_id": "phone" })),
        event(6, "$pageview", "phone", json!({ "$set": { "since": 1 } })),
    ])
    .await;
    rig.drain().await;
    assert_eq!(rig.people().await, ["ada+bob+laptop+phone"]);
    assert_eq!(rig.plan_of("bob").await, r#"{"plan": "free", "seats": 2, "since": 1}"#);
    let log = "SELECT string_agg(other_distinct_id || '>' || target_distinct_id, ' ' ORDER BY id) FROM person_merges";
    assert_eq!(rig.pg_value::<String>(log).await, "laptop>ada desk>bob bob>ada phone>bob");
    let ada = rig.pg_value::<i64>("SELECT person_id FROM person_distinct_ids WHERE distinct_id = 'ada'").await;
    let ada = tenrec::model::PersonId::from_row(ada);
    let lines = rig.pg.list_merges(rig.project, ada, MergePage::Newest, 10).await.unwrap();
    let wrong = lines.iter().find(|line| line.event_name.as_deref() == Some("$merge_dangerously")).unwrap();
    assert_eq!(
        (lines.len(), wrong.event_uuid, wrong.joined_profiles),
        (4, Some(event(4, "", "", json!({})).uuid), true)
    );

    let merge = Part::Merge(wrong.id);
    let preview = identity.preview(rig.project, merge).await.unwrap();
    assert_eq!(preview.ids.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["bob", "desk", "phone"]);
    assert_eq!(rig.people().await, ["ada+bob+laptop+phone"], "a preview changes nothing");
    identity.part(&rig.clickhouse, rig.project, merge, user, now()).await.unwrap().unwrap();
    assert_eq!(rig.people().await, ["ada+laptop", "bob+phone"]);
    assert_eq!(rig.plan_of("phone").await, r#"{"plan": "pro", "seats": 2}"#);
    assert_eq!(rig.plan_of("ada").await, r#"{"plan": "free", "since": 1}"#, "what was set since stays");
    let again = identity.part(&rig.clickhouse, rig.project, merge, user, now()).await;
    assert!(matches!(again, Err(HandError::Cannot(CannotPart::UndoneBefore))), "{again:?}");

    rig.append(&[event(7, "e", "desk", json!({})), event(8, "e", "laptop", json!({}))]).await;
    rig.drain().await;
    assert_eq!(rig.people().await, ["ada+laptop", "bob+desk+phone"]);

    // By hand, and back; then one id alone.
    identity.merge_by_hand(&rig.clickhouse, rig.project, "bob", "ada", user, now()).await.unwrap();
    let twice = identity.merge_by_hand(&rig.clickhouse, rig.project, "bob", "laptop", user, now()).await;
    assert!(matches!(twice, Err(HandError::AlreadyOne)), "{twice:?}");
    assert_eq!(rig.people().await, ["ada+bob+desk+laptop+phone"]);
    assert_eq!(rig.plan_of("ada").await, r#"{"plan": "pro", "seats": 2, "since": 1}"#);
    let by_hand = rig.pg_value::<i64>("SELECT max(id) FROM person_merges").await;
    identity.part(&rig.clickhouse, rig.project, Part::Merge(by_hand), user, now()).await.unwrap();
    assert_eq!(rig.plan_of("ada").await, r#"{"plan": "free", "since": 1}"#);
    identity.part(&rig.clickhouse, rig.project, Part::DistinctId("phone"), user, now()).await.unwrap();
    assert_eq!(rig.people().await, ["ada+laptop", "bob+desk", "phone"]);
    let own = identity.part(&rig.clickhouse, rig.project, Part::DistinctId("bob"), user, now()).await;
    assert!(matches!(own, Err(HandError::Cannot(CannotPart::OwnId))), "{own:?}");
    assert_eq!(rig.pg_value::<i64>(DISAGREEMENTS).await, 0);
}

#[tokio::test]
async fn who_was_identified_by_a_merge_alone_is_so_while_it_stands() {
    let mut rig = Rig::start().await;
    let (identity, user) = (Identity::new(rig.pg.clone()), rig.user().await);
    // In one batch an id is named and its person becomes another's; in the next one, of a stored person.
    rig.append(&[event(1, "e", "a", json!({})), event(2, "e", "b", json!({})), event(3, "e", "c", json!({}))]).await;
    rig.drain().await;
    rig.append(&[
        event(4, "$create_alias", "a", json!({ "alias": "b" })),
        event(5, "$identify", "c", json!({})),
        event(6, "$merge_dangerously", "a", json!({ "alias": "c" })),
    ])
    .await;
    rig.drain().await;
    assert_eq!(rig.people().await, ["a+b+c"]);
    let identified = "SELECT coalesce(string_agg(distinct_id, ' ' ORDER BY distinct_id), '')
                      FROM person_distinct_ids d JOIN persons p ON p.id = d.person_id WHERE p.is_identified";
    assert_eq!(rig.pg_value::<String>(identified).await, "a b c");
    for (other, left) in [("b", "a c"), ("c", "c")] {
        let sql = format!("SELECT id FROM person_merges WHERE other_distinct_id = '{other}'");
        let merge = rig.pg_value::<i64>(&sql).await;
        identity.part(&rig.clickhouse, rig.project, Part::Merge(merge), user, now()).await.unwrap();
        assert_eq!(rig.pg_value::<String>(identified).await, left, "after {other} left");
    }
    let mirrored = "SELECT count() AS n FROM persons FINAL WHERE is_identified AND NOT is_deleted";
    assert_eq!(rig.rows(mirrored).await, [json!({ "n": 1 })]);
    assert_eq!(rig.pg_value::<i64>(WRONGLY_IDENTIFIED).await, 0);
}

#[tokio::test]
async fn a_batch_that_comes_again_after_an_undoing_does_not_merge_again() {
    let mut rig = Rig::start().await;
    let (identity, user) = (Identity::new(rig.pg.clone()), rig.user().await);
    rig.append(&[
        event(1, "e", "anon", json!({})),
        event(2, "$identify", "ada", json!({ "$anon_distinct_id": "anon" })),
    ])
    .await;
    rig.crash_before(tenrec::ingest::pipeline::Step::Insert).await;
    let merge = rig.pg_value::<i64>("SELECT id FROM person_merges").await;
    identity.part(&rig.clickhouse, rig.project, Part::Merge(merge), user, now()).await.unwrap();
    rig.drain().await;
    assert_eq!(rig.people().await, ["ada", "anon"]);
    rig.assert_stored_once(1..=2).await;
}

#[tokio::test]
async fn events_say_which_groups_they_belong_to() {
    let mut rig = Rig::start().await;
    let group = |set| json!({ "$group_type": "company", "$group_key": "acme", "$group_set": set });
    rig.append(&[
        event(1, "$groupidentify", "ada", group(json!({ "plan": "free", "seats": 1 }))),
        event(2, "e", "ada", json!({ "$groups": { "project": 7, "company": "acme" } })),
        event(3, "e", "anon", json!({ "$groups": { "company": "acme" }, "$process_person_profile": false })),
    ])
    .await;
    rig.append(&[event(4, "$groupidentify", "ada", group(json!({ "plan": "pro" })))]).await;
    rig.drain().await;
    let sql = "SELECT ifNull(`$group_0`, '') AS a, ifNull(`$group_1`, '') AS b FROM events WHERE event = 'e' ORDER BY timestamp";
    let rows = rig.rows(sql).await;
    assert_eq!(rows, [json!({ "a": "acme", "b": "7" }), json!({ "a": "acme", "b": "" })]);
    let known = rig.pg_value::<String>("SELECT properties::text FROM groups").await;
    assert_eq!(known, r#"{"plan": "pro", "seats": 1}"#);
}

/// An event as identity sees it.
struct Sent {
    uuid: Uuid,
    name: &'static str,
    id: String,
    properties: Properties,
}

impl Sent {
    fn subject(&self, rig: &Rig) -> Subject<'_> {
        Subject {
            project_id: rig.project,
            uuid: self.uuid,
            event: self.name,
            distinct_id: &self.id,
            timestamp: now(),
            properties: &self.properties,
        }
    }
}

/// Two instances take batches of identifies, merges and plain events at once, each batch twice, while merges are undone and
/// made by hand: whatever the order, no id and no number is left behind, and nothing waits for ever.
#[tokio::test]
async fn two_instances_and_a_hand_at_once_agree_on_everybody() {
    let rig = Rig::start().await;
    let user = rig.user().await;
    let stores = SharedStores::get();
    let instance = || Identity::new(Pg::new(stores.pg_options(rig.name()), 2));
    let (one, two, hand) = (instance(), instance(), instance());
    let mut runner = TestRunner::deterministic();
    let ids = || (0..12_usize).prop_map(|at| format!("p{at}"));
    let one_event = (0..5_u8, ids(), ids(), proptest::prelude::any::<u128>());
    let batches = proptest::collection::vec(proptest::collection::vec(one_event, 1..8), 60..61);
    let batches = batches.new_tree(&mut runner).unwrap().current();
    let batches: Vec<Vec<Sent>> = batches
        .into_iter()
        .map(|batch| {
            let sent = |(kind, id, other, uuid): (u8, String, String, u128)| {
                let (name, properties) = match kind {
                    0 => ("e", json!({ "$process_person_profile": false })),
                    1 => ("e", json!({ "$groups": { (format!("type of {other}")): id } })),
                    2 => ("$identify", json!({ "$anon_distinct_id": other, "$set": { "email": id } })),
                    3 => ("$create_alias", json!({ "alias": other })),
                    _ => ("$merge_dangerously", json!({ "alias": other })),
                };
                Sent { uuid: Uuid::from_u128(uuid), name, id, properties: object(properties).into() }
            };
            batch.into_iter().map(sent).collect()
        })
        .collect();
    let work = async |identity: &Identity, from: usize| {
        let mut numbers = Vec::new();
        for batch in batches.iter().skip(from).step_by(2) {
            let subjects: Vec<_> = batch.iter().map(|sent| sent.subject(&rig)).collect();
            for _ in 0..2 {
                let resolution = resolve(identity, &subjects).await;
                for (sent, resolved) in batch.iter().zip(resolution.resolved) {
                    let tenrec::identity::Resolved::Person { id, .. } = resolved else { panic!("{resolved:?}") };
                    numbers.push((sent.id.clone(), id));
                }
            }
        }
        numbers
    };
    let by_hand = async {
        for at in 0..40_usize {
            if at % 4 == 3 {
                let (target, other) = (format!("p{}", at % 12), format!("p{}", (at * 5 + 1) % 12));
                let _ = hand.merge_by_hand(&rig.clickhouse, rig.project, &target, &other, user, now()).await;
                continue;
            }
            let sql = format!(
                "SELECT coalesce((SELECT id FROM person_merges WHERE undone_at IS NULL ORDER BY (id * 7919) % 101 OFFSET {} LIMIT 1), 0)",
                at % 5
            );
            let merge = rig.pg_value::<i64>(&sql).await;
            match hand.part(&rig.clickhouse, rig.project, Part::Merge(merge), user, now()).await {
                Ok(_) | Err(HandError::Cannot(CannotPart::UndoneBefore)) => {}
                Err(error) => panic!("merge {merge}: {error}"),
            }
        }
    };
    let (first, second, ()) = tokio::join!(work(&one, 0), work(&two, 1), by_hand);

    assert_eq!(rig.pg_value::<i64>(DISAGREEMENTS).await, 0);
    let links = "SELECT count(*) FROM person_merges WHERE undone_at IS NULL";
    let owners = "SELECT count(*) - count(DISTINCT person_id) FROM person_distinct_ids";
    assert_eq!(rig.pg_value::<i64>(links).await, rig.pg_value::<i64>(owners).await, "each link joins two, no more");
    assert_eq!(rig.pg_value::<i64>(WRONGLY_IDENTIFIED).await, 0);
    assert_eq!(rig.pg_value::<i64>("SELECT count(DISTINCT type_index) FROM group_types").await, 5);
    // Whatever number was ever given out for an id leads to who it is now.
    let known: Vec<(String, i64)> =
        sqlx::query_as("SELECT distinct_id, person_id FROM person_distinct_ids").fetch_all(&rig.pool).await.unwrap();
    let known: BTreeMap<String, i64> = known.into_iter().collect();
    let overrides: Vec<(i64, i64)> =
        sqlx::query_as("SELECT from_id, into_id FROM person_overrides").fetch_all(&rig.pool).await.unwrap();
    let overrides: BTreeMap<i64, i64> = overrides.into_iter().collect();
    for (id, number) in first.into_iter().chain(second) {
        let number = number.as_row();
        let owner = known.get(&id).copied().unwrap_or(number);
        assert_eq!(overrides.get(&number).copied().unwrap_or(number), owner, "an event of {id}");
    }
    one.mirror(&rig.clickhouse, &WrittenPersons::default()).await.unwrap();
    let mirrored = "SELECT from_id, argMax(into_id, version) AS into_id FROM person_overrides GROUP BY from_id";
    let mirrored = rig.rows(mirrored).await;
    let number = |row: &Value, key: &str| row[key].as_u64().unwrap().cast_signed();
    let mirrored: BTreeMap<i64, i64> =
        mirrored.iter().map(|row| (number(row, "from_id"), number(row, "into_id"))).collect();
    assert_eq!(mirrored, overrides);
}
