//! JSON as senders write it: parsed strictly first, and mended only if that failed.
//!
//! Python writes `NaN`, JavaScript cuts an emoji in half, a counter outgrows 64 bits, a queue cuts a byte. None of these may
//! cost an event, let alone its neighbours in the batch: each has one defined reading (RELIABILITY T3).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// Whether a text may hold more values than this. Each takes a hundred bytes of memory and more, however short it is: a body
/// of `{},{},…` would become fifty times its size. Real batches of the largest size hold half of the default. Commas inside
/// texts count too: it is a bound, not a count.
#[must_use]
pub fn holds_more_values_than(max_values: usize, bytes: &[u8]) -> bool {
    bytes.len() > max_values && bytes.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() > max_values
}

/// Why a text is no JSON, even after mending.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is not valid JSON: {0}")]
pub struct InvalidJson(String);

/// How many levels may be taken apart by hand when the parser finds a text too deep: request, batch, event, properties,
/// and the sets inside them. What is deeper than the parser goes below one of these stays as its text.
const LEVELS_BY_HAND: usize = 6;

/// Parses a request's JSON.
///
/// Bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD, `NaN` and infinities null, numbers that no 64-bit
/// number holds their own text, and a value that is too deep for the parser its JSON text. Of keys given twice the last wins.
///
/// # Errors
/// If the text is not JSON for another reason.
///
/// # Examples
/// ```
/// use tenrec::ingest::json::parse;
///
/// let value = parse(br#"{"a":NaN,"b":"\ud83d","c":123456789012345678901,"d":1e400,"d":2}"#)?;
/// assert_eq!(value.to_string(), r#"{"a":null,"b":"�","c":"123456789012345678901","d":2}"#);
/// # Ok::<(), tenrec::ingest::json::InvalidJson>(())
/// ```
pub fn parse(bytes: &[u8]) -> Result<Value, InvalidJson> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match serde_json::from_str(text) {
        Ok(value) if !has_lost_digits(&value) => Ok(value),
        _ => {
            let mended = mend(text);
            take_apart(&mended, LEVELS_BY_HAND).map_err(|e| InvalidJson(e.to_string()))
        }
    }
}

/// Whether a number may have been an integer beyond 64 bits, which the parser rounds to a float in silence.
fn has_lost_digits(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.is_f64() && number.as_f64().is_some_and(|f| f.abs() >= 9_223_372_036_854_775_808.0)
        }
        Value::Array(items) => items.iter().any(has_lost_digits),
        Value::Object(entries) => entries.values().any(has_lost_digits),
        _ => false,
    }
}

/// Parses a text; where it nests too deep, takes it apart level by level, and leaves as text what is still too deep.
fn take_apart(text: &str, levels: usize) -> Result<Value, serde_json::Error> {
    let error = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let part = |raw: &RawValue| {
        let text = raw.get();
        match levels {
            0 => Value::String(text.to_owned()),
            _ => take_apart(text, levels - 1).unwrap_or_else(|_| Value::String(text.to_owned())),
        }
    };
    match text.trim_start().as_bytes().first() {
        Some(b'{') => {
            let parts: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text)?;
            Ok(Value::Object(parts.into_iter().map(|(key, raw)| (key.into_owned(), part(raw))).collect()))
        }
        Some(b'[') => {
            let parts: Vec<&RawValue> = serde_json::from_str(text)?;
            Ok(Value::Array(parts.into_iter().map(part).collect()))
        }
        _ => Err(error),
    }
}

/// Rewrites what strict JSON has no word for. A valid text keeps its meaning; what cannot be mended is left for the parser
/// to refuse.
fn mend(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' => mend_string(rest, &mut mended),
            '-' | '+' | '.' | '0'..='9' | 'a'..='z' | 'A'..='Z' => {
                let end = rest.find(|c: char| !matches!(c, '-' | '+' | '.') && !c.is_ascii_alphanumeric());
                let token = &rest[..end.unwrap_or(rest.len())];
                mend_token(token, &mut mended);
                token.len()
            }
            other => {
                mended.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    mended
}

/// Copies a string, from its opening quote to its closing one; returns how many bytes of the text that were.
fn mend_string(text: &str, into: &mut String) -> usize {
    into.push('"');
    let mut at = 1;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' => {
                into.push('"');
                return at + 1;
            }
            '\\' => at += mend_escape(&text[at..], into),
            '\0'..='\u{1f}' => {
                into.push_str(&format!("\\u{:04x}", u32::from(c)));
                at += 1;
            }
            _ => {
                into.push(c);
                at += c.len_utf8();
            }
        }
    }
    text.len()
}

/// Copies one escape of a string, or a pair of them that makes one character; returns how many bytes that were.
fn mend_escape(text: &str, into: &mut String) -> usize {
    match text.as_bytes().get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
            into.push_str(&text[..2]);
            2
        }
        Some(b'u') => match (unit_at(text, 0), unit_at(text, 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => {
                into.push_str(&text[..12]);
                12
            }
            (Some(0xd800..=0xdfff), _) => {
                into.push('\u{fffd}');
                6
            }
            (Some(_), _) => {
                into.push_str(&text[..6]);
                6
            }
            (None, _) => {
                into.push_str("\\\\");
                1
            }
        },
        // No escape at all: the backslash was meant as itself.
        _ => {
            into.push_str("\\\\");
            1
        }
    }
}

/// The UTF-16 unit that a `\uXXXX` at this place names.
fn unit_at(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

fn mend_token(token: &str, into: &mut String) {
    let digits = token.strip_prefix('-').unwrap_or(token);
    match digits {
        "NaN" | "Infinity" | "nan" | "inf" | "Inf" | "undefined" => into.push_str("null"),
        _ if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            let fits = token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok();
            quote_unless(fits, token, into);
        }
        // Only numbers are numbers here: Rust would also read "infinity" and a leading plus.
        _ if digits.starts_with(|c: char| c.is_ascii_digit()) => {
            quote_unless(!token.parse::<f64>().is_ok_and(f64::is_infinite), token, into);
        }
        _ => into.push_str(token),
    }
}

fn quote_unless(fits: bool, token: &str, into: &mut String) {
    if fits {
        into.push_str(token);
    } else {
        into.extend(["\"", token, "\""]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Value {
        parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn odd_values_have_one_reading_each() {
        for (text, value) in [
            (r#"{"a":NaN,"b":[-Infinity,Infinity]}"#, json!({"a":null,"b":[null,null]})),
            (r#"{"NaN":"NaN, \"Infinity\""}"#, json!({"NaN":"NaN, \"Infinity\""})),
            (
                r#"["\ud83d","\ude00x","\ud83d\ude00","\ud83d\u0041"]"#,
                json!(["\u{fffd}", "\u{fffd}x", "😀", "\u{fffd}A"]),
            ),
            ("[18446744073709551615,-9223372036854775808]", json!([u64::MAX, i64::MIN])),
            (
                "[18446744073709551616,-9223372036854775809,1e300]",
                json!(["18446744073709551616", "-9223372036854775809", 1e300]),
            ),
            ("[1e400,-1e400,1e-400]", json!(["1e400", "-1e400", 0.0])),
            (r#"{"a":1,"b":2,"a":3}"#, json!({"a":3,"b":2})),
            ("[\"a\u{1}b\nc\",\"\\x \\u12\"]", json!(["a\u{1}b\nc", "\\x \\u12"])),
            ("\u{feff} [1]", json!([1])),
        ] {
            assert_eq!(parsed(text), value, "{text}");
        }
        assert_eq!(parse(b"[\"a\xff\xc3\"]"), Ok(json!(["a\u{fffd}\u{fffd}"])));
    }

    #[test]
    fn a_value_too_deep_stays_as_its_text_and_its_neighbours_stay_values() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        let text = format!(r#"{{"batch":[{{"properties":{{"ok":[1],"deep":{deep}}}}},{{"event":"next"}}]}}"#);
        let value = parsed(&text);
        assert_eq!(value["batch"][1], json!({"event":"next"}));
        assert_eq!(value["batch"][0]["properties"]["ok"], json!([1]));
        let mut kept = &value["batch"][0]["properties"]["deep"];
        while let Value::Array(items) = kept {
            kept = &items[0];
        }
        assert!(kept.as_str().is_some_and(|s| s.starts_with("[[") && s.ends_with("]]")));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "{\"a\":}", "[1,]", "{\"a\":1}}", "[\"a]", "[undefine]", "{1:2}", "[1 2]", "[--1]"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "(?s).{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec(("(?s).{0,6}", inner), 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn mending_keeps_the_meaning_of_valid_json(value in any_json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).expect("a value is JSON")] {
                let mended = mend(&text);
                let again: Value = serde_json::from_str(&mended).expect("it was valid before");
                prop_assert_eq!(&again, &serde_json::from_str::<Value>(&text).expect("it is valid"));
            }
        }

        #[test]
        fn any_bytes_end_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn anything_like_json_ends_without_panic(text in "[\\[\\]{}:,\"\\\\ud8Na0-9eE.+-]{0,60}") {
            let _ = parse(text.as_bytes());
        }
    }
}
