//! What makes two questions the same.

use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::model::{Project, ProjectSettings};

/// A question and all that it is answered by, as a hash: who asks is no part of it, for everybody in a project sees the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryKey([u8; 32]);

impl QueryKey {
    /// The key of a question of a project. `shape` names the type of the answer: two types under one key would be one.
    #[must_use]
    pub fn of(shape: &'static str, project: &Project, settings: &ProjectSettings, query: &Value) -> Self {
        let mut text = format!("{shape} {} {} {} ", project.id, project.time_zone.as_str(), settings.week_start.day());
        write_sorted(&settings.test_account_filters, &mut text);
        write_sorted(&settings.path_cleaning_filters, &mut text);
        write_sorted(query, &mut text);
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// As the API shows it.
    #[must_use]
    pub fn text(&self) -> String {
        self.0[..16].iter().fold("cache_".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Writes JSON with the fields of objects in order: how a client orders them changes nothing.
fn write_sorted(value: &Value, into: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            into.push('{');
            for (name, value) in fields {
                let _ = write!(into, "{}:", Value::from(name.as_str()));
                write_sorted(value, into);
                into.push(',');
            }
            into.push('}');
        }
        Value::Array(items) => {
            into.push('[');
            for item in items {
                write_sorted(item, into);
                into.push(',');
            }
            into.push(']');
        }
        plain => {
            let _ = write!(into, "{plain}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        let mut text = String::new();
        write_sorted(value, &mut text);
        text
    }

    #[test]
    fn the_order_of_fields_is_nothing_and_that_of_items_is() {
        let one = json!({ "a": [{ "x": 1, "y": "\"," }, 2], "b": null });
        let two: Value = serde_json::from_str(r#"{"b":null,"a":[{"y":"\",","x":1},2]}"#).expect("JSON");
        assert_eq!(written(&one), written(&two));
        for other in [
            json!({ "a": [2, { "x": 1, "y": "\"," }], "b": null }),
            json!({ "a": [{ "x": "1", "y": "\"," }, 2], "b": null }),
            json!({ "a": [{ "x": 1, "y": "\"," }, 2] }),
            json!([{ "a": [{ "x": 1, "y": "\"," }, 2], "b": null }]),
        ] {
            assert_ne!(written(&one), written(&other), "{other}");
        }
    }
}
