use proptest::prelude::*;
use serde_json::json;

use super::*;

const DEFAULT: EventLimits = EventLimits::DEFAULT;

fn normalised(properties: Value) -> Value {
    normalised_within(&DEFAULT, properties)
}

fn normalised_within(limits: &EventLimits, properties: Value) -> Value {
    let Value::Object(mut properties) = properties else { panic!("properties are an object") };
    normalise(&mut properties, limits);
    Value::Object(properties)
}

#[test]
fn an_ordinary_event_is_left_alone() {
    let properties =
        json!({"": 1, "a.b": 2, "a": {"b": [1, null, {"ü": true}]}, "n": u64::MAX, "f": 1e300, "s": "😀", "0%": 1});
    assert_eq!(normalised(properties.clone()), properties);
}

#[test]
fn nul_goes_and_the_first_of_equal_keys_stays() {
    assert_eq!(normalised(json!({"a\0": 1, "b": {"\0c": "x\0"}})), json!({"a": 1, "b": {"c": "x"}}));
    assert_eq!(normalised(json!({"a\0": 1, "a": 2}))["a"], 2);
    assert_eq!(normalised(json!({"a%2Eb": 1, "a.b": 2})), json!({"a.b": 2}));
    assert_eq!(normalised(json!({"a%2Eb": 1, "a\0.b": 2})), json!({"a.b": 1}));
}

#[test]
fn long_keys_and_texts_are_cut_between_characters_and_flagged() {
    let key = "ü".repeat(150);
    let text = "猫".repeat(30_000);
    let result =
        normalised(json!({ "text": text, "inner": { key.clone(): 1 }, "ok": "x", "list": ["a", text], key: 2 }));
    assert_eq!(result["text"].as_str().map(str::len), Some(DEFAULT.max_text_bytes - 1));
    assert_eq!(result["inner"]["ü".repeat(100)], 1);
    assert_eq!(result["list"][1].as_str().map(str::len), Some(DEFAULT.max_text_bytes - 1));
    assert_eq!(result["ü".repeat(100)], 2);
    assert_eq!(result["$truncated"], json!(["ü".repeat(100), "text", "inner", "list"]));
}

#[test]
fn keys_beyond_the_limit_are_named() {
    let many: Map<String, Value> = (0..1005).map(|n| (format!("k{n:04}"), n.into())).collect();
    let result = normalised(many.into());
    let result = result.as_object().expect("an object");
    assert_eq!(result.len(), DEFAULT.max_event_properties + 1);
    assert_eq!(result["k0999"], 999);
    assert_eq!(result["$truncated"], json!(["k1000", "k1001", "k1002", "k1003", "k1004"]));
}

#[test]
fn what_is_too_deep_or_too_much_becomes_its_text() {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let wide: Vec<usize> = (0..3000).collect();
    let result = normalised(json!({"deep": deep, "wide": wide, "small": [1, 2]}));
    assert_eq!(result["small"], json!([1, 2]));
    assert!(result["wide"].as_str().is_some_and(|text| text.starts_with("[0,1,2,") && text.ends_with(",2999]")));
    let mut levels = 1;
    let mut inner = &result["deep"];
    while let Value::Array(items) = inner {
        inner = &items[0];
        levels += 1;
    }
    assert_eq!(levels, DEFAULT.max_nesting);
    assert!(inner.as_str().is_some_and(|text| text.starts_with("[[")));
    assert_eq!(result["$truncated"], json!(["deep", "wide"]));
}

#[test]
fn person_properties_have_limits_of_their_own_and_stay_an_object() {
    let many: Map<String, Value> = (0..1500).map(|n| (format!("k{n:04}"), json!([n]))).collect();
    let result = normalised(json!({"$set": many, "a": [1]}));
    let set = result["$set"].as_object().expect("still an object");
    assert_eq!(set.len(), DEFAULT.max_event_properties);
    assert_eq!(set["k0000"], json!([0]));
    assert_eq!(result["a"], json!([1]));
    assert_eq!(result["$truncated"][0], "$set.k1000");
}

#[test]
fn every_limit_can_be_another() {
    let limits = EventLimits {
        max_event_properties: 4,
        max_event_values: 5,
        max_key_bytes: 6,
        max_text_bytes: 7,
        max_nesting: 3,
        ..DEFAULT
    };
    let sent = json!({
        "long key": 1,
        "text": "12345678",
        "deep": {"a": {"b": {"c": 1}}},
        "wide": [1, 2, 3],
        "fifth": 5,
        "$set": {"note": "123456789"},
    });
    let expected = json!({
        "long k": 1,
        "text": "1234567",
        "deep": {"a": {"b": "{\"c\":1}"}},
        "wide": "[1,2,3]",
        "$truncated": ["long k", "fifth", "$set", "text", "deep", "wide"],
    });
    assert_eq!(normalised_within(&limits, sent), expected);
}

/// As settings may be: a name in the list of what was cut is never longer than a text.
fn any_limits() -> impl Strategy<Value = EventLimits> {
    let own = (2_usize..8, 1_usize..30, 10_usize..40, 60_usize..200, 2_usize..20).prop_map(
        |(max_event_properties, max_event_values, max_key_bytes, max_text_bytes, max_nesting)| EventLimits {
            max_event_properties,
            max_event_values,
            max_key_bytes,
            max_text_bytes,
            max_nesting,
            ..DEFAULT
        },
    );
    prop_oneof![Just(DEFAULT), own]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => Just(Value::Null),
        4 => any::<i64>().prop_map(Value::from),
        4 => any::<f64>().prop_map(Value::from),
        8 => "(?s)[\0%2E.a😀]{0,8}".prop_map(Value::from),
        1 => Just(Value::from("é".repeat(40_000))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            entries(inner).prop_map(Value::Object),
        ]
    })
}

/// As [`any_json`], and now and then far too wide or too deep.
fn wild_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any_json(),
        1 => proptest::collection::vec(0..9, 1..3).prop_map(|items| items.iter().cycle().take(1700).copied().collect()),
        1 => (any_json(), 50..90_usize).prop_map(|(value, times)| (0..times).fold(value, |inner, _| json!({ "x": inner }))),
    ]
}

fn entries(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![
        "(?s)[\0%2E.a😀]{0,5}",
        Just("k".repeat(250)),
        Just("$set".to_owned()),
        Just("$truncated".to_owned()),
    ];
    proptest::collection::vec((key, value), 0..8).prop_map(|entries| entries.into_iter().collect())
}

/// Every key and every text, wherever it stands.
fn visit(value: &Value, limits: &EventLimits, depth: usize) {
    assert!(depth <= limits.max_nesting + 1);
    match value {
        Value::String(text) => assert!(text.len() <= limits.max_text_bytes && !text.contains('\0'), "{text:?}"),
        Value::Array(items) => items.iter().for_each(|item| visit(item, limits, depth + 1)),
        Value::Object(entries) => {
            for (key, item) in entries {
                assert!(key.len() <= limits.max_key_bytes && !key.contains('\0') && !key.contains("%2E"), "{key:?}");
                visit(item, limits, depth + 1);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_object_becomes_storable_and_stays_as_it_is_from_then_on(
        properties in entries(wild_json()),
        limits in any_limits(),
    ) {
        let once = normalised_within(&limits, Value::Object(properties));
        visit(&once, &limits, 1);
        prop_assert_eq!(normalised_within(&limits, once.clone()), once);
    }
}
