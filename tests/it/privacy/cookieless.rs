//! Visitors without cookies.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Owner, Reply, TestApp};

const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

/// A page view as the SDK sends it in cookieless mode.
fn view(app: &TestApp) -> Value {
    json!({ "event": "$pageview", "uuid": app.clock.new_uuid(), "timestamp": app.clock.now().to_string(), "properties": {
        "distinct_id": "$posthog_cookieless", "$cookieless_mode": true, "$device_id": null, "$session_id": null,
        "$window_id": null, "$host": "shop.example.com", "$timezone": "Europe/Berlin", "$raw_user_agent": AGENT,
        "$lib": "web", "$process_person_profile": false, "$is_identified": false,
        "$current_url": "https://shop.example.com/" } })
}

async fn send(app: &TestApp, owner: &Owner, events: &[Value], ip: &str) -> Reply {
    let body = json!({ "api_key": owner.api_key, "batch": events, "sent_at": app.clock.now().to_string() });
    let request = app
        .request(Method::POST, "/e/")
        .header("content-type", "application/json")
        .header("user-agent", AGENT)
        .header("x-forwarded-for", ip);
    let reply = app.send(request.body(http_body_util::Full::from(body.to_string())).unwrap()).await;
    app.flush().await;
    reply
}

async fn started() -> (TestApp, Owner) {
    let trusted = |c: &mut tenrec::config::Config| c.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let app = TestApp::builder().config(trusted).start().await;
    let owner = app.set_up().await;
    (app, owner)
}

async fn switch_on(app: &TestApp, owner: &Owner) {
    let on = app.api(owner, Method::PATCH, "/privacy/", json!({ "cookieless": true })).await;
    assert_eq!(on.assert_ok().json()["cookieless"], true);
    app.clock.advance(Duration::from_secs(11));
}

async fn ids(app: &TestApp) -> Vec<(String, String)> {
    let rows = app
        .ch_rows("SELECT distinct_id, ifNull(`$session_id`, '') AS session FROM events ORDER BY received_at, uuid")
        .await;
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "distinct_id"), text(row, "session"))).collect()
}

async fn rejected(app: &TestApp, reason: &str) -> i64 {
    app.pg_value(&format!(
        "SELECT coalesce(sum(events), 0)::bigint FROM ingest_ledger WHERE outcome = 'rejected' AND reason = '{reason}'"
    ))
    .await
}

#[tokio::test]
async fn without_the_switch_they_are_rejected_and_counted() {
    let (app, owner) = started().await;
    send(&app, &owner, &[view(&app)], "192.0.2.1").await.assert_ok();
    assert_eq!((app.ch_count("SELECT count() FROM events").await, rejected(&app, "cookieless_off").await), (0, 1));
    let kept = app.pg_value::<String>("SELECT sample FROM unstored_events").await;
    assert!(kept.contains("shop.example.com") && !kept.contains("Mozilla") && !kept.contains("192.0.2"), "{kept}");
}

#[tokio::test]
async fn a_visitor_has_one_id_a_day_and_one_session_until_a_pause() {
    let (app, owner) = started().await;
    switch_on(&app, &owner).await;
    send(&app, &owner, &[view(&app)], "192.0.2.1").await.assert_ok();
    app.clock.advance(Duration::from_secs(29 * 60));
    let mut elsewhere = view(&app);
    elsewhere["properties"]["$host"] = json!("blog.example.com:8080");
    send(&app, &owner, &[elsewhere], "192.0.2.1").await.assert_ok();
    app.clock.advance(Duration::from_secs(31 * 60));
    send(&app, &owner, &[view(&app)], "192.0.2.1").await.assert_ok();
    app.clock.advance(Duration::from_secs(1));
    send(&app, &owner, &[view(&app)], "192.0.2.2").await.assert_ok();
    let found = ids(&app).await;
    assert!(found.iter().all(|(id, _)| id.starts_with("cookieless_")), "{found:?}");
    assert!(found[0] == found[1] && found[1].0 == found[2].0 && found[1].1 != found[2].1, "{found:?}");
    assert_ne!(found[2].0, found[3].0, "another address is another visitor");
    app.clock.advance(Duration::from_secs(24 * 3600));
    send(&app, &owner, &[view(&app)], "192.0.2.1").await.assert_ok();
    assert_ne!(ids(&app).await[4].0, found[0].0, "another day is another visitor");

    let rows =
        app.ch_rows("SELECT `$ip`, `$raw_user_agent`, `$browser`, toString(properties) AS tail FROM events").await;
    for row in rows {
        assert!(row["$ip"].is_null() && row["$raw_user_agent"].is_null(), "{row}");
        assert_eq!(row["$browser"], "Chrome", "what the agent says of the browser stays");
    }
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM persons").await, 0);
    assert_eq!(app.ch_count("SELECT count() FROM sessions FINAL").await, 4);
}

#[tokio::test]
async fn what_is_missing_over_or_wants_to_identify_is_rejected_alone() {
    let (app, owner) = started().await;
    switch_on(&app, &owner).await;
    let mut hostless = view(&app);
    hostless["properties"].as_object_mut().unwrap().remove("$host");
    let mut late = view(&app);
    late["timestamp"] = json!("2026-10-30T12:00:00Z");
    let mut identify = view(&app);
    identify["event"] = json!("$identify");
    let plain = json!({ "event": "e", "distinct_id": "ada", "uuid": app.clock.new_uuid(), "properties": {} });
    send(&app, &owner, &[hostless, late, identify, view(&app), plain], "192.0.2.1").await.assert_ok();
    for reason in ["cookieless_incomplete", "cookieless_day_over", "cookieless_identity"] {
        assert_eq!(rejected(&app, reason).await, 1, "{reason}");
    }
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 2);
    let waiting = app.pg_value::<i64>("SELECT sum(events)::bigint FROM ingest_ledger WHERE outcome = 'received'").await;
    assert_eq!(waiting, 5);
}

#[tokio::test]
async fn the_address_of_a_visitor_is_never_on_the_disk() {
    let (app, owner) = started().await;
    switch_on(&app, &owner).await;
    let ip = "2001:db8:aaaa:bbbb:cccc:dddd:1234:5678";
    send(&app, &owner, &[view(&app)], ip).await.assert_ok();
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 1);
    let found = std::process::Command::new("grep")
        .args(["-rlaF", "-e", "1234:5678", "-e", "posthog_cookieless\",\"$current"])
        .arg(app.data_dir())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[tokio::test]
async fn instances_share_the_salt_and_it_is_destroyed_when_its_day_is_over_everywhere() {
    let (app, owner) = started().await;
    switch_on(&app, &owner).await;
    send(&app, &owner, &[view(&app)], "192.0.2.1").await.assert_ok();
    let pg = &app.state().pg;
    let day = "2026-11-01".parse().unwrap();
    let salt = app.pg_value::<Vec<u8>>("SELECT salt FROM cookieless_salts WHERE day = '2026-11-01'").await;
    assert_eq!(salt.len(), 16);
    assert_eq!(pg.cookieless_salt(day, &[7; 16]).await.unwrap(), salt, "another instance gets the same");
    // In the earliest zone the first of November ends at noon of the second.
    for (hours, is_there) in [(23, true), (1, false)] {
        app.clock.advance(Duration::from_secs(hours * 3600));
        let destroyed = pg
            .destroy_cookieless_salts(tenrec::ingest::cookieless::first_living_day(app.clock.now()), app.clock.now())
            .await
            .unwrap();
        assert_eq!(destroyed == 0, is_there, "after {hours} more hours");
    }
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM cookieless_salts").await, 0);
    // Sent again now, nobody can tell whose it was.
    let mut again = view(&app);
    again["timestamp"] = json!("2026-11-01T12:00:00Z");
    send(&app, &owner, &[again], "192.0.2.1").await.assert_ok();
    assert_eq!(rejected(&app, "cookieless_day_over").await, 1);
}

#[tokio::test]
async fn the_recorded_request_of_the_sdk_becomes_a_visitor() {
    let recordings = crate::fixtures::recordings();
    let is_one = |r: &&crate::fixtures::Recording| r.name.contains("js-cookieless-always") && r.path.starts_with("/e/");
    let recorded = recordings.iter().find(is_one).and_then(|r| r.decoded.clone()).expect("the recording is there");
    let (app, owner) = started().await;
    switch_on(&app, &owner).await;
    app.clock.advance(Duration::from_secs(20 * 24 * 3600));
    let mut body = recorded;
    body["api_key"] = json!(owner.api_key);
    for event in body["batch"].as_array_mut().unwrap() {
        event["properties"]["token"] = json!(owner.api_key);
    }
    let request = app.request(Method::POST, "/e/").header("content-type", "text/plain").header("user-agent", AGENT);
    app.send(request.body(http_body_util::Full::from(body.to_string())).unwrap()).await.assert_ok();
    app.flush().await;
    let found = ids(&app).await;
    assert!(found.len() == 1 && found[0].0.starts_with("cookieless_") && found[0].1.len() == 36, "{found:?}");
}

#[tokio::test]
async fn unique_users_leave_them_out_unless_asked_and_totals_count_them() {
    use tenrec::insights::{QueryContext, run_trends};
    use tenrec::model::ProjectSettings;
    use tenrec::model::query::TrendsQuery;
    let (app, owner) = started().await;
    switch_on(&app, &owner).await;
    let plain =
        |id: &str| json!({ "event": "$pageview", "distinct_id": id, "uuid": app.clock.new_uuid(), "properties": {} });
    send(&app, &owner, &[view(&app), plain("ada"), plain("bob")], "192.0.2.1").await.assert_ok();
    app.clock.advance(Duration::from_secs(60));
    let project = app.state().pg.find_project(tenrec::model::ProjectId::new(owner.project.try_into().unwrap())).await;
    let project = project.unwrap().unwrap();
    for (math, breakdown, asked, count) in [
        ("dau", false, false, 2),
        ("dau", false, true, 3),
        ("dau", true, false, 2),
        ("dau", true, true, 3),
        ("total", false, false, 3),
    ] {
        let mut query = json!({ "kind": "TrendsQuery", "series": [{ "event": "$pageview", "math": math }], "traffic": "all",
                                "trendsFilter": { "display": "BoldNumber" }, "includeCookieless": asked });
        if breakdown {
            query["breakdownFilter"] = json!({ "breakdown": "nothing" });
        }
        let query = TrendsQuery::parse(&query).unwrap();
        let (state, settings) = (app.state(), ProjectSettings::default());
        let context =
            QueryContext { ch: &state.ch, pg: &state.pg, clock: &app.clock, project: &project, settings: &settings };
        let answer = run_trends(context, &query).await.unwrap();
        assert_eq!(answer.results[0].whole, count, "{math} {breakdown} {asked}");
    }
}
