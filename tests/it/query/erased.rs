//! Erasing somebody while ClickHouse merges what holds them. A merge may take minutes, and what is deleted is marked in a part
//! only when the part's merge is over: here merges stand still, and so does every delete.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value, json};
use tenrec::insights::QUERY_KINDS;
use tenrec::storage::ch::ErasedTable;

use super::{Desk, kinds};

const DELETES: &str = "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done";
const ROWS: &str = "SELECT count() FROM events WHERE distinct_id = 'ada' SETTINGS apply_mutations_on_fly = 0";

impl Desk {
    /// Two people, of whom one was somebody else before, and is in a cohort.
    async fn with_two_people() -> Self {
        let desk = Self::start().await;
        desk.send(&kinds::life("word")).await;
        let merged = json!([{ "event": "$identify", "distinct_id": "ada", "timestamp": "2026-10-31T11:00:00Z",
            "properties": { "$anon_distinct_id": "ada-phone", "shared": "yes" } }]);
        desk.send(&json!([{ "event": "buy", "distinct_id": "ada-phone", "timestamp": "2026-10-31T10:30:00Z", "properties": {} }]))
            .await;
        desk.send(&merged).await;
        desk.action("Bought", json!([{ "event": "buy" }])).await;
        let invited = json!({ "name": "Invited", "is_static": true });
        let made = desk.app.api(&desk.owner, Method::POST, "/cohorts/", invited).await.assert_status(201).json();
        let path = format!("/cohorts/{}/add_persons_to_static_cohort/", made["id"]);
        let both = json!({ "person_ids": [desk.app.person_uuid("ada").await, desk.app.person_uuid("bob").await] });
        desk.app.api(&desk.owner, Method::PATCH, &path, both).await.assert_ok();
        desk
    }

    async fn merges(&self, word: &str) {
        for table in ErasedTable::ALL {
            self.app.ch_execute(&format!("SYSTEM {word} MERGES {}", table.name())).await;
        }
    }

    /// What a question of every kind is answered, and what stands in every table that can be asked.
    async fn all_answers(&self) -> Map<String, Value> {
        let mut answers = Map::new();
        for kind in QUERY_KINDS {
            answers.insert((*kind).to_owned(), self.answer(kinds::question(kind)).await["results"].clone());
        }
        let lines = json!({ "kind": "TrendsQuery", "series": [{ "kind": "EventsNode", "event": "buy" }], "traffic": "all",
            "dateRange": { "date_from": "2026-10-25", "date_to": "2026-11-01" } });
        answers.insert("counted lines".to_owned(), self.answer(lines).await["results"].clone());
        for table in ["events", "sessions", "persons", "raw_person_distinct_ids"] {
            let rows = self.rows(&format!("select count() from {table}")).await;
            answers.insert(table.to_owned(), rows);
        }
        let members = "SELECT count() FROM cohort_members FINAL";
        answers.insert("members".to_owned(), self.app.ch_count(members).await.into());
        answers
    }
}

#[tokio::test]
async fn nobody_erased_is_in_an_answer_while_their_parts_are_merged() {
    let desk = Desk::with_two_people().await;
    let (app, owner) = (&desk.app, &desk.owner);
    let before = desk.all_answers().await;
    app.hurry_old_parts().await;
    desk.merges("STOP").await;

    let ada = app.erase(owner, &app.person_uuid("ada").await).await;
    let hidden = app.hidden(owner, &ada).await;
    for count in hidden["stores"].as_array().unwrap() {
        assert!(count["store"] == "spool.events" || count["after"] == 0, "{hidden:#}");
    }
    assert!(app.ch_count(DELETES).await >= 5, "the deletes wait");
    assert!(app.ch_count(ROWS).await > 0, "the rows are in their parts");
    let meanwhile = desk.all_answers().await;
    for (what, answer) in &meanwhile {
        assert_ne!(answer, &before[what], "{what} was asked of somebody else only");
        assert!(!answer.to_string().contains("\"ada"), "{what} {answer}");
    }
    // Whoever is erased next need not wait either, and files are not waited for with the turn in hand.
    let bob = app.erase(owner, &app.person_uuid("bob").await).await;
    app.hidden(owner, &bob).await;
    assert_eq!(desk.rows("select count() from events").await, json!([[0]]));
    assert_eq!(app.erasure_at(owner, &ada, |_| true).await["step"], "scrub");

    desk.merges("START").await;
    for erasure in [&ada, &bob] {
        let erasure = app.erasure_at(owner, erasure, |erasure| erasure["step"] == "wait").await;
        assert_eq!(erasure["error"], json!(null));
    }
    for table in ErasedTable::ALL.map(ErasedTable::name) {
        let rows = format!("SELECT count() FROM {table} SETTINGS apply_mutations_on_fly = 0, apply_deleted_mask = 0");
        assert_eq!(app.ch_count(&rows).await, 0, "{table}");
    }
    // Deletes are forgotten once nothing could bring the rows back.
    let deletes = DELETES.replace("NOT is_done", "command LIKE '%_row_exists%'");
    for _ in 0..600 {
        if app.ch_count(&deletes).await == 0 {
            return;
        }
        app.clock.advance(Duration::from_secs(6 * 60));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("deletes that are done are kept");
}

#[tokio::test]
async fn what_comes_back_because_a_delete_was_stopped_is_deleted_again() {
    let desk = Desk::with_two_people().await;
    let (app, owner) = (&desk.app, &desk.owner);
    desk.merges("STOP").await;
    let ada = app.erase(owner, &app.person_uuid("ada").await).await;
    app.erasure_at(owner, &ada, |erasure| erasure["step"] == "scrub").await;
    app.ch_execute("KILL MUTATION WHERE database = currentDatabase() SYNC").await;
    desk.merges("START").await;
    app.erasure_at(owner, &ada, |erasure| erasure["step"] == "wait").await;
    assert_eq!(app.ch_count(ROWS).await, 0);
    assert_eq!(desk.rows("select count() from events where distinct_id = 'bob'").await, json!([[15]]));
}
