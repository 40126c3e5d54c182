//! Keys and values that try to be something else.

use serde_json::{Map, Value, json};
use tenrec::insights::ValueOf;
use tenrec::insights::suggestions::property_values;
use tenrec::model::query::{PropertyScope, Traffic};

use super::{ask, project};
use crate::explorer_support::Explorer;

const HOSTILE: &[&str] = &[
    "plain",
    "a.b",
    ".",
    "..",
    "a.",
    "%2E",
    "%252E",
    "a%2Eb",
    "`",
    "``",
    "`x`",
    ":`String`",
    "x:`Int64`",
    "^`a`",
    "^x",
    "@a",
    "[]",
    "arr[]",
    "a[]:`x`",
    "\\",
    "\\'",
    "'",
    "\"",
    "''); DROP TABLE events --",
    "{p0:String}",
    "{p1:Identifier}",
    "a b",
    " lead",
    "trail ",
    "ü",
    "😀",
    "a\nb",
    "a\tb",
    "null",
    "size0",
    "SharedData",
    "max_dynamic_paths",
    "*",
    "properties",
    "%",
    "$browser ",
    "x=1 OR 1=1",
    "/*",
    "--",
    "0",
    "a;b",
    "$$",
    "?",
];

#[tokio::test]
async fn a_key_is_a_key_whatever_it_looks_like() {
    let explorer = Explorer::start().await;
    let all = |prefix: &str| -> Value {
        let pairs = HOSTILE.iter().enumerate().map(|(at, key)| ((*key).to_owned(), json!(format!("{prefix}{at}"))));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    let mut seed = explorer.seed("e", "ada", all("event"));
    seed.person_properties = all("person");
    explorer.store(&[seed, explorer.seed("e", "bob", json!({ "another": 1 }))]).await;
    let project = project(explorer.project, "UTC");
    for (at, key) in HOSTILE.iter().enumerate() {
        for scope in ["event", "person"] {
            let value = format!("{scope}{at}");
            let query = json!({
                "kind": "TrendsQuery",
                "series": [{ "event": "e" }],
                "dateRange": { "date_from": "-1d" },
                "properties": [{ "key": key, "type": scope, "operator": "exact", "value": value }],
                "breakdownFilter": { "breakdown": key, "breakdown_type": scope },
            });
            let (_, answer) = ask(&explorer, &project, &query).await;
            let found: Vec<_> = answer.results.iter().map(|line| (line.value.clone(), line.whole)).collect();
            assert_eq!(found, [(Some(ValueOf::Text(value)), 1)], "{scope} {key:?}");
        }
        let state = explorer.app.state();
        let (scope, all) = (PropertyScope::Event, Traffic::All);
        let values =
            property_values(&state.ch, &state.clock, explorer.project, scope, key, "EVENT", all).await.unwrap();
        assert_eq!(values, [format!("event{at}")], "{key:?}");
    }
    // Unknown keys find nothing, and break nothing.
    let unset = json!({ "kind": "TrendsQuery", "series": [{ "event": "e" }], "dateRange": { "date_from": "-1d" },
        "properties": HOSTILE.iter().map(|key| json!({ "key": format!("{key}!"), "operator": "is_not_set" })).collect::<Vec<_>>() });
    assert_eq!(ask(&explorer, &project, &unset).await.1.results[0].whole, 2);
}

#[tokio::test]
async fn a_value_is_a_value_whatever_it_looks_like() {
    let explorer = Explorer::start().await;
    let seeds: Vec<_> = HOSTILE.iter().map(|value| explorer.seed("e", "ada", json!({ "k": value }))).collect();
    explorer.store(&seeds).await;
    let project = project(explorer.project, "UTC");
    for value in HOSTILE {
        for (operator, found) in [("exact", 1), ("is_not", HOSTILE.len() as u64 - 1)] {
            let query = json!({ "kind": "TrendsQuery", "series": [{ "event": "e" }], "dateRange": { "date_from": "-1d" },
                "properties": [{ "key": "k", "operator": operator, "value": value }] });
            assert_eq!(ask(&explorer, &project, &query).await.1.results[0].whole, found, "{operator} {value:?}");
        }
        let contains = json!({ "kind": "TrendsQuery", "series": [{ "event": "e" }], "dateRange": { "date_from": "-1d" },
            "properties": [{ "key": "k", "operator": "icontains", "value": value }] });
        let expected = HOSTILE.iter().filter(|other| other.contains(value)).count() as u64;
        assert_eq!(ask(&explorer, &project, &contains).await.1.results[0].whole, expected, "contains {value:?}");
        let several = json!({ "kind": "TrendsQuery", "series": [{ "event": "e" }], "dateRange": { "date_from": "-1d" },
            "properties": [{ "key": "k", "operator": "exact", "value": [value, "plain"] }] });
        let expected = if *value == "plain" { 1 } else { 2 };
        assert_eq!(ask(&explorer, &project, &several).await.1.results[0].whole, expected, "in {value:?}");
    }
    let event = json!({ "kind": "TrendsQuery", "series": [{ "event": "e' OR 1=1 --" }] });
    assert_eq!(ask(&explorer, &project, &event).await.1.results[0].whole, 0);
}
