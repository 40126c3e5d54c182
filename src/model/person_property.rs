//! A property of a person or a group that somebody types: its key and its value.

use std::fmt;
use std::str::FromStr;

use serde_json::{Number, Value};

/// Most letters of a key.
const MAX_KEY_CHARS: usize = 400;
/// Longest value, as JSON.
const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Deepest nesting of a value.
const MAX_DEPTH: usize = 20;

/// Most properties that a person keeps.
pub const MAX_PERSON_PROPERTIES: usize = 2_000;

/// The key of a property.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PropertyKey(String);

/// Why a text is no key, or a value cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProperty {
    #[error("a property needs a name")]
    NoKey,
    #[error("a property's name has at most {MAX_KEY_CHARS} letters and no control characters")]
    Key,
    #[error("this is not a number")]
    Number,
    #[error("this is neither true nor false")]
    Boolean,
    #[error("this is no list and no object in JSON")]
    Json,
    #[error("null is no value: delete the property instead")]
    Null,
    #[error("a value has at most 64 KB, is nested at most {MAX_DEPTH} deep and holds no zero character")]
    Value,
}

/// What kind of value somebody types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueKind {
    #[default]
    Text,
    Number,
    Boolean,
    Json,
}

impl ValueKind {
    /// Kinds by the words of forms, in their order.
    pub const WORDS: [(&'static str, Self); 4] =
        [("text", Self::Text), ("number", Self::Number), ("boolean", Self::Boolean), ("json", Self::Json)];

    /// The kind of a word; text for a word that nobody knows.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        Self::WORDS.iter().find(|(known, _)| *known == word).map_or(Self::Text, |(_, kind)| *kind)
    }

    /// The kind that a value is typed as.
    #[must_use]
    pub fn of_value(value: &Value) -> Self {
        match value {
            Value::Number(_) => Self::Number,
            Value::Bool(_) => Self::Boolean,
            Value::Array(_) | Value::Object(_) => Self::Json,
            Value::String(_) | Value::Null => Self::Text,
        }
    }

    /// The word of forms.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("text", |(word, _)| word)
    }

    /// As a page says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Number => "Number",
            Self::Boolean => "True or false",
            Self::Json => "List or object (JSON)",
        }
    }

    /// The value that a text of this kind means.
    ///
    /// # Errors
    /// If the text is not of this kind, or the value cannot be kept.
    pub fn read(self, text: &str) -> Result<Value, InvalidProperty> {
        let trimmed = text.trim();
        let value = match self {
            Self::Text => Value::String(text.replace("\r\n", "\n")),
            Self::Number => Value::Number(trimmed.parse::<Number>().map_err(|_| InvalidProperty::Number)?),
            Self::Boolean => Value::Bool(trimmed.to_lowercase().parse().map_err(|_| InvalidProperty::Boolean)?),
            Self::Json => serde_json::from_str::<Value>(trimmed)
                .ok()
                .filter(|value| value.is_array() || value.is_object())
                .ok_or(InvalidProperty::Json)?,
        };
        check_value(&value).map(|()| value)
    }
}

/// Whether a value can be kept as a property.
///
/// # Errors
/// If it is null, too long, too deep, or holds a zero character.
pub fn check_value(value: &Value) -> Result<(), InvalidProperty> {
    if value.is_null() {
        return Err(InvalidProperty::Null);
    }
    let is_short = value.to_string().len() <= MAX_VALUE_BYTES;
    if is_short && is_plain(value, MAX_DEPTH) { Ok(()) } else { Err(InvalidProperty::Value) }
}

fn is_plain(value: &Value, depth: usize) -> bool {
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(values) => depth > 0 && values.iter().all(|value| is_plain(value, depth - 1)),
        Value::Object(fields) => {
            depth > 0 && fields.iter().all(|(key, value)| !key.contains('\0') && is_plain(value, depth - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

impl FromStr for PropertyKey {
    type Err = InvalidProperty;

    fn from_str(text: &str) -> Result<Self, InvalidProperty> {
        match text {
            "" => Err(InvalidProperty::NoKey),
            text if text.chars().count() > MAX_KEY_CHARS || text.chars().any(char::is_control) => {
                Err(InvalidProperty::Key)
            }
            text => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for PropertyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<PropertyKey> for String {
    fn from(key: PropertyKey) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_typed_value_has_the_type_that_was_chosen() {
        assert_eq!(ValueKind::Text.read("3\r\nx"), Ok(json!("3\nx")));
        assert_eq!(ValueKind::Number.read(" 3 "), Ok(json!(3)));
        assert_eq!(ValueKind::Number.read("-2.5e3"), Ok(json!(-2500.0)));
        assert_eq!(ValueKind::Boolean.read("True"), Ok(json!(true)));
        assert_eq!(ValueKind::Json.read(r#"{"a":[1]}"#), Ok(json!({ "a": [1] })));
        for (kind, text, wrong) in [
            (ValueKind::Number, "", InvalidProperty::Number),
            (ValueKind::Number, "NaN", InvalidProperty::Number),
            (ValueKind::Number, "1e999", InvalidProperty::Number),
            (ValueKind::Boolean, "yes", InvalidProperty::Boolean),
            (ValueKind::Json, "3", InvalidProperty::Json),
            (ValueKind::Json, "{", InvalidProperty::Json),
            (ValueKind::Text, "a\0b", InvalidProperty::Value),
        ] {
            assert_eq!(kind.read(text), Err(wrong), "{text}");
        }
        assert_eq!(ValueKind::Text.read(&"x".repeat(MAX_VALUE_BYTES)), Err(InvalidProperty::Value));
        assert_eq!(ValueKind::Json.read(&format!("{}{}", "[".repeat(40), "]".repeat(40))), Err(InvalidProperty::Value));
    }

    #[test]
    fn a_value_is_typed_as_what_it_is() {
        for value in [json!("a"), json!(3), json!(2.5), json!(true), json!([1]), json!({ "a": null })] {
            let kind = ValueKind::of_value(&value);
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(kind.read(&text), Ok(value));
            assert_eq!(ValueKind::of_word(kind.word()), kind);
        }
    }

    #[test]
    fn a_key_is_any_text_that_can_be_read() {
        assert_eq!("plan.name é".parse::<PropertyKey>().map(String::from), Ok("plan.name é".to_owned()));
        assert_eq!("".parse::<PropertyKey>(), Err(InvalidProperty::NoKey));
        assert_eq!("a\0".parse::<PropertyKey>(), Err(InvalidProperty::Key));
        assert_eq!("k".repeat(MAX_KEY_CHARS + 1).parse::<PropertyKey>(), Err(InvalidProperty::Key));
    }
}
