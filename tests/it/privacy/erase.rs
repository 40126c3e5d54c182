//! Erasing somebody: from every query, and nothing comes back.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::support::NOW;
use crate::support::TestApp;

#[tokio::test]
async fn an_erased_person_is_gone_from_every_query_and_others_stay() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let session = "019a3f5e-1000-7000-8000-00000000aaaa";
    app.send_events(
        &owner,
        &[
            ("$pageview", "anon-1", json!({ "$process_person_profile": false, "$session_id": session })),
            ("$identify", "ada", json!({ "$anon_distinct_id": "anon-1", "$set": { "email": "ada@example.com" } })),
            ("bought", "ada", json!({ "$session_id": session, "$groups": { "company": "acme" } })),
            ("$create_alias", "ada", json!({ "alias": "ada-phone" })),
            ("bought", "ada-phone", json!({})),
            ("bought", "bob", json!({ "$set": { "email": "bob@example.com" }, "$session_id": "other" })),
        ],
    )
    .await;
    app.post_json("/capture/", &json!({ "api_key": owner.api_key, "distinct_id": "ada", "properties": {} })).await;
    app.flush().await;
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM unstored_events").await, 1);
    let uuid = app.person_uuid("ada").await;

    // Changed by hand, then made part of her: what is remembered of that goes too.
    app.send_events(&owner, &[("e", "ada-2", json!({ "$set": { "plan": "free" } }))]).await;
    for uuid in [&uuid, &app.person_uuid("ada-2").await] {
        let edited = json!({ "properties": { "plan": "gold" } });
        app.api(&owner, Method::PATCH, &format!("/persons/{uuid}/"), edited).await.assert_ok();
    }
    app.send_events(&owner, &[("$create_alias", "ada", json!({ "alias": "ada-2" }))]).await;
    let remembered = ["person_merges", "person_property_edits", "merged_persons"];
    for table in remembered {
        assert!(app.pg_value::<i64>(&format!("SELECT count(*) FROM {table}")).await > 0, "{table}");
    }

    let preview = app.api(&owner, Method::GET, &format!("/persons/{uuid}/erase_preview/"), Value::Null).await;
    let preview = preview.assert_ok().json();
    let count = |counts: &Value, store: &str, when: &str| {
        let counts = counts["stores"].as_array().unwrap();
        counts.iter().find(|count| count["store"] == store).unwrap_or_else(|| panic!("{store}"))[when].clone()
    };
    for (store, before) in [
        ("postgres.persons", 1),
        ("postgres.distinct_ids", 4),
        ("postgres.unstored_samples", 1),
        ("postgres.merge_log", 3),
        ("postgres.merged_profiles", 1),
        ("postgres.edits", 2),
        ("clickhouse.events", 7),
        ("clickhouse.sessions", 1),
    ] {
        assert_eq!(count(&preview, store, "before"), before, "{store} {preview}");
    }
    assert_eq!(count(&preview, "spool.events", "before"), 0, "what it keeps for a while goes by itself");

    let id = app.erase(&owner, &uuid).await;
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM person_distinct_ids WHERE distinct_id LIKE '%a%'").await, 0);
    let erasure = app.hidden(&owner, &id).await;
    assert_eq!(count(&erasure, "clickhouse.events", "before"), 7);
    for (store, before) in [("merge_log", 3), ("merged_profiles", 1), ("edits", 2)] {
        let store = format!("postgres.{store}");
        assert_eq!(
            (count(&erasure, &store, "before"), count(&erasure, &store, "after")),
            (json!(before), json!(0)),
            "{store}"
        );
    }
    for table in ["events", "sessions"] {
        assert_eq!(app.ch_count(&format!("SELECT count() FROM {table}")).await, 1, "{table}: bob's");
    }
    assert_eq!(app.ch_count("SELECT count() FROM person_overrides").await, 1, "bob's first profile");
    for table in ["persons", "person_distinct_ids"] {
        assert_eq!(app.ch_count(&format!("SELECT count() FROM {table}")).await, 1, "{table}: bob's");
    }
    for sql in ["SELECT count(*) FROM persons", "SELECT count(*) FROM person_distinct_ids"] {
        assert_eq!(app.pg_value::<i64>(sql).await, 1, "{sql}: bob's");
    }
    for table in remembered.into_iter().chain(["unstored_events", "duplicates"]) {
        assert_eq!(app.pg_value::<i64>(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM person_overrides").await, 1);
    app.api(&owner, Method::DELETE, &format!("/persons/{uuid}/"), Value::Null).await.assert_status(404);
    let erasure = app.erasure_at(&owner, &id, |erasure| erasure["step"] == "wait").await;
    assert!(count(&erasure, "spool.events", "before").as_u64() > Some(0), "the receipt tells of those, too");
}

#[tokio::test]
async fn what_is_sent_again_stays_out_and_what_the_id_does_later_is_a_new_persons() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let session = "019a3f5e-1000-7000-8000-00000000aaaa";
    let event = |name: &str, at: &str, properties: Value| {
        json!({ "api_key": owner.api_key, "batch": [{ "event": name, "distinct_id": "ada", "properties": properties,
                "timestamp": at, "uuid": "5f0fd2b1-5b0e-4b0a-9b0a-5f3c1d2e4f60" }] })
    };
    let first = event(
        "bought",
        "2026-11-01T11:00:00Z",
        json!({ "$set": { "email": "ada@example.com" }, "$session_id": session }),
    );
    app.post_json("/batch/", &first).await.assert_ok();
    app.flush().await;
    let id = app.erase(&owner, &app.person_uuid("ada").await).await;
    app.hidden(&owner, &id).await;
    app.clock.advance(Duration::from_secs(3600));
    app.post_json("/batch/", &first).await.assert_ok();
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 0);
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM persons").await, 0);
    let rejected = "SELECT events FROM ingest_ledger WHERE outcome = 'rejected' AND reason = 'erased'";
    assert_eq!(app.pg_value::<i64>(rejected).await, 1);
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM unstored_events").await, 0, "nothing of it is kept");

    let mut later = event("returned", "2026-11-01T12:30:00Z", json!({ "$session_id": session }));
    later["batch"][0]["uuid"] = json!("6f0fd2b1-5b0e-4b0a-9b0a-5f3c1d2e4f60");
    app.post_json("/batch/", &later).await.assert_ok();
    app.flush().await;
    let found = app.ch_rows("SELECT event, toString(person_properties) AS of_person FROM events").await;
    assert_eq!(found.len(), 1);
    assert!(!found[0]["of_person"].as_str().unwrap().contains("ada@"), "{found:?}");
    let properties = app.pg_value::<String>("SELECT properties::text FROM persons").await;
    assert!(!properties.contains("ada@example.com"), "{properties}");
    let sessions = app.ch_rows("SELECT events, toString(first_at) AS first_at FROM sessions FINAL").await;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["events"], 1, "the session's past is not remembered: {sessions:?}");
    let ledger = "SELECT sum(CASE outcome WHEN 'received' THEN events ELSE -events END)::bigint FROM ingest_ledger";
    assert_eq!(app.pg_value::<i64>(ledger).await, 0, "every event has one outcome");
}

#[tokio::test]
async fn without_their_events_only_the_profile_goes() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    app.send_events(&owner, &[("bought", "ada", json!({ "$set": { "email": "ada@example.com" } }))]).await;
    let uuid = app.person_uuid("ada").await;
    let edited = json!({ "properties": { "plan": "gold" } });
    app.api(&owner, Method::PATCH, &format!("/persons/{uuid}/"), edited).await.assert_ok();
    // Somebody else has the same address, and a search found that.
    app.send_events(&owner, &[("bought", "ada-2", json!({ "$set": { "email": "Ada@Example.com" } }))]).await;
    let project = tenrec::model::ProjectId::new(owner.project.try_into().unwrap());
    app.state().pg.search_duplicates(project, "email", app.clock.now()).await.unwrap();
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM duplicates").await, 1);
    let reply = app.api(&owner, Method::DELETE, &format!("/persons/{uuid}/"), Value::Null).await;
    let id = reply.assert_status(202).json()["id"].as_str().unwrap().to_owned();
    let erasure = app.erased(&owner, &id).await;
    assert_eq!(erasure["events_kept"], true);
    for (store, before) in
        [("persons", 1), ("distinct_ids", 1), ("edits", 1), ("merged_profiles", 0), ("duplicates", 1)]
    {
        let counted = json!({ "store": format!("postgres.{store}"), "before": before, "after": 0 });
        assert!(erasure["stores"].as_array().unwrap().contains(&counted), "{counted} {erasure}");
    }
    for table in ["persons", "person_distinct_ids"] {
        assert_eq!(app.ch_count(&format!("SELECT count() FROM {table}")).await, 1, "{table}: the other's");
    }
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 2);
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM persons").await, 1, "the other");
    for table in ["duplicates", "person_property_edits"] {
        assert_eq!(app.pg_value::<i64>(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn several_people_go_by_ids_and_addresses() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let of = |email: &str| json!({ "$set": { "email": email } });
    let personless = json!({ "$process_person_profile": false });
    app.send_events(
        &owner,
        &[("e", "a", of("A@x.org")), ("e", "b", of("b@x.org")), ("e", "c", of("c@x.org")), ("e", "anon", personless)],
    )
    .await;
    let wish = json!({ "emails": ["a@X.org"], "distinct_ids": ["b", "anon"], "delete_events": true });
    let reply = app.api(&owner, Method::POST, "/persons/bulk_delete/", wish).await;
    let reply = reply.assert_status(202).json();
    assert_eq!(reply["persons_deleted"], 3, "{reply}");
    for erasure in reply["erasures"].as_array().unwrap() {
        app.hidden(&owner, erasure["id"].as_str().unwrap()).await;
    }
    let left = app.ch_rows("SELECT distinct_id FROM events").await;
    assert_eq!(left, [json!({ "distinct_id": "c" })]);
}

#[tokio::test]
async fn who_opted_out_is_not_counted_until_taken_in_again() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let ids = json!({ "distinct_ids": ["ada", "bob"] });
    let added = app.api(&owner, Method::POST, "/privacy/opt_outs/", ids).await;
    assert_eq!(added.assert_ok().json()["changed"], 2);
    app.send_events(
        &owner,
        &[
            ("e", "ada", json!({})),
            ("e", "carol", json!({})),
            ("$identify", "dan", json!({ "$anon_distinct_id": "bob" })),
        ],
    )
    .await;
    assert_eq!(app.ch_rows("SELECT distinct_id FROM events").await, [json!({ "distinct_id": "carol" })]);
    let rejected = "SELECT events FROM ingest_ledger WHERE outcome = 'rejected' AND reason = 'opted_out'";
    assert_eq!(app.pg_value::<i64>(rejected).await, 2);
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM persons").await, 1);
    let removed = app.api(&owner, Method::DELETE, "/privacy/opt_outs/", json!({ "distinct_ids": ["ada"] })).await;
    assert_eq!(removed.assert_ok().json()["changed"], 1);
    app.send_events(&owner, &[("e", "ada", json!({}))]).await;
    assert_eq!(app.ch_count("SELECT count() FROM events WHERE distinct_id = 'ada'").await, 1);
    let list = app.api(&owner, Method::GET, "/privacy/opt_outs/", Value::Null).await.assert_ok().json();
    assert_eq!((list["count"].clone(), list["results"][0]["distinct_id"].clone()), (json!(1), json!("bob")));
    assert_eq!(list["results"][0]["created_at"].as_str().map(|at| at.replace("00Z", "00.000Z")), Some(NOW.to_owned()));
}

#[tokio::test]
async fn only_admins_erase_and_only_in_their_own_project() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    app.send_events(&owner, &[("e", "ada", json!({}))]).await;
    let uuid = app.person_uuid("ada").await;
    let (_, elsewhere, _) = app.stranger().await;
    for (method, path) in [
        (Method::DELETE, format!("/api/projects/{elsewhere}/persons/{uuid}/")),
        (Method::GET, format!("/api/projects/{elsewhere}/persons/{uuid}/export/")),
        (Method::GET, format!("/api/projects/{elsewhere}/privacy/erasures/")),
    ] {
        let request = app.request(method, &path).header("authorization", format!("Bearer {}", owner.personal_key));
        app.send(request.body(http_body_util::Full::default()).unwrap()).await.assert_status(404);
    }
    app.pg_execute("UPDATE memberships SET role = 'member'").await;
    app.api(&owner, Method::DELETE, &format!("/persons/{uuid}/"), Value::Null).await.assert_status(403);
    app.api(&owner, Method::POST, "/persons/bulk_delete/", json!({ "distinct_ids": ["ada"] })).await.assert_status(403);
    app.api(&owner, Method::GET, &format!("/persons/{uuid}/export/"), Value::Null).await.assert_ok();
    app.pg_execute("UPDATE memberships SET role = 'viewer'").await;
    app.api(&owner, Method::GET, &format!("/persons/{uuid}/export/"), Value::Null).await.assert_status(403);
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM persons").await, 1);
}
