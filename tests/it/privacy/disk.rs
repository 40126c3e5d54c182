//! R20: nothing of an erased person is on the disk. The whole data directory is searched for the bytes of what was erased: both
//! stores with their logs, the spool, the quarantine.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tenrec::model::ProjectId;

use crate::support::{SharedStores, TestApp};

/// The files below a directory that hold one of these texts.
fn files_with(dir: &Path, texts: &[&str]) -> Vec<String> {
    let mut grep = Command::new("grep");
    grep.args(["-rlaF"]);
    for text in texts {
        grep.args(["-e", text]);
    }
    let found = grep.arg(dir).output().expect("grep runs");
    String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn nothing_of_an_erased_person_is_on_the_disk() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    // Compressed, a text may be there and not be found: the columns that are searched lie bare.
    app.ch_rows("ALTER TABLE events MODIFY COLUMN distinct_id String CODEC(NONE), MODIFY COLUMN title Nullable(String) CODEC(NONE)").await;
    app.ch_rows("ALTER TABLE sessions MODIFY COLUMN first_distinct_id String CODEC(NONE)").await;
    app.ch_rows("ALTER TABLE person_distinct_ids MODIFY COLUMN distinct_id String CODEC(NONE)").await;
    app.hurry_old_parts().await;
    let mark = uuid::Uuid::new_v4().simple().to_string();
    let (id, anon, email) = (format!("id-{mark}"), format!("anon-{mark}"), format!("{mark}@example.com"));
    let (title, session) = (format!("title-{mark}"), format!("session-{mark}"));
    let personless = json!({ "$process_person_profile": false });
    app.send_events(
        &owner,
        &[
            ("$pageview", &anon, json!({ "title": title, "$session_id": session, "$process_person_profile": false })),
            ("$identify", &id, json!({ "$anon_distinct_id": anon, "$set": { "email": email, "note": mark } })),
            ("bought", &id, json!({ "title": title, "tail": mark, "$session_id": session })),
            ("bought", "bob", json!({ "title": "bobs" })),
            // Set aside: it identifies and forbids it.
            ("$identify", &id, personless),
        ],
    )
    .await;
    // Somebody with the same address, whose plan was changed by hand, was found by a search and became the same person.
    let other = format!("other-{mark}");
    app.send_events(&owner, &[("$set", &other, json!({ "$set": { "email": email } }))]).await;
    let project = ProjectId::new(owner.project.try_into().unwrap());
    app.state().pg.search_duplicates(project, "email", app.clock.now()).await.unwrap();
    let path = format!("/persons/{}/", app.person_uuid(&other).await);
    app.api(&owner, Method::PATCH, &path, json!({ "properties": { "plan": mark } })).await.assert_ok();
    app.send_events(&owner, &[("$create_alias", &id, json!({ "alias": other }))]).await;
    app.post_json("/capture/", &json!({ "api_key": owner.api_key, "distinct_id": id, "properties": { "x": mark } }))
        .await;
    app.flush().await;
    let made = app.api(&owner, Method::POST, "/cohorts/", json!({ "name": "Invited", "is_static": true })).await;
    let path = format!("/cohorts/{}/add_persons_to_static_cohort/", made.assert_status(201).json()["id"]);
    let her = json!({ "person_ids": [app.person_uuid(&id).await] });
    app.api(&owner, Method::PATCH, &path, her).await.assert_ok();
    // Everything that Postgres keeps samples of.
    app.pg_execute("ANALYZE; CHECKPOINT").await;

    let data_dir = SharedStores::get().data_dir();
    let texts = [mark.as_str()];
    let before = files_with(data_dir, &texts);
    for part in ["/postgres/base", "/clickhouse/store", "/quarantine/", "/spool/"] {
        assert!(before.iter().any(|file| file.contains(part)), "the search is blind for {part}: {before:#?}");
    }
    // Other tests erase on the same server, and end its log: what was written a while ago may be gone from there already.
    let mut is_in_log = false;
    for _ in 0..10 {
        app.pg_execute(&format!("SELECT pg_logical_emit_message(true, 'test', '{mark}')")).await;
        is_in_log |= !files_with(&data_dir.join("postgres/pg_wal"), &texts).is_empty();
    }
    assert!(is_in_log, "the search is blind for the log");

    let erasure = app.erase(&owner, &app.person_uuid(&id).await).await;
    app.erasure_at(&owner, &erasure, |erasure| erasure["step"] == "wait").await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 1, "bob's");
    // The spool keeps what is stored for a quarter of an hour.
    app.clock.advance(Duration::from_secs(16 * 60));
    let erasure = app.erased(&owner, &erasure).await;
    for store in erasure["stores"].as_array().unwrap() {
        assert_eq!(store["after"], 0, "{erasure:#}");
        assert_ne!(store["before"], 0, "there was something everywhere: {erasure:#}");
    }
    let after = files_with(data_dir, &texts);
    assert!(after.is_empty(), "something is left in {after:#?}");
    let receipt = app
        .api(
            &owner,
            http::Method::GET,
            &format!("/privacy/erasures/{}/receipt/", erasure["id"].as_str().unwrap()),
            json!(null),
        )
        .await;
    assert!(!receipt.assert_ok().text().contains(&mark), "a receipt names nobody");
}
