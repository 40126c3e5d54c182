//! The elements of an autocaptured click, as one text (PROTOCOL §3.4).
//!
//! The browser SDK sends the chain ready made; js-lite and old SDKs send an array, which becomes the same text here, so that
//! whoever reads events knows one form only.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The chain of an `$elements` array, from the leaf to the root: `button.buy:attr_id="b"nth-child="1"text="Buy";div:…`.
#[must_use]
pub fn elements_chain(elements: &[Value]) -> String {
    let mut chain = String::new();
    for element in elements.iter().filter_map(Value::as_object) {
        if !chain.is_empty() {
            chain.push(';');
        }
        write_element(element, &mut chain);
    }
    chain
}

fn write_element(element: &Map<String, Value>, chain: &mut String) {
    chain.push_str(element.get("tag_name").and_then(Value::as_str).unwrap_or_default());
    for class in classes(element) {
        chain.push('.');
        chain.extend(class.chars().filter(|c| *c != '"'));
    }
    let mut attributes: Vec<(&str, String)> = Vec::with_capacity(element.len());
    for (key, value) in element {
        let Some(text) = text_of(value) else { continue };
        match key.as_str() {
            "$el_text" | "text" => attributes.push(("text", text.split_whitespace().collect::<Vec<_>>().join(" "))),
            "nth_child" => attributes.push(("nth-child", text)),
            "nth_of_type" => attributes.push(("nth-of-type", text)),
            "attr_id" | "href" => attributes.push((key, text)),
            attribute if attribute.starts_with("attr__") => {
                match attribute {
                    "attr__id" if !element.contains_key("attr_id") => attributes.push(("attr_id", text.clone())),
                    "attr__href" if !element.contains_key("href") => attributes.push(("href", text.clone())),
                    _ => {}
                }
                attributes.push((attribute, text));
            }
            _ => {}
        }
    }
    attributes.sort();
    attributes.dedup_by(|a, b| a.0 == b.0);
    chain.push(':');
    for (key, value) in attributes {
        let _ = write!(chain, "{}=\"{}\"", escaped(key), escaped(&value));
    }
}

/// Sorted, from `classes`, `attr_class` or the class attribute, whichever there is first.
fn classes(element: &Map<String, Value>) -> Vec<&str> {
    let named = ["classes", "attr_class", "attr__class"].into_iter().find_map(|key| element.get(key));
    let mut classes: Vec<&str> = match named {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).flat_map(str::split_whitespace).collect(),
        Some(Value::String(text)) => text.split_whitespace().collect(),
        _ => Vec::new(),
    };
    classes.sort_unstable();
    classes
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn escaped(text: &str) -> String {
    text.replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_array_becomes_the_chain_that_the_browser_would_have_sent() {
        let elements = json!([
            {"tag_name": "a", "$el_text": "  Buy \"now\";\n 5 > 3 ", "classes": ["z", "b"], "attr__class": "z b",
             "attr__href": "/p?a=1:2", "attr__id": "buy", "nth_child": 2, "nth_of_type": 1},
            {"tag_name": "body", "nth_child": 2, "nth_of_type": 1, "attr__title": "", "unknown": "x"},
        ]);
        assert_eq!(
            elements_chain(elements.as_array().expect("an array")),
            concat!(
                r#"a.b.z:attr__class="z b"attr__href="/p?a=1:2"attr__id="buy"attr_id="buy"href="/p?a=1:2"nth-child="2""#,
                r#"nth-of-type="1"text="Buy \"now\"; 5 > 3";body:nth-child="2"nth-of-type="1""#
            )
        );
    }

    #[test]
    fn strange_elements_do_no_harm() {
        assert_eq!(elements_chain(&[json!("x"), json!({}), json!({"tag_name": 3, "classes": {"a": 1}})]), ":;:");
        assert_eq!(elements_chain(&[]), "");
    }
}
