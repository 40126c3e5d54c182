//! Reading JSON with the path of what is read, so that an error names its field.

use serde_json::Value;

/// A query that makes no sense, or asks for what cannot be answered: which field, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidQuery {
    /// The path of the field, such as `series[0].math`.
    pub field: String,
    /// What is wrong with it, in lower case and without a full stop.
    pub reason: String,
}

/// Longest reason. Reasons name what was sent, which may be of any length.
const MAX_REASON_CHARS: usize = 600;

impl InvalidQuery {
    /// Says what is wrong with a field. A reason that is too long to be read ends where it gets so.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if let Some((end, _)) = reason.char_indices().nth(MAX_REASON_CHARS) {
            reason.truncate(end);
            reason.push('…');
        }
        Self { field: field.into(), reason }
    }
}

/// A place in a JSON text. What is missing and what is `null` are the same.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    path: String,
    value: Option<&'a Value>,
}

impl<'a> Reader<'a> {
    /// The whole text.
    #[must_use]
    pub fn new(value: &'a Value) -> Self {
        Self { path: String::new(), value: Some(value).filter(|v| !v.is_null()) }
    }

    /// A field of this object; missing if this is missing.
    ///
    /// # Errors
    /// If this is no object.
    pub fn get(&self, key: &str) -> Result<Self, InvalidQuery> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        match self.value {
            None => Ok(Self { path, value: None }),
            Some(Value::Object(fields)) => Ok(Self { path, value: fields.get(key).filter(|v| !v.is_null()) }),
            Some(_) => Err(self.wrong("an object is needed here")),
        }
    }

    /// The value, if there is one.
    #[must_use]
    pub fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.value.is_none()
    }

    /// An error about this place.
    pub fn wrong(&self, reason: impl Into<String>) -> InvalidQuery {
        InvalidQuery::new(if self.path.is_empty() { "query" } else { &self.path }, reason)
    }

    /// The text here, if there is any value.
    ///
    /// # Errors
    /// If it is no text.
    pub fn text(&self) -> Result<Option<&'a str>, InvalidQuery> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong("a text is needed here")),
        }
    }

    /// Yes or no; no if missing.
    ///
    /// # Errors
    /// If it is neither.
    pub fn flag(&self) -> Result<bool, InvalidQuery> {
        match self.value {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong("true or false is needed here")),
        }
    }

    /// A whole number from `low` to `high`, if there is one.
    ///
    /// # Errors
    /// If it is no such number.
    pub fn count(&self, low: u32, high: u32) -> Result<Option<u32>, InvalidQuery> {
        let wrong = || self.wrong(format!("a whole number from {low} to {high} is needed here"));
        let Some(value) = self.value else { return Ok(None) };
        // Some languages write whole numbers with a point.
        let whole = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n));
        let number = whole.map(|n| n as u32).ok_or_else(wrong)?;
        if (low..=high).contains(&number) { Ok(Some(number)) } else { Err(wrong()) }
    }

    /// The items of the list here, each with its own path; none if missing.
    ///
    /// # Errors
    /// If it is no list.
    pub fn items(&self) -> Result<Vec<Self>, InvalidQuery> {
        match self.value {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items
                .iter()
                .enumerate()
                .map(|(at, value)| Self { path: format!("{}[{at}]", self.path), value: Some(value) })
                .collect()),
            Some(_) => Err(self.wrong("a list is needed here")),
        }
    }

    /// One of the words of a table; `None` if missing.
    ///
    /// # Errors
    /// If it is no text, or a word that the table does not hold: the error names those it does.
    pub fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<Option<T>, InvalidQuery> {
        let Some(text) = self.text()? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                Err(self.wrong(format!("{text:?} is not known here; one of {} is", known.join(", "))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_names_the_path_and_what_would_do() {
        let value = json!({ "series": [{ "math": "avg" }], "limit": 7 });
        let reader = Reader::new(&value);
        let series = reader.get("series").and_then(|s| s.items()).expect("a list");
        let math = series[0].get("math").expect("an object");
        let error = math.word(&[("total", 0), ("dau", 1)]).expect_err("no such word");
        assert_eq!(error.to_string(), r#"series[0].math: "avg" is not known here; one of total, dau is"#);
        let error = reader.get("limit").and_then(|l| l.count(1, 5)).expect_err("too large");
        assert_eq!(error.to_string(), "limit: a whole number from 1 to 5 is needed here");
        let long = json!("é".repeat(100_000));
        let error = Reader::new(&long).word(&[("total", 0)]).expect_err("no such word");
        assert_eq!(error.reason.chars().count(), MAX_REASON_CHARS + 1);
        assert!(reader.get("missing").and_then(|m| m.get("below")).is_ok_and(|m| m.is_missing()));
    }
}
