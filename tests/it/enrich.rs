//! What is added to events, through the door and onto the rows.

use std::fs;
use std::path::Path;

use http::{Method, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tenrec::model::channel::{AD_CLICK_IDS, Acquisition, channel_type};

use crate::capture::create_project;
use crate::fixtures::shared_folder;
use crate::support::TestApp;

const KEY: &str = "phc_test";
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

#[test]
fn channels_are_those_of_the_conformance_cases() {
    let file = shared_folder("conformance/cases").join("web_channel_type.json");
    let file: Value = serde_json::from_slice(&fs::read(file).expect("the cases can be read")).expect("JSON");
    let cases = file["cases"].as_array().expect("an array");
    for case in cases {
        let query = case["query"]["query"].as_str().expect("a query");
        let tag = query.split('\'').nth(1).expect("the query names a tag");
        let persons = file["persons"].as_array().expect("an array");
        let person = persons.iter().find(|p| p["properties"]["tag"] == tag).expect("the person is there");
        let text = |key: &str| person["properties"][format!("$initial_{key}")].as_str();
        let domain = person["properties"]["$initial_referring_domain"].as_str();
        let from = Acquisition {
            referring_domain: domain,
            source: text("utm_source"),
            medium: text("utm_medium"),
            campaign: text("utm_campaign"),
            is_ad_click: AD_CLICK_IDS.iter().any(|key| text(key).is_some()),
        };
        assert_eq!(json!([[channel_type(&from)]]), case["expect"]["results"], "{}", case["name"]);
    }
    assert!(cases.len() >= 16, "only {} cases", cases.len());
}

/// A database in MaxMind's format that knows one IPv4 network of 24 bits: one node for each bit, then the record.
fn write_database(path: &Path, network: [u8; 3], country: &str) {
    let text = |s: &str| [vec![0x40 | u8::try_from(s.len()).expect("short")], s.as_bytes().to_vec()].concat();
    let unsigned = |kind: u8, value: u16| [vec![kind << 5 | 2], value.to_be_bytes().to_vec()].concat();
    let nodes = 24_u32;
    let mut file = Vec::new();
    for depth in 0..nodes {
        let is_set = network[(depth / 8) as usize] >> (7 - depth % 8) & 1 == 1;
        let next = if depth + 1 == nodes { nodes + 16 } else { depth + 1 };
        for side in [false, true] {
            let record = if side == is_set { next } else { nodes };
            file.extend(&record.to_be_bytes()[1..]);
        }
    }
    file.extend([0; 16]);
    file.push(0xe1);
    file.extend(text("country_code"));
    file.extend(text(country));
    file.extend(b"\xab\xcd\xefMaxMind.com");
    file.push(0xe9);
    for (key, value) in [
        ("binary_format_major_version", unsigned(5, 2)),
        ("binary_format_minor_version", unsigned(5, 0)),
        ("build_epoch", vec![0x01, 0x02, 1]),
        ("database_type", text("Test")),
        ("description", vec![0xe0]),
        ("ip_version", unsigned(5, 4)),
        ("languages", vec![0x00, 0x04]),
        ("node_count", unsigned(6, 24)),
        ("record_size", unsigned(5, 24)),
    ] {
        file.extend(text(key));
        file.extend(value);
    }
    fs::write(path, file).expect("the database can be written");
}

async fn start(database: &Path, trusted: &str, store_ip: bool) -> TestApp {
    let app = TestApp::builder().config(|config| {
        config.enrich.geoip_db = Some(database.to_owned());
        config.enrich.store_ip = store_ip;
        config.server.trusted_proxies = trusted.split_whitespace().map(|n| n.parse().expect("a network")).collect();
    });
    let app = app.start().await;
    create_project(&app, KEY).await;
    app
}

async fn send(app: &TestApp, path: &str, name: &str, properties: Value) {
    let body = json!({"event": name, "distinct_id": "u", "api_key": KEY, "properties": properties});
    let request = app.request(Method::POST, path).header(header::USER_AGENT, CHROME);
    let request = request.header("x-forwarded-for", "198.51.100.1, 203.0.113.9");
    app.send(request.body(Full::from(body.to_string())).expect("a request")).await.assert_ok();
}

async fn rows(app: &TestApp) -> Vec<Value> {
    app.flush().await;
    app.ch_rows(
        "SELECT event, `$geoip_country_code` AS country, `$ip` AS ip, `$browser` AS browser, `$channel_type` AS channel, \
         `$bot_class` AS bot FROM events ORDER BY event",
    )
    .await
}

#[tokio::test]
async fn the_address_behind_a_trusted_proxy_gives_the_country_and_is_dropped() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = dir.path().join("test.mmdb");
    write_database(&database, [203, 0, 113], "XA");
    let app = start(&database, "127.0.0.1/32", false).await;
    send(&app, "/e/", "a plain", json!({"$referring_domain": "chatgpt.com"})).await;
    send(&app, "/e/?ip=0", "b ip=0", json!({})).await;
    send(&app, "/e/", "c disabled", json!({"$geoip_disable": true})).await;
    send(&app, "/e/", "d server", json!({"$is_server": true})).await;
    send(&app, "/e/", "e elsewhere", json!({"$ip": "192.0.2.1"})).await;
    send(&app, "/e/", "f own ip", json!({"$ip": "203.0.113.77", "$is_server": true})).await;
    send(&app, "/e/", "g bot", json!({"$raw_user_agent": "Mozilla/5.0 (compatible; GPTBot/1.2)"})).await;
    let row = |event: &str, country: Option<&str>, browser: Option<&str>, channel: Option<&str>, bot: Option<&str>| json!({"event": event, "country": country, "ip": null, "browser": browser, "channel": channel, "bot": bot});
    let (here, chrome) = (Some("XA"), Some("Chrome"));
    assert_eq!(
        rows(&app).await,
        [
            row("a plain", here, chrome, Some("AI"), None),
            row("b ip=0", None, chrome, None, None),
            row("c disabled", None, chrome, None, None),
            row("d server", None, None, None, None),
            row("e elsewhere", None, chrome, None, None),
            row("f own ip", here, None, None, None),
            row("g bot", here, None, None, Some("ai_crawler")),
        ]
    );
}

#[tokio::test]
async fn nobody_is_believed_about_addresses_but_trusted_proxies() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = dir.path().join("test.mmdb");
    write_database(&database, [203, 0, 113], "XA");
    let app = start(&database, "", true).await;
    send(&app, "/e/", "x", json!({})).await;
    let row = rows(&app).await.remove(0);
    assert_eq!((&row["country"], &row["ip"]), (&Value::Null, &json!("127.0.0.1")));
}
