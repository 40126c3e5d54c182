//! JSON objects as text that ClickHouse's `JSON` type takes.
//!
//! One value it refuses fails the whole insert (error 117), so nothing is left to chance: every object written here is
//! taken, and its keys come back as they were.
//!
//! - Keys with dots are escaped by the server (`json_type_escape_dots_in_keys`), so `{"a.b": 1, "a": {"b": 2}}` is two paths.
//! - `null` and empty objects leave no trace there; they are not written. Inside a list they stand, but a `null` beside
//!   lists reads back as an empty list, and whole numbers beside broken ones as the nearest double.
//! - What is nested deeper than [`MAX_DEPTH`] is kept as a text of JSON.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Deeper values become text. ClickHouse's own limit is higher; nobody asks questions that deep.
const MAX_DEPTH: usize = 32;

/// The entries of a map, as [`write_object`] takes them.
pub(super) fn entries(map: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    map.iter().map(|(key, value)| (key.as_str(), value))
}

/// Appends an object of these.
pub(super) fn write_object<'a>(entries: impl Iterator<Item = (&'a str, &'a Value)>, to: &mut Vec<u8>) {
    to.push(b'{');
    let start = to.len();
    for (key, value) in entries {
        write_member(key, value, 1, to, start);
    }
    to.push(b'}');
}

fn write_member(key: &str, value: &Value, depth: usize, to: &mut Vec<u8>, start: usize) {
    if leaves_no_trace(value) {
        return;
    }
    if to.len() > start {
        to.push(b',');
    }
    write_text(&stored_key(key), to);
    to.push(b':');
    write_value(value, depth, to);
}

fn write_value(value: &Value, depth: usize, to: &mut Vec<u8>) {
    match value {
        Value::Object(_) | Value::Array(_) if depth >= MAX_DEPTH => write_text(&value.to_string(), to),
        Value::Object(object) => {
            to.push(b'{');
            let start = to.len();
            for (key, value) in object {
                write_member(key, value, depth + 1, to, start);
            }
            to.push(b'}');
        }
        Value::Array(values) => {
            to.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    to.push(b',');
                }
                write_value(value, depth + 1, to);
            }
            to.push(b']');
        }
        Value::String(text) => write_text(text, to),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            serde_json::to_writer(to, value).expect("a scalar is always JSON");
        }
    }
}

fn leaves_no_trace(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(object) => object.values().all(leaves_no_trace),
        _ => false,
    }
}

/// The key as it is written. The server keeps a dot as `%2E`, so a key that holds that very text would come back as
/// another key, or meet it: `%2E`, `%252E`, … each get one more `25`. [`original_key`] takes it off again.
pub(super) fn stored_key(key: &str) -> Cow<'_, str> {
    if !key.contains("2E") {
        return key.into();
    }
    let mut stored = String::with_capacity(key.len() + 2);
    let mut rest = key;
    while let Some((before, after)) = rest.split_once('%') {
        stored.extend([before, if is_escaped_dot(after) { "%25" } else { "%" }]);
        rest = after;
    }
    stored.push_str(rest);
    stored.into()
}

/// The key that was sent, from one that was read out of a `JSON` column.
#[must_use]
pub fn original_key(stored: &str) -> Cow<'_, str> {
    if !stored.contains("%25") {
        return stored.into();
    }
    let mut original = String::with_capacity(stored.len());
    let mut rest = stored;
    while let Some((before, after)) = rest.split_once('%') {
        original.extend([before, "%"]);
        rest = after.strip_prefix("25").filter(|inner| is_escaped_dot(inner)).unwrap_or(after);
    }
    original.push_str(rest);
    original.into()
}

/// What follows a `%`: any number of `25`, then `2E`.
fn is_escaped_dot(mut after: &str) -> bool {
    while let Some(inner) = after.strip_prefix("25") {
        after = inner;
    }
    after.starts_with("2E")
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    serde_json::to_writer(to, text).expect("a text is always JSON");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        let mut text = Vec::new();
        write_object(entries(value.as_object().expect("an object")), &mut text);
        String::from_utf8(text).expect("JSON is text")
    }

    #[test]
    fn what_leaves_no_trace_is_left_out_but_never_inside_a_list() {
        let value = json!({ "n": null, "o": {}, "d": { "e": { "f": null } }, "l": [null, {}, { "x": null }], "z": 1 });
        assert_eq!(written(&value), r#"{"l":[null,{},{}],"z":1}"#);
    }

    #[test]
    fn the_deepest_values_become_text() {
        let mut value = json!("core");
        for _ in 0..MAX_DEPTH + 5 {
            value = json!({ "k": value });
        }
        let text = written(&value);
        assert_eq!(text.matches(r#"{"k":"#).count(), MAX_DEPTH);
        assert!(text.contains(r#""{\"k\":"#), "{text}");
    }

    proptest! {
        #[test]
        fn keys_come_back_and_none_meet(a in "[%2E5.x]{0,8}", b in "[%2E5.x]{0,8}") {
            // What the server does on the way in and out.
            let kept = |key: &str| stored_key(key).replace('.', "%2E");
            let back = |kept: &str| original_key(&kept.replace("%2E", ".")).into_owned();
            prop_assert_eq!(back(&kept(&a)), a.clone());
            prop_assert!(a == b || kept(&a) != kept(&b));
        }
    }
}
