//! What became of the events: the ledger's endpoint and pages, from requests of SDKs on.

use serde_json::{Value, json};

use crate::support::TestApp;

#[tokio::test]
async fn what_came_in_is_accounted_for_on_the_page_and_over_the_api() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let uuid = app.clock.new_uuid();
    let event = |fields: Value| {
        let mut event = json!({"event": "signup", "distinct_id": "ada"});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event
    };
    let sample = "<script>alert(1)</script>";
    let batch = json!({"api_key": owner.api_key, "batch": [
        event(json!({"uuid": uuid})),
        event(json!({"uuid": uuid})),
        event(json!({"uuid": "nonsense", "properties": {"text": sample, "$ip": "192.0.2.7"}})),
        {"event": "nobody's"},
    ]});
    app.post_json("/batch/", &batch).await.assert_ok();
    // Nothing but mistakes: refused, and in the ledger all the same.
    let refused = json!({"api_key": owner.api_key, "batch": [3, {"distinct_id": "ada"}]});
    app.post_json("/batch/", &refused).await.assert_status(400);
    // Of an unknown key: of no project.
    app.post_json("/batch/", &json!({"api_key": "phc_unknown", "batch": [3]})).await.assert_status(401);
    app.flush().await;

    let path = format!("/api/projects/{}/ingestion/", owner.project);
    let ledger = app.get_with_key(&path, &owner.personal_key).await.assert_ok().json();
    let rejected = json!({"invalid_uuid": 1, "missing_distinct_id": 1, "missing_event_name": 1, "not_an_object": 1});
    let totals =
        json!({"received": 6, "stored": 1, "duplicate": 1, "rejected": rejected, "quarantined": {}, "imbalance": 0});
    assert_eq!(ledger["totals"], totals);
    let hours = ledger["hours"].as_array().unwrap();
    assert!((24..=25).contains(&hours.len()), "{} hours", hours.len());
    assert_eq!(hours.last().unwrap()["received"], 6);
    assert_eq!(ledger["pending"]["requests"], 0);
    app.get(&path).await.assert_status(401);
    let wrong = format!("{path}?from=yesterday");
    app.get_with_key(&wrong, &owner.personal_key).await.assert_status(400);
    let metrics = app.get("/metrics").await.text().to_owned();
    assert!(metrics.contains("tenrec_ledger_events_total{outcome=\"rejected\"}"), "{metrics}");
    assert!(metrics.contains("tenrec_capture_refused_total{code=\"invalid_api_key\"}"), "{metrics}");

    let base = format!("/project/{}/ingestion", owner.project);
    let page = owner.browser.get(&base).await;
    let balance = page.assert_ok().element_text(".ledger-balance");
    assert_eq!(balance, "Received 6 = stored 1 + duplicate 1 + rejected 4 + quarantined 0 balances");
    let page = owner.browser.get(&format!("{base}/rejected")).await.assert_ok().text().to_owned();
    assert!(page.contains("The uuid is not a UUID") && page.contains("nobody&#x27;s") || page.contains("nobody&#39;s"));
    assert!(!page.contains(sample) && !page.contains("192.0.2.7"), "a sample is escaped and has no address");

    for (reason, shown) in [("invalid_uuid", "signup"), ("missing_distinct_id", "nobody's")] {
        let page = owner.browser.get(&format!("{base}/rejected?reason={reason}")).await;
        assert_eq!(page.assert_ok().text().matches("<summary>").count(), 1, "{reason}");
        assert_eq!(page.element_text(".unstored-name"), shown);
    }
    let none = owner.browser.get(&format!("{base}/rejected?reason=event_too_large")).await;
    assert!(none.assert_ok().element_text(".empty").contains("None of this reason is kept"));
    let week = owner.browser.get(&format!("{base}?range=7d")).await;
    assert_eq!(week.assert_ok().text().matches("data-x=").count(), 7, "a column for each day");

    // An hour of which something is missing is said to be wrong.
    app.pg_execute("UPDATE ingest_ledger SET events = events + 2 WHERE outcome = 'received'").await;
    let page = owner.browser.get(&base).await;
    assert!(page.assert_ok().element_text(".notice.is-error").contains("2 without an outcome"));
    let ledger = app.get_with_key(&path, &owner.personal_key).await.assert_ok().json();
    assert_eq!(ledger["totals"]["imbalance"], 2);
}

#[tokio::test]
async fn where_an_event_is_can_be_asked() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let (stranger, _, _) = app.stranger().await;
    let uuid = app.clock.new_uuid();
    let batch = json!({"api_key": owner.api_key, "batch": [
        {"event": "signup", "distinct_id": "ada", "uuid": uuid},
        {"event": "crawled", "distinct_id": "robot", "properties": {"$bot_class": "crawler"}},
        {"event": "broken", "distinct_id": "eve", "uuid": "nonsense"},
        {"event": "past", "distinct_id": "late", "timestamp": "2026-01-01T00:00:00Z"},
    ]});
    app.post_json("/batch/", &batch).await.assert_ok();
    app.flush().await;
    let ask = async |id: &str| {
        let path = format!("/project/{}/ingestion/find?id={id}", owner.project);
        owner.browser.get(&path).await.assert_ok().text().to_owned()
    };
    for (id, told) in [
        (uuid.to_string().as_str(), "It is here"),
        ("ada", "It is here"),
        ("robot", "sent by a bot (crawler)"),
        ("eve", "The uuid is not a UUID"),
        ("nonsense", "The uuid is not a UUID"),
        ("late", "look for it there"),
        ("nobody", "It never arrived"),
    ] {
        let page = ask(id).await;
        assert!(page.contains(told), "{id}: no {told:?} in\n{page}");
        assert_eq!(page.contains("It never arrived"), id == "nobody", "{id}");
    }
    let elsewhere = format!("/project/{}/ingestion/find?id=ada&at=2020-01-01T00:00", owner.project);
    assert!(owner.browser.get(&elsewhere).await.assert_ok().text().contains("It never arrived"));
    let wrong = format!("/project/{}/ingestion/find?id=ada&at=noon", owner.project);
    assert!(owner.browser.get(&wrong).await.assert_ok().text().contains("This must be a time"));
    for path in ["", "/rejected", "/quarantined", "/find?id=ada"] {
        stranger.get(&format!("/project/{}/ingestion{path}", owner.project)).await.assert_status(404);
    }
}

#[tokio::test]
async fn everybody_who_signs_in_sees_how_the_server_is() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    app.browser().get("/status").await.assert_status(303);
    let member = app.invite(&owner, "member", "grace@example.com").await;
    let page = member.get("/status").await.assert_ok().text().to_owned();
    for part in ["Postgres", "ClickHouse", "Spool", "Quarantine", env!("CARGO_PKG_VERSION")] {
        assert!(page.contains(part), "no {part}");
    }
    assert!(!page.contains("does not answer"), "{page}");
}
