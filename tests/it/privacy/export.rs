//! Everything of one person, in one file.

use std::process::Command;

use http::Method;
use serde_json::{Value, json};

use crate::support::TestApp;

/// The files of a zip, read by another program.
fn unpack(bytes: &[u8]) -> serde_json::Map<String, Value> {
    let path = std::env::temp_dir().join(format!("tenrec-export-{}.zip", uuid::Uuid::new_v4()));
    std::fs::write(&path, bytes).unwrap();
    let script = "import json, sys, zipfile\n\
                  z = zipfile.ZipFile(sys.argv[1])\n\
                  assert z.testzip() is None\n\
                  print(json.dumps({n: z.read(n).decode() for n in z.namelist()}))\n";
    let out = Command::new("python3").args(["-c", script]).arg(&path).output().expect("python3 runs");
    std::fs::remove_file(&path).unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn lines(files: &serde_json::Map<String, Value>, name: &str) -> Vec<Value> {
    files[name].as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_export_holds_profile_events_sessions_groups_and_what_was_not_stored() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let session = "019a3f5e-1000-7000-8000-00000000aaaa";
    app.send_events(
        &owner,
        &[
            (
                "$pageview",
                "anon-1",
                json!({ "$process_person_profile": false, "$current_url": "https://x.org/", "$session_id": session }),
            ),
            ("$identify", "ada", json!({ "$anon_distinct_id": "anon-1", "$set": { "email": "ada@example.com" } })),
            ("bought", "ada", json!({ "basket.size": 3, "nested": { "a b": [1] }, "$groups": { "company": "acme" } })),
            ("bought", "bob", json!({ "secret": "bobs" })),
        ],
    )
    .await;
    // Somebody else, whose plan was changed by hand, becomes her.
    app.send_events(&owner, &[("$set", "ada-2", json!({ "$set": { "plan": "free" } }))]).await;
    let edited = json!({ "properties": { "plan": "gold" } });
    let other = app.person_uuid("ada-2").await;
    app.api(&owner, Method::PATCH, &format!("/persons/{other}/"), edited).await.assert_ok();
    app.send_events(&owner, &[("$create_alias", "ada", json!({ "alias": "ada-2" }))]).await;
    app.post_json("/capture/", &json!({ "api_key": owner.api_key, "distinct_id": "ada", "properties": {} })).await;
    app.flush().await;
    let uuid = app.person_uuid("ada").await;
    let made = app.api(&owner, Method::POST, "/cohorts/", json!({ "name": "Invited", "is_static": true })).await;
    let cohort = made.assert_status(201).json()["id"].clone();
    let path = format!("/cohorts/{cohort}/add_persons_to_static_cohort/");
    app.api(&owner, Method::PATCH, &path, json!({ "person_ids": [uuid] })).await.assert_ok();
    let reply = app.api(&owner, Method::GET, &format!("/persons/{uuid}/export/"), Value::Null).await;
    assert_eq!(reply.assert_ok().header("content-type"), "application/zip");
    let files = unpack(&reply.body);
    let names: Vec<&String> = files.keys().collect();
    assert_eq!(names.len(), 11, "{names:?}");
    for name in names.iter().filter(|name| ***name != "README.txt") {
        assert!(files["README.txt"].as_str().unwrap().contains(name.as_str()), "{name} is not explained");
    }
    let profile: Value = serde_json::from_str(files["profile.json"].as_str().unwrap()).unwrap();
    assert_eq!(
        (profile["uuid"].as_str(), profile["properties"]["email"].as_str()),
        (Some(&*uuid), Some("ada@example.com"))
    );
    let mut ids = lines(&files, "distinct_ids.jsonl");
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, ["ada", "ada-2", "anon-1"]);
    let events = lines(&files, "events.jsonl");
    let mut found: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, ["$create_alias", "$identify", "$pageview", "$set", "bought"]);
    let bought = events.iter().find(|event| event["event"] == "bought").unwrap();
    assert_eq!(bought["properties"]["basket.size"], 3);
    assert_eq!(bought["properties"]["nested"], json!({ "a b": [1] }));
    assert_eq!(bought["person_properties"]["email"], "ada@example.com");
    assert_eq!(lines(&files, "sessions.jsonl")[0]["session_id"], session);
    assert_eq!(lines(&files, "cohorts.jsonl"), [json!({ "cohort_id": cohort, "name": "Invited" })]);
    assert_eq!(lines(&files, "unstored.jsonl")[0]["reason"], "missing_event_name");
    let merges = lines(&files, "merges.jsonl");
    let told: Vec<_> = merges.iter().map(|line| (&line["distinct_id"], &line["event"], &line["by_hand"])).collect();
    assert_eq!(
        told,
        [
            (&json!("anon-1"), &json!("$identify"), &json!(false)),
            (&json!("ada-2"), &json!("$create_alias"), &json!(false))
        ]
    );
    assert_eq!(lines(&files, "merged_profiles.jsonl")[0]["properties"]["plan"], "gold");
    let edits = lines(&files, "edits.jsonl");
    assert_eq!(
        (&edits[0]["key"], &edits[0]["old_value"], &edits[0]["new_value"]),
        (&json!("plan"), &json!("free"), &json!("gold"))
    );
    assert_eq!(edits.len(), 1);
    assert!(!Value::Object(files).to_string().contains("bobs"), "nothing of others");
}

#[tokio::test]
async fn many_events_leave_in_pieces_and_whole() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let events: Vec<_> = (0..5000).map(|n| ("e", "ada", json!({ "n": n, "text": "x".repeat(200) }))).collect();
    for events in events.chunks(1000) {
        app.send_events(&owner, events).await;
    }
    let uuid = app.person_uuid("ada").await;
    let reply = app.api(&owner, Method::GET, &format!("/persons/{uuid}/export/"), Value::Null).await;
    let files = unpack(&reply.assert_ok().body);
    let mut numbers: Vec<_> =
        lines(&files, "events.jsonl").iter().map(|event| event["properties"]["n"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..5000));
}

#[tokio::test]
async fn the_page_sends_the_same_file_compressed_or_not() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    app.send_events(&owner, &[("e", "ada@example.com", json!({ "n": 7 }))]).await;
    let path = format!("/project/{}/privacy/export?person=ada%40example.com", owner.project);
    let plain = owner.browser.get(&path).await;
    assert_eq!(lines(&unpack(&plain.assert_ok().body), "events.jsonl").len(), 1);
    let request = owner.browser.request(Method::GET, &path).header("accept-encoding", "gzip");
    let packed = owner.browser.send(request.body(http_body_util::Full::default()).unwrap()).await;
    assert_eq!(packed.assert_ok().header("content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed.body[..]), &mut unpacked).unwrap();
    assert_eq!(lines(&unpack(&unpacked), "events.jsonl")[0]["properties"]["n"], 7);
    owner.browser.get(&format!("/project/{}/privacy/export?person=nobody", owner.project)).await.assert_status(404);
}
