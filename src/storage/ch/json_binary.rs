//! JSON objects as ClickHouse's `JSON` type holds them: paths with values, each value with its type before it.
//!
//! The server need not read a text: that was a third of what an insert of events with people cost it (benches/RESULTS.md). The
//! form is that of ClickHouse's docs, "Data types binary encoding specification" and the `JSON` type's "binary format".
//! Values get the types that the server itself gives those of a text.
//!
//! - `null` and empty objects leave no trace; inside a list they stand.
//! - A list has one type if all of its items do (nulls aside), else each item has its own. Whole numbers beside broken ones
//!   are doubles, if those hold them exactly.
//! - What is nested deeper than [`MAX_DEPTH`] is kept as a text of JSON.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::json_keys::path_of;
use super::native::{put_text, put_varint};

/// Deeper values become text. Nobody asks questions that deep.
const MAX_DEPTH: usize = 32;

/// Types, by the byte that says them.
mod tag {
    pub const NOTHING: u8 = 0x00;
    pub const UINT64: u8 = 0x04;
    pub const INT64: u8 = 0x0a;
    pub const FLOAT64: u8 = 0x0e;
    pub const STRING: u8 = 0x15;
    pub const BOOL: u8 = 0x2d;
    pub const ARRAY: u8 = 0x1e;
    pub const NULLABLE: u8 = 0x23;
    /// Of at most 32 types that have columns of their own.
    pub const DYNAMIC: [u8; 2] = [0x2b, 32];
    /// Its form, its most paths and types with columns of their own, and that it has no typed paths and skips none.
    pub const JSON: [u8; 7] = [0x30, 0, 0, 16, 0, 0, 0];
}

/// What stands at the ends of an object's paths.
#[derive(Debug, Default)]
pub(super) struct Leaves<'a>(Vec<Leaf<'a>>);

#[derive(Debug)]
struct Leaf<'a> {
    path: Cow<'a, str>,
    value: &'a Value,
    /// How many objects and lists it stands in.
    depth: usize,
}

impl<'a> Leaves<'a> {
    /// Of an object that stands in nothing.
    pub fn of(entries: impl Iterator<Item = (&'a str, &'a Value)>) -> Self {
        Self::at(entries, 0)
    }

    fn at(entries: impl Iterator<Item = (&'a str, &'a Value)>, depth: usize) -> Self {
        let mut leaves = Self::default();
        for (key, value) in entries {
            leaves.add(path_of(key), value, depth + 1);
        }
        leaves.0.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        leaves
    }

    fn add(&mut self, path: Cow<'a, str>, value: &'a Value, depth: usize) {
        match value {
            Value::Null => {}
            Value::Object(object) if depth < MAX_DEPTH => {
                for (key, value) in object {
                    self.add(format!("{path}.{}", path_of(key)).into(), value, depth + 1);
                }
            }
            Value::Object(object) if object.values().all(leaves_no_trace) => {}
            value => self.0.push(Leaf { path, value, depth }),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends the paths, and the values with their lengths, in the same order.
    pub fn write_apart(&self, paths: &mut Vec<u8>, values: &mut Vec<u8>, scratch: &mut Vec<u8>) {
        for leaf in &self.0 {
            put_text(leaf.path.as_bytes(), paths);
            scratch.clear();
            write_value(leaf.value, leaf.depth, scratch);
            put_text(scratch, values);
        }
    }

    /// Appends it as one value.
    pub fn write(&self, to: &mut Vec<u8>) {
        put_varint(self.0.len(), to);
        for leaf in &self.0 {
            put_text(leaf.path.as_bytes(), to);
            write_value(leaf.value, leaf.depth, to);
        }
    }
}

/// The entries of a map, as [`Leaves::of`] takes them.
pub(super) fn entries(map: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    map.iter().map(|(key, value)| (key.as_str(), value))
}

/// Writes a value after its type.
fn write_value(value: &Value, depth: usize, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.push(tag::NOTHING),
        Value::Array(_) | Value::Object(_) if depth >= MAX_DEPTH => {
            to.push(tag::STRING);
            put_text(value.to_string().as_bytes(), to);
        }
        Value::Array(items) => write_list(items, depth, to),
        Value::Object(object) => {
            to.extend(tag::JSON);
            Leaves::at(entries(object), depth).write(to);
        }
        scalar => {
            let kind = Scalar::of(scalar).expect("all others are scalars");
            to.push(kind.tag());
            kind.write(scalar, to);
        }
    }
}

fn write_list(items: &[Value], depth: usize, to: &mut Vec<u8>) {
    to.push(tag::ARRAY);
    if let Some(kind) = Scalar::of_all(items) {
        to.extend([tag::NULLABLE, kind.tag()]);
        put_varint(items.len(), to);
        for item in items {
            to.push(u8::from(item.is_null()));
            if !item.is_null() {
                kind.write(item, to);
            }
        }
    } else if depth + 1 < MAX_DEPTH && items.iter().all(Value::is_object) {
        to.extend(tag::JSON);
        put_varint(items.len(), to);
        for object in items.iter().filter_map(Value::as_object) {
            Leaves::at(entries(object), depth + 1).write(to);
        }
    } else {
        to.extend(tag::DYNAMIC);
        put_varint(items.len(), to);
        for item in items {
            write_value(item, depth + 1, to);
        }
    }
}

/// The types of single values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    Text,
    Flag,
    Integer,
    /// A whole number beyond 63 bits.
    Unsigned,
    Number,
}

impl Scalar {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self::Text),
            Value::Bool(_) => Some(Self::Flag),
            Value::Number(number) if number.is_i64() => Some(Self::Integer),
            Value::Number(number) if number.is_u64() => Some(Self::Unsigned),
            Value::Number(_) => Some(Self::Number),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The one type of all items that are not null; of a list without such, text.
    fn of_all(items: &[Value]) -> Option<Self> {
        let mut items = items.iter().filter(|item| !item.is_null());
        let Some(first) = items.next() else { return Some(Self::Text) };
        let mut all = Self::of(first)?;
        let mut is_exact = holds_exactly(first);
        for item in items {
            is_exact &= holds_exactly(item);
            all = match (all, Self::of(item)?) {
                (one, other) if one == other => one,
                (Self::Integer, Self::Number) | (Self::Number, Self::Integer) => Self::Number,
                _ => return None,
            };
        }
        (all != Self::Number || is_exact).then_some(all)
    }

    fn tag(self) -> u8 {
        match self {
            Self::Text => tag::STRING,
            Self::Flag => tag::BOOL,
            Self::Integer => tag::INT64,
            Self::Unsigned => tag::UINT64,
            Self::Number => tag::FLOAT64,
        }
    }

    /// Writes a value of this type, without the type.
    fn write(self, value: &Value, to: &mut Vec<u8>) {
        match self {
            Self::Text => put_text(value.as_str().unwrap_or_default().as_bytes(), to),
            Self::Flag => to.push(u8::from(value.as_bool().unwrap_or_default())),
            Self::Integer => to.extend(value.as_i64().unwrap_or_default().to_le_bytes()),
            Self::Unsigned => to.extend(value.as_u64().unwrap_or_default().to_le_bytes()),
            Self::Number => to.extend(value.as_f64().unwrap_or_default().to_le_bytes()),
        }
    }
}

/// Whether a double is this number, if it is one.
fn holds_exactly(value: &Value) -> bool {
    value.as_i64().is_none_or(|whole| whole.unsigned_abs() <= 1 << 53)
}

fn leaves_no_trace(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(object) => object.values().all(leaves_no_trace),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(value: &Value) -> Vec<String> {
        let leaves = Leaves::of(entries(value.as_object().expect("an object")));
        leaves.0.iter().map(|leaf| leaf.path.to_string()).collect()
    }

    fn written(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_value(value, 1, &mut bytes);
        bytes
    }

    #[test]
    fn what_leaves_no_trace_is_left_out_but_never_inside_a_list() {
        let value =
            json!({ "n": null, "o": {}, "d": { "e": { "f": null } }, "l": [null, {}], "z": 1, "a.b": { "c": 2 } });
        assert_eq!(paths(&value), ["a%2Eb.c", "l", "z"]);
        assert_eq!(written(&json!([null, {}])), [&[0x1e, 0x2b, 32, 2, 0][..], &tag::JSON, &[0]].concat());
    }

    #[test]
    fn values_are_as_the_server_writes_them() {
        for (value, bytes) in [
            (json!("xy"), b"\x15\x02xy".to_vec()),
            (json!(true), b"\x2d\x01".to_vec()),
            (json!(-3), [&[0x0a][..], &(-3_i64).to_le_bytes()].concat()),
            (json!(u64::MAX), [&[0x04][..], &u64::MAX.to_le_bytes()].concat()),
            (json!(1.5), [&[0x0e][..], &1.5_f64.to_le_bytes()].concat()),
            (json!([]), b"\x1e\x23\x15\x00".to_vec()),
            (json!(["p", null]), b"\x1e\x23\x15\x02\x00\x01p\x01".to_vec()),
            (
                json!([1.5, 2]),
                [&b"\x1e\x23\x0e\x02\x00"[..], &1.5_f64.to_le_bytes(), &[0], &2_f64.to_le_bytes()].concat(),
            ),
            (json!([true, "x"]), b"\x1e\x2b\x20\x02\x2d\x01\x15\x01x".to_vec()),
            (
                json!([{ "b": { "c": "x" }, "a": "y" }]),
                b"\x1e\x30\x00\x00\x10\x00\x00\x00\x01\x02\x01a\x15\x01y\x03b.c\x15\x01x".to_vec(),
            ),
        ] {
            assert_eq!(written(&value), bytes, "{value}");
        }
    }

    #[test]
    fn whole_numbers_that_no_double_holds_keep_their_type() {
        let exact = json!([1.5, 9_007_199_254_740_992_i64]);
        let inexact = json!([1.5, 9_007_199_254_740_993_i64]);
        assert_eq!(written(&exact)[1..3], [tag::NULLABLE, tag::FLOAT64]);
        assert_eq!(written(&inexact)[1..3], tag::DYNAMIC);
    }

    #[test]
    fn the_deepest_values_become_text() {
        let nested = |times: usize| (0..times).fold(json!("core"), |value, _| json!({ "k": value }));
        let deepest = |value: &Value| paths(value).pop().map(|path| path.matches('k').count());
        assert_eq!(deepest(&nested(MAX_DEPTH)), Some(MAX_DEPTH));
        assert_eq!(deepest(&nested(MAX_DEPTH + 5)), Some(MAX_DEPTH));
        let mut bytes = Vec::new();
        Leaves::of(entries(nested(MAX_DEPTH + 2).as_object().expect("an object"))).write(&mut bytes);
        assert!(bytes.ends_with(br#"{"k":{"k":"core"}}"#), "{}", String::from_utf8_lossy(&bytes));
        let lists = (0..MAX_DEPTH + 5).fold(json!("core"), |value, _| json!([value]));
        assert!(written(&lists).ends_with(br#"[[[[[["core"]]]]]]"#));
    }
}
