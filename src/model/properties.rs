//! The properties of an event.

use std::fmt;
use std::ops::Index;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Names with values, each name once, in the order they were sent: one list.
///
/// An event has some forty, and thousands of events are in memory at once: a list takes half of what the table of a hash map
/// takes, and so few are found in it as fast.
///
/// # Examples
/// ```
/// use serde_json::json;
/// use tenrec::model::Properties;
///
/// let mut properties: Properties = [("plan", json!("pro")), ("seats", json!(3))].into_iter().collect();
/// properties.insert("plan", json!("team"));
/// assert_eq!(properties.get("plan"), Some(&json!("team")));
/// assert_eq!(properties.keys().collect::<Vec<_>>(), ["plan", "seats"]);
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Properties(Vec<(Box<str>, Value)>);

impl Properties {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value under a name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.position(key).map(|at| &self.0[at].1)
    }

    /// Whether there is a value under a name, if only null.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// Puts a value under a name, at the end if the name is new; gives what stood there.
    pub fn insert(&mut self, key: impl AsRef<str> + Into<Box<str>>, value: Value) -> Option<Value> {
        match self.position(key.as_ref()) {
            Some(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            None => {
                self.0.push((key.into(), value));
                None
            }
        }
    }

    /// Takes out the value under a name; the others stay in their order.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.position(key).map(|at| self.0.remove(at).1)
    }

    /// Leaves those that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Value) -> bool) {
        self.0.retain(|(key, value)| keep(key, value));
    }

    /// Gives back memory that was meant for more.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| **known == *key)
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A missing name gives null.
impl Index<&str> for Properties {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&Value::Null)
    }
}

impl From<Map<String, Value>> for Properties {
    fn from(map: Map<String, Value>) -> Self {
        Self(map.into_iter().map(|(key, value)| (key.into_boxed_str(), value)).collect())
    }
}

impl From<Properties> for Map<String, Value> {
    fn from(properties: Properties) -> Self {
        properties.0.into_iter().map(|(key, value)| (key.into_string(), value)).collect()
    }
}

impl From<Properties> for Value {
    fn from(properties: Properties) -> Self {
        Self::Object(properties.into())
    }
}

/// Of names given twice the last value stays.
impl<K: AsRef<str> + Into<Box<str>>> FromIterator<(K, Value)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let mut properties = Self::default();
        for (key, value) in entries {
            properties.insert(key, value);
        }
        properties
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn properties(value: Value) -> Properties {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn each_name_is_there_once_and_order_is_kept() {
        let mut some = properties(json!({"b": 1, "a": 2, "c": 3}));
        assert_eq!(some.insert("a", json!(4)), Some(json!(2)));
        assert_eq!(some.insert("d".to_owned(), Value::Null), None);
        assert_eq!(some.remove("b"), Some(json!(1)));
        assert_eq!(some.remove("b"), None);
        assert_eq!(some.keys().collect::<Vec<_>>(), ["a", "c", "d"]);
        assert!(some.contains_key("d"));
        assert_eq!((some.get("d"), some.get("b"), &some["b"]), (Some(&Value::Null), None, &Value::Null));
        some.retain(|key, value| key != "c" && !value.is_null());
        assert_eq!((some.len(), some.is_empty()), (1, false));
        let twice: Properties = [("a", json!(1)), ("a", json!(2))].into_iter().collect();
        assert_eq!(twice, properties(json!({"a": 2})));
    }

    #[test]
    fn it_is_an_object_in_json() {
        let text = r#"{"z":{"x":[1,null]},"a":"ü","":0}"#;
        let some: Properties = serde_json::from_str(text).expect("an object");
        assert_eq!(serde_json::to_string(&some).expect("JSON"), text);
        assert_eq!(Value::from(some.clone()), serde_json::from_str::<Value>(text).expect("JSON"));
        assert_eq!(Properties::from(Map::from(some.clone())), some);
        assert!(serde_json::from_str::<Properties>("[]").is_err());
    }
}
