//! An answer as text.

use serde_json::value::{RawValue, to_raw_value};

use crate::insights::QueryAnswer;

/// What a kind answered, each field as the JSON it is sent as: a tree of values would take many times the memory.
#[derive(Debug, Clone)]
pub struct JsonAnswer {
    fields: Vec<(String, Box<RawValue>)>,
}

impl JsonAnswer {
    /// Its fields, as the kind ordered them.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// What it takes of memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.fields.iter().map(|(name, value)| name.len() + value.get().len() + 64).sum()
    }
}

impl From<&QueryAnswer> for JsonAnswer {
    fn from(answer: &QueryAnswer) -> Self {
        let raw = |value| to_raw_value(value).expect("a JSON value can be written as JSON");
        Self { fields: answer.iter().map(|(name, value)| (name.clone(), raw(value))).collect() }
    }
}
