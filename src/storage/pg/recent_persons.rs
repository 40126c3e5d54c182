//! Properties of persons as they were read or written lately: an active person is asked for batch after batch, and what is
//! known of it is most of the answer.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::WrittenPersons;
use crate::model::{PersonId, Recent};

/// Bytes of properties in each of two generations, about.
const MAX_BYTES: usize = 6 << 20;
/// What a property takes besides its texts.
const ENTRY_BYTES: usize = 160;

/// Properties of persons with the version they belong to; of a version that Postgres has they need not be read again. Bounded.
#[derive(Debug)]
pub struct RecentPersons(Recent<PersonId, (i64, Arc<Map<String, Value>>)>);

impl Default for RecentPersons {
    fn default() -> Self {
        Self(Recent::new(MAX_BYTES))
    }
}

impl RecentPersons {
    /// Takes up what was written.
    pub fn learn(&mut self, written: &WrittenPersons) {
        for (id, version, properties) in written.iter() {
            self.put(id, version, properties);
        }
    }

    /// Forgets everybody.
    pub fn forget(&mut self) {
        self.0.forget();
    }

    /// The persons known, and the version of each.
    pub(super) fn versions(&self) -> (Vec<i64>, Vec<i64>) {
        self.0.iter().map(|(id, (version, _))| (id.as_row(), *version)).unzip()
    }

    /// What a person has in the version that is known.
    pub(super) fn get(&self, id: PersonId) -> Option<&Arc<Map<String, Value>>> {
        self.0.get(&id).map(|(_, properties)| properties)
    }

    /// Remembers what a person has in this version.
    pub(super) fn put(&mut self, id: PersonId, version: i64, properties: &Arc<Map<String, Value>>) {
        self.0.put(id, (version, Arc::clone(properties)), weight_of(properties));
    }
}

fn weight_of(properties: &Map<String, Value>) -> usize {
    properties.iter().map(|(key, value)| ENTRY_BYTES + key.len() + weight(value)).sum()
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(|value| size_of::<Value>() + weight(value)).sum(),
        Value::Object(properties) => weight_of(properties),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person(n: i64) -> Arc<Map<String, Value>> {
        let properties = json!({ "n": n, "bio": "x".repeat(5_000), "tags": [{ "deep": "y".repeat(5_000) }] });
        Arc::new(properties.as_object().cloned().expect("an object"))
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest_stays() {
        let mut recent = RecentPersons::default();
        for n in 0..3_000 {
            recent.put(PersonId::from_row(n), 1, &person(n));
        }
        let bytes: usize = recent.0.iter().map(|(_, (_, properties))| weight_of(properties)).sum();
        assert!((10_000..=2 * MAX_BYTES).contains(&bytes));
        assert!(weight_of(&person(1)) > 10_000, "nested texts weigh too");
        assert!(recent.get(PersonId::from_row(0)).is_none());
        recent.put(PersonId::from_row(2_999), 2, &person(7));
        assert_eq!(recent.get(PersonId::from_row(2_999)), Some(&person(7)));
        let (ids, versions) = recent.versions();
        assert_eq!(ids.iter().zip(&versions).filter(|(id, _)| **id == 2_999).collect::<Vec<_>>(), [(&2_999, &2)]);
        recent.forget();
        assert_eq!(recent.versions(), (vec![], vec![]));
    }
}
