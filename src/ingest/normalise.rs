//! Properties made storable: whatever an object holds, both stores take it, and one wild value costs nothing but itself.
//!
//! What is over a limit is cut or kept as its JSON text, never refused, and named in the event's `$truncated`.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// Most properties of one event; the first ones stay.
pub const MAX_KEYS: usize = 1000;
/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 200;
/// Longest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 << 10;
/// How deep objects and arrays may nest; the properties themselves are the first level.
pub const MAX_DEPTH: usize = 64;
/// Most values in one event, nested ones included.
pub const MAX_NODES: usize = 2000;

/// The list of properties that were cut.
const TRUNCATED: &str = "$truncated";
/// Most names in that list.
const MAX_NAMES: usize = 20;
/// Objects of properties in their own right: each has the limits of an event, because persons and groups are made of them.
const BAGS: [&str; 3] = ["$set", "$set_once", "$group_set"];

/// Makes properties storable. Doing it twice changes nothing more.
///
/// - NUL is removed from keys and texts: Postgres has no such character.
/// - A `%2E` in a key becomes the dot it stands for: ClickHouse keeps dots in that form and reads them back as dots.
/// - Of keys that become equal by this, the first stays.
/// - Keys, texts, depth and number of values are limited; see the constants of this module.
///
/// # Examples
/// ```
/// use tenrec::ingest::normalise::normalise;
///
/// let mut properties = serde_json::json!({"a\u{0}": "x\u{0}y", "note": "z".repeat(100_000)});
/// let properties = properties.as_object_mut().unwrap();
/// normalise(properties);
/// assert_eq!(properties["a"], "xy");
/// assert_eq!(properties["note"].as_str().map(str::len), Some(64 << 10));
/// assert_eq!(properties["$truncated"], serde_json::json!(["note"]));
/// ```
pub fn normalise(properties: &mut Map<String, Value>) {
    // A list of that name that is longer than ours can be is not ours.
    if properties.get(TRUNCATED).is_some_and(|list| nodes(list) > MAX_NAMES + 1) {
        properties.remove(TRUNCATED);
    }
    let mut cut = Vec::new();
    normalise_bag(properties, "", &mut cut);
    if !cut.is_empty() {
        cut.truncate(MAX_NAMES);
        properties.insert(TRUNCATED.to_owned(), cut.into());
    }
}

/// Normalises an object of properties; `within` names it in the list of what was cut.
fn normalise_bag(bag: &mut Map<String, Value>, within: &str, cut: &mut Vec<String>) {
    normalise_keys(bag);
    if bag.len() > MAX_KEYS {
        keep_first(bag, within, cut);
    }
    let level = if within.is_empty() { 2 } else { 3 };
    let mut budget = MAX_NODES;
    for (key, value) in bag.iter_mut() {
        let is_cut = match value {
            Value::Object(inner) if within.is_empty() && BAGS.contains(&key.as_str()) => {
                normalise_bag(inner, key, cut);
                false
            }
            Value::Object(_) | Value::Array(_) if key != TRUNCATED => {
                let size = nodes(value);
                if size > budget {
                    *value = Value::String(value.to_string());
                    normalise_value(value, level);
                    true
                } else {
                    budget -= size;
                    normalise_value(value, level)
                }
            }
            _ => normalise_value(value, level),
        };
        if is_cut {
            cut.push(qualified(within, key));
        }
    }
}

fn keep_first(bag: &mut Map<String, Value>, within: &str, cut: &mut Vec<String>) {
    let mut left = MAX_KEYS;
    bag.retain(|key, _| {
        if key == TRUNCATED {
            return true;
        }
        if left == 0 {
            cut.push(qualified(within, key));
            return false;
        }
        left -= 1;
        true
    });
}

fn qualified(within: &str, key: &str) -> String {
    if within.is_empty() { key.to_owned() } else { format!("{within}.{key}") }
}

/// Normalises a value that stands on the given level; returns whether something was cut.
fn normalise_value(value: &mut Value, depth: usize) -> bool {
    match value {
        Value::String(text) => normalise_text(text),
        Value::Object(_) | Value::Array(_) if depth > MAX_DEPTH => {
            let mut text = value.to_string();
            normalise_text(&mut text);
            *value = Value::String(text);
            true
        }
        // Every item is visited, so no `any`: it would stop at the first that was cut.
        Value::Array(items) => items.iter_mut().fold(false, |cut, item| normalise_value(item, depth + 1) | cut),
        Value::Object(entries) => {
            let shortened = normalise_keys(entries);
            entries.values_mut().fold(shortened, |cut, item| normalise_value(item, depth + 1) | cut)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn normalise_text(text: &mut String) -> bool {
    if text.as_bytes().contains(&0) {
        text.retain(|c| c != '\0');
    }
    let is_long = text.len() > MAX_TEXT_BYTES;
    if is_long {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    }
    is_long
}

/// Rewrites keys where one needs it; returns whether one was too long or had to go.
fn normalise_keys(entries: &mut Map<String, Value>) -> bool {
    let is_fine = |key: &String| key.len() <= MAX_KEY_BYTES && !key.bytes().any(|b| matches!(b, 0 | b'%'));
    if entries.keys().all(is_fine) {
        return false;
    }
    let mut is_cut = false;
    // Keys that are right as they are go before those that become equal to them.
    let taken: HashSet<String> = entries.keys().filter(|key| normalised_key(key) == **key).cloned().collect();
    let old = std::mem::take(entries);
    for (key, value) in old {
        let new = normalised_key(&key);
        is_cut |= key.len() > MAX_KEY_BYTES;
        if new == key || !(taken.contains(&new) || entries.contains_key(&new)) {
            entries.insert(new, value);
        } else {
            is_cut = true;
        }
    }
    is_cut
}

fn normalised_key(key: &str) -> String {
    let mut key = key.replace('\0', "").replace("%2E", ".");
    key.truncate(key.floor_char_boundary(MAX_KEY_BYTES));
    key
}

/// How many values a value consists of, itself included.
fn nodes(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().fold(1, |sum, item| sum + nodes(item)),
        Value::Object(entries) => entries.values().fold(1, |sum, item| sum + nodes(item)),
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
