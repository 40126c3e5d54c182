use proptest::prelude::*;
use serde_json::json;

use super::*;

fn normalised(properties: Value) -> Value {
    let Value::Object(mut properties) = properties else { panic!("properties are an object") };
    normalise(&mut properties);
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
    let result = normalised(json!({ "text": text, "inner": { key.clone(): 1 }, "ok": "x", "list": ["a", text] }));
    assert_eq!(result["text"].as_str().map(str::len), Some(MAX_TEXT_BYTES - 1));
    assert_eq!(result["inner"]["ü".repeat(100)], 1);
    assert_eq!(result["list"][1].as_str().map(str::len), Some(MAX_TEXT_BYTES - 1));
    assert_eq!(result["$truncated"], json!(["text", "inner", "list"]));
}

#[test]
fn keys_beyond_the_limit_are_named() {
    let many: Map<String, Value> = (0..1005).map(|n| (format!("k{n:04}"), n.into())).collect();
    let result = normalised(many.into());
    let result = result.as_object().expect("an object");
    assert_eq!(result.len(), MAX_KEYS + 1);
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
    assert_eq!(levels, MAX_DEPTH);
    assert!(inner.as_str().is_some_and(|text| text.starts_with("[[")));
    assert_eq!(result["$truncated"], json!(["deep", "wide"]));
}

#[test]
fn person_properties_have_limits_of_their_own_and_stay_an_object() {
    let many: Map<String, Value> = (0..1500).map(|n| (format!("k{n:04}"), json!([n]))).collect();
    let result = normalised(json!({"$set": many, "a": [1]}));
    let set = result["$set"].as_object().expect("still an object");
    assert_eq!(set.len(), MAX_KEYS);
    assert_eq!(set["k0000"], json!([0]));
    assert_eq!(result["a"], json!([1]));
    assert_eq!(result["$truncated"][0], "$set.k1000");
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
fn visit(value: &Value, depth: usize, see: &mut impl FnMut(&str, usize)) {
    match value {
        Value::String(text) => see(text, MAX_TEXT_BYTES),
        Value::Array(items) => items.iter().for_each(|item| visit(item, depth + 1, see)),
        Value::Object(entries) => {
            for (key, item) in entries {
                see(key, MAX_KEY_BYTES);
                visit(item, depth + 1, see);
            }
        }
        _ => {}
    }
    assert!(depth <= MAX_DEPTH + 1);
}

proptest! {
    #[test]
    fn any_object_becomes_storable_and_stays_as_it_is_from_then_on(properties in entries(wild_json())) {
        let once = normalised(Value::Object(properties));
        visit(&once, 1, &mut |text, max| {
            assert!(text.len() <= max && !text.contains('\0'), "{text:?}");
            assert!(max == MAX_TEXT_BYTES || !text.contains("%2E"));
        });
        prop_assert_eq!(normalised(once.clone()), once);
    }
}
