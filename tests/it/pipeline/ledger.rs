//! The ledger: every event that was received is in one outcome, counted once.

use serde_json::json;
use tenrec::ingest::pipeline::Step;
use tenrec::ingest::{RejectedEvent, Rejection};
use tenrec::model::ProjectId;

use super::crashes::STEPS;
use super::rig::{Rig, event, now};

fn rejected(reason: Rejection, count: u32) -> RejectedEvent {
    RejectedEvent {
        project_id: ProjectId::new(1),
        received_at: now(),
        reason,
        count,
        event: Some("e".to_owned()),
        distinct_id: Some("ada".to_owned()),
        uuid: None,
        sample: if count == 1 { r#"{"event":"e"}"#.to_owned() } else { String::new() },
    }
}

#[tokio::test]
async fn whatever_dies_on_the_way_every_event_is_counted_once() {
    for step in STEPS {
        let mut rig = Rig::start().await;
        rig.append(&[event(1, "e", "ada", json!({}))]).await;
        rig.drain().await;
        assert_eq!(rig.ledger().await, "received=1 stored=1");

        let forbidden = json!({"$process_person_profile": false, "$anon_distinct_id": "x"});
        rig.append_with(
            &[
                event(1, "e", "ada", json!({})),
                event(2, "e", "ada", json!({})),
                event(2, "e", "ada", json!({})),
                event(3, "e", "crawler", json!({"$bot_class": "crawler"})),
                event(4, "$identify", "ada", forbidden),
            ],
            &[rejected(Rejection::InvalidUuid, 1), rejected(Rejection::InvalidUuid, 40)],
        )
        .await;
        rig.append_with(&[], &[rejected(Rejection::TooLarge, 1)]).await;
        rig.crash_before(step).await;
        rig.crash_before(step).await;
        // What comes in afterwards is counted by itself.
        rig.append(&[event(5, "e", "ada", json!({}))]).await;
        rig.drain().await;
        assert_eq!(
            rig.ledger().await,
            "duplicate=2 quarantined:bot=1 quarantined:invalid_event_when_process_person_profile_is_false=1 received=49 \
             rejected:event_too_large=1 rejected:invalid_uuid=41 stored=3",
            "crash before {step:?}"
        );
        rig.assert_stored_once([1, 2, 3, 5]).await;
        let kept = "SELECT string_agg(kind || ' ' || reason || ' ' || count, ', ' ORDER BY id) FROM unstored_events";
        assert_eq!(
            rig.pg_value::<String>(kept).await,
            "rejected invalid_uuid 1, rejected invalid_uuid 40, rejected event_too_large 1, \
             quarantined invalid_event_when_process_person_profile_is_false 1",
            "crash before {step:?}"
        );
    }
}

#[tokio::test]
async fn a_batch_of_which_a_store_refuses_one_event_balances() {
    let mut rig = Rig::start().await;
    // The error of a constraint blames the row, as those of unstorable values do.
    rig.ch_execute("ALTER TABLE events ADD CONSTRAINT no_poison CHECK distinct_id != 'poison'").await;
    let events: Vec<_> = (0..20).map(|n| event(n, "e", if n == 7 { "poison" } else { "ada" }, json!({}))).collect();
    rig.append(&events).await;
    let status = rig.drain().await;
    assert_eq!(status.stored + status.quarantined.values().sum::<u64>(), 20, "{status:?}");
    assert_eq!(rig.ledger().await, "quarantined:insert=1 received=20 stored=19");
    let shown = "SELECT distinct_id || ' ' || (detail <> '') FROM unstored_events";
    assert_eq!(rig.pg_value::<String>(shown).await, "poison true");
}

#[tokio::test]
async fn a_lost_cursor_counts_nothing_again() {
    let mut rig = Rig::start().await;
    for n in 0..10 {
        rig.append_with(&[event(n, "e", "ada", json!({}))], &[rejected(Rejection::InvalidUuid, 1)]).await;
    }
    rig.max_events = 6;
    rig.drain().await;
    let before = "received=20 rejected:invalid_uuid=10 stored=10";
    assert_eq!(rig.ledger().await, before);
    rig.lose_cursor().await;
    // Larger batches than before, one of which would hold the old and the new.
    rig.max_events = 1000;
    rig.append(&[event(10, "e", "ada", json!({})), event(3, "e", "ada", json!({}))]).await;
    rig.drain().await;
    assert_eq!(rig.ledger().await, "duplicate=1 received=22 rejected:invalid_uuid=10 stored=11");
    rig.assert_stored_once(0..=10).await;
}

#[tokio::test]
async fn a_spool_that_was_emptied_by_hand_is_counted_on() {
    let mut rig = Rig::start().await;
    for n in 0..5 {
        rig.append(&[event(n, "e", "ada", json!({}))]).await;
    }
    rig.drain().await;
    rig.empty_spool().await;
    rig.append(&[event(5, "e", "ada", json!({}))]).await;
    rig.crash_before(Step::Cursor).await;
    rig.drain().await;
    assert_eq!(rig.ledger().await, "received=6 stored=6");
}

#[tokio::test]
async fn only_the_newest_samples_are_kept_and_all_are_counted() {
    let mut rig = Rig::start().await;
    for _ in 0..3 {
        let many: Vec<_> = (0..450).map(|_| rejected(Rejection::InvalidUuid, 1)).collect();
        rig.append_with(&[], &many).await;
        rig.drain().await;
    }
    assert_eq!(rig.ledger().await, "received=1350 rejected:invalid_uuid=1350");
    assert_eq!(rig.pg_value::<i64>("SELECT count(*) FROM unstored_events").await, 1000);
    assert_eq!(rig.pg_value::<i64>("SELECT min(id) FROM unstored_events").await, 351);
}

#[tokio::test]
async fn events_of_a_project_that_is_gone_are_in_no_ledger() {
    let mut rig = Rig::start().await;
    let mut stray = event(1, "e", "ada", json!({}));
    stray.project_id = ProjectId::new(77);
    let strays = [RejectedEvent { project_id: ProjectId::new(77), ..rejected(Rejection::InvalidUuid, 1) }];
    rig.append_with(&[stray, event(2, "e", "ada", json!({}))], &strays).await;
    rig.drain().await;
    assert_eq!(rig.pg_value::<i64>("SELECT count(*) FROM ingest_ledger WHERE project_id <> 1").await, 0);
    assert_eq!(rig.ledger().await, "received=1 stored=1");
}
