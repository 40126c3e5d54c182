//! Properties made storable: whatever an object holds, both stores take it, and one wild value costs nothing but itself.
//!
//! What is over a limit is cut or kept as its JSON text, never refused, and named in the event's `$truncated`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::config::EventLimits;

/// The list of properties that were cut.
const TRUNCATED: &str = "$truncated";
/// Most names in that list.
const MAX_NAMES: usize = 20;
/// What says how the event came to be as it is stays beside the most properties that there may be.
const KEPT: [&str; 3] = [TRUNCATED, "$sent_at", "$original_timestamp"];
/// Objects of properties in their own right: each has the limits of an event, because persons and groups are made of them.
const BAGS: [&str; 3] = ["$set", "$set_once", "$group_set"];

/// Makes properties storable. Doing it twice with the same limits changes nothing more.
///
/// - NUL is removed from keys and texts: Postgres has no such character.
/// - A `%2E` in a key becomes the dot it stands for: ClickHouse keeps dots in that form and reads them back as dots.
/// - Of keys that become equal by this, the first stays.
/// - Keys, texts, depth and number of values are limited.
///
/// # Examples
/// ```
/// use tenrec::config::EventLimits;
/// use tenrec::ingest::normalise::normalise;
///
/// let mut properties = serde_json::json!({"a\u{0}": "x\u{0}y", "note": "z".repeat(100_000)});
/// let properties = properties.as_object_mut().unwrap();
/// normalise(properties, &EventLimits::DEFAULT);
/// assert_eq!(properties["a"], "xy");
/// assert_eq!(properties["note"].as_str().map(str::len), Some(64 << 10));
/// assert_eq!(properties["$truncated"], serde_json::json!(["note"]));
/// ```
pub fn normalise(properties: &mut Map<String, Value>, limits: &EventLimits) {
    // A list of that name that is longer than ours can be is not ours.
    if properties.get(TRUNCATED).is_some_and(|list| nodes(list) > MAX_NAMES + 1) {
        properties.remove(TRUNCATED);
    }
    let mut cut = Vec::new();
    normalise_bag(properties, "", limits, &mut cut);
    if !cut.is_empty() {
        cut.truncate(MAX_NAMES);
        properties.insert(TRUNCATED.to_owned(), cut.into());
    }
}

/// Normalises an object of properties; `within` names it in the list of what was cut.
fn normalise_bag(bag: &mut Map<String, Value>, within: &str, limits: &EventLimits, cut: &mut Vec<String>) {
    let long = bag.keys().filter(|key| key.len() > limits.max_key_bytes);
    cut.extend(long.map(|key| qualified(within, &normalised_key(key, limits))));
    normalise_keys(bag, limits);
    if bag.len() > limits.max_event_properties {
        keep_first(bag, limits.max_event_properties, within, cut);
    }
    let level = if within.is_empty() { 2 } else { 3 };
    let mut budget = limits.max_event_values;
    for (key, value) in bag.iter_mut() {
        let is_cut = match value {
            Value::Object(inner) if within.is_empty() && BAGS.contains(&key.as_str()) => {
                normalise_bag(inner, key, limits, cut);
                false
            }
            Value::Object(_) | Value::Array(_) if key != TRUNCATED => {
                let size = nodes(value);
                if size > budget {
                    *value = Value::String(value.to_string());
                    normalise_value(value, level, limits);
                    true
                } else {
                    budget -= size;
                    normalise_value(value, level, limits)
                }
            }
            _ => normalise_value(value, level, limits),
        };
        if is_cut {
            cut.push(qualified(within, key));
        }
    }
}

fn keep_first(bag: &mut Map<String, Value>, most: usize, within: &str, cut: &mut Vec<String>) {
    let mut left = most;
    bag.retain(|key, _| {
        if KEPT.contains(&key.as_str()) {
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
fn normalise_value(value: &mut Value, depth: usize, limits: &EventLimits) -> bool {
    match value {
        Value::String(text) => normalise_text(text, limits),
        Value::Object(_) | Value::Array(_) if depth > limits.max_nesting => {
            let mut text = value.to_string();
            normalise_text(&mut text, limits);
            *value = Value::String(text);
            true
        }
        // Every item is visited, so no `any`: it would stop at the first that was cut.
        Value::Array(items) => items.iter_mut().fold(false, |cut, item| normalise_value(item, depth + 1, limits) | cut),
        Value::Object(entries) => {
            let shortened = normalise_keys(entries, limits);
            entries.values_mut().fold(shortened, |cut, item| normalise_value(item, depth + 1, limits) | cut)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn normalise_text(text: &mut String, limits: &EventLimits) -> bool {
    if text.as_bytes().contains(&0) {
        text.retain(|c| c != '\0');
    }
    let is_long = text.len() > limits.max_text_bytes;
    if is_long {
        text.truncate(text.floor_char_boundary(limits.max_text_bytes));
    }
    is_long
}

/// Rewrites keys where one needs it; returns whether one was too long or had to go.
fn normalise_keys(entries: &mut Map<String, Value>, limits: &EventLimits) -> bool {
    let is_fine = |key: &String| key.len() <= limits.max_key_bytes && !key.bytes().any(|b| matches!(b, 0 | b'%'));
    if entries.keys().all(is_fine) {
        return false;
    }
    let mut is_cut = false;
    // Keys that are right as they are go before those that become equal to them.
    let taken: HashSet<String> = entries.keys().filter(|key| normalised_key(key, limits) == **key).cloned().collect();
    let old = std::mem::take(entries);
    for (key, value) in old {
        let new = normalised_key(&key, limits);
        is_cut |= key.len() > limits.max_key_bytes;
        if new == key || !(taken.contains(&new) || entries.contains_key(&new)) {
            entries.insert(new, value);
        } else {
            is_cut = true;
        }
    }
    is_cut
}

fn normalised_key(key: &str, limits: &EventLimits) -> String {
    let mut key = key.replace('\0', "").replace("%2E", ".");
    key.truncate(key.floor_char_boundary(limits.max_key_bytes));
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
