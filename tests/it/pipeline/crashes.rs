//! Repetitions, crashes and stores that are away.

use std::time::Duration;

use serde_json::json;
use tenrec::ingest::AcceptedEvent;
use tenrec::ingest::pipeline::Step;
use uuid::Uuid;

use super::rig::{PERSONS, Rig, event};

pub const STEPS: [Step; 8] = [
    Step::LookUp,
    Step::Identity,
    Step::Insert,
    Step::Definitions,
    Step::Overrides,
    Step::Sessions,
    Step::Ledger,
    Step::Cursor,
];

#[tokio::test]
async fn an_event_counts_once_however_often_it_is_sent() {
    let mut rig = Rig::start().await;
    let first = event(1, "e", "ada", json!({ "$set": { "plan": "free" } }));
    rig.append(&[first.clone(), first.clone()]).await;
    rig.append(std::slice::from_ref(&first)).await;
    let status = rig.drain().await;
    assert_eq!((status.stored, status.duplicates), (1, 2));

    // Later, after a restart, with its clock corrected anew; the person has changed in the meantime.
    rig.append(&[event(2, "e", "ada", json!({ "$set": { "plan": "pro" } }))]).await;
    rig.drain().await;
    let again = AcceptedEvent { timestamp: first.timestamp + Duration::from_secs(5), ..first.clone() };
    rig.append(&[again, event(3, "e", "ada", json!({}))]).await;
    let status = rig.drain().await;
    assert_eq!((status.stored, status.duplicates), (1, 1));
    rig.assert_stored_once([1, 2, 3]).await;
    let plan = rig.pg_value::<String>("SELECT properties ->> 'plan' FROM persons").await;
    assert_eq!(plan, "pro", "a repeated event does not undo what came after it");

    // Of another project it is another event.
    sqlx::query("INSERT INTO projects (organization_id, name, api_key, time_zone, created_at) SELECT id, 'q', 'phc_q', 'UTC', now() FROM organizations")
        .execute(&rig.pool)
        .await
        .unwrap();
    rig.append(&[AcceptedEvent { project_id: tenrec::model::ProjectId::new(2), ..first }]).await;
    assert_eq!(rig.drain().await.stored, 1);
}

#[tokio::test]
async fn a_lost_cursor_repeats_everything_and_changes_nothing() {
    let mut rig = Rig::start().await;
    for n in 0..20 {
        rig.append(&[event(n, "e", &format!("id-{}", n % 7), json!({ "$set": { "n": n } }))]).await;
    }
    rig.max_events = 3;
    rig.drain().await;
    let persons = "SELECT string_agg(properties::text || version, ' ' ORDER BY id) FROM persons";
    let before: String = rig.pg_value(persons).await;
    // Events appended behind keep the old segment from being removed.
    rig.lose_cursor().await;
    rig.max_events = 5;
    rig.append(&[event(20, "e", "id-0", json!({}))]).await;
    rig.drain().await;
    rig.assert_stored_once(0..=20).await;
    assert_eq!(rig.pg_value::<String>(persons).await, before);
}

#[tokio::test]
async fn a_crash_between_any_two_steps_repeats_harmlessly() {
    for step in STEPS {
        let mut rig = Rig::start().await;
        let anonymous = json!({ "$process_person_profile": false });
        let mut last_month = event(9, "e", "ada", json!({ "$set": { "last": 9 } }));
        last_month.timestamp = "2026-10-01T00:00:00Z".parse().unwrap();
        rig.append(&[event(1, "$pageview", "anon", anonymous)]).await;
        rig.append(&[
            event(2, "e", "bob", json!({ "$set": { "plan": "free" } })),
            event(3, "$identify", "ada", json!({ "$anon_distinct_id": "anon", "$set": { "plan": "pro" } })),
            event(4, "$create_alias", "ada", json!({ "alias": "bob" })),
            last_month,
        ])
        .await;
        rig.crash_before(step).await;
        rig.crash_before(step).await;
        // What comes in afterwards does not widen the batch that was under way.
        rig.append(&[event(5, "e", "bob", json!({}))]).await;
        rig.drain().await;

        rig.assert_stored_once([1, 2, 3, 4, 5, 9]).await;
        let persons = rig.count(&format!("SELECT uniqExact(person) FROM ({PERSONS})")).await;
        assert_eq!(persons, 1, "crash before {step:?}");
        let person = "SELECT concat(count(*), max(properties ->> 'plan'), max(properties ->> 'last')) FROM persons";
        assert_eq!(rig.pg_value::<String>(person).await, "1pro9", "crash before {step:?}");
        assert_eq!(rig.pg_value::<i64>("SELECT count(*) FROM override_changes").await, 0);
        assert_eq!(rig.pg_value::<i64>("SELECT count(*) FROM person_distinct_ids").await, 3);
        assert_eq!(rig.pg_value::<i64>("SELECT count(*) FROM event_definitions").await, 4, "crash before {step:?}");
    }
}

#[tokio::test]
async fn events_wait_for_a_clickhouse_that_is_away_and_arrive_by_themselves() {
    let mut rig = Rig::start().await;
    let proxy = rig.proxy.clone();
    proxy.set_closed(true);
    for n in 0..30 {
        rig.append(&[event(n, "e", "ada", json!({ "$set": { "n": n } }))]).await;
    }
    let status = rig
        .drain_while(async |handle| {
            while handle.status().retries < 3 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let waiting = handle.status();
            assert!(waiting.waiting_for.is_some() && waiting.stored == 0);
            proxy.set_closed(false);
        })
        .await;
    assert_eq!((status.stored, status.waiting_for, status.lag), (30, None, Duration::ZERO));
    rig.assert_stored_once(0..30).await;
    // Tried often, but the events say what was known when they happened.
    let rows = rig.rows("SELECT person_properties.n::Int64 AS n FROM events ORDER BY timestamp").await;
    let seen: Vec<_> = rows.iter().map(|row| row["n"].as_i64().unwrap()).collect();
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_insert_whose_answer_is_lost_is_not_sent_again() {
    let mut rig = Rig::start().await;
    rig.max_events = 4;
    rig.proxy.drop_answers(3);
    for n in 0..16 {
        rig.append(&[event(n, "e", "ada", json!({}))]).await;
    }
    let status = rig.drain().await;
    assert_eq!(rig.proxy.dropped(), 3);
    assert_eq!((status.stored, status.duplicates, status.retries), (16, 0, 3));
    rig.assert_stored_once(0..16).await;
}

#[tokio::test]
async fn a_poison_event_goes_aside_alone() {
    let mut rig = Rig::start().await;
    rig.ch_execute("ALTER TABLE events ADD CONSTRAINT no_poison CHECK event != 'poison'").await;
    let mut events: Vec<_> = (0..50).map(|n| event(n, "e", "ada", json!({ "$set": { "n": n } }))).collect();
    events[17].event = "poison".to_owned();
    // Postgres takes no NUL in a text.
    events[33] = event(33, "e", "ada", json!({ "$set": { "bad": "a\u{0}b" } }));
    rig.append(&events).await;
    let status = rig.drain().await;
    rig.assert_stored_once((0..50).filter(|n| ![17, 33].contains(n))).await;
    assert_eq!((status.stored, status.quarantined.values().sum::<u64>()), (48, 2));
    let kept = rig.quarantine();
    let uuids: Vec<Uuid> = kept.iter().map(|line| line["event"]["uuid"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(uuids, [events[17].uuid, events[33].uuid]);
    assert_eq!((&kept[0]["reason"], &kept[1]["reason"]), (&json!("insert"), &json!("identity")));
    assert_eq!(rig.pg_value::<String>("SELECT properties ->> 'n' FROM persons").await, "49");
}

#[tokio::test]
async fn events_of_a_deleted_project_go_aside() {
    let mut rig = Rig::start().await;
    let gone = AcceptedEvent { project_id: tenrec::model::ProjectId::new(99), ..event(1, "e", "ada", json!({})) };
    rig.append(&[gone, event(2, "e", "ada", json!({}))]).await;
    let status = rig.drain().await;
    assert_eq!((status.stored, status.quarantined.get("unknown_project")), (1, Some(&1)));
    rig.assert_stored_once([2]).await;
}
