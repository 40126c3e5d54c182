//! The project's rules that make paths of one page alike.

use serde_json::Value;

use crate::insights::sql::{call, text};
use crate::sql::Expr;
use crate::storage::ch::PathRule;

const MAX_RULES: usize = 200;

/// Reads `path_cleaning_filters`: in their `order` if they have one, else as they stand. What is no rule is passed over.
#[must_use]
pub fn path_rules(filters: &Value) -> Vec<PathRule> {
    let items = filters.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rules: Vec<(f64, PathRule)> = items.iter().filter_map(rule).take(MAX_RULES).collect();
    rules.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    rules.into_iter().map(|(_, rule)| rule).collect()
}

/// A value with these rules applied, one after the other; nothing stays nothing.
#[must_use]
pub fn cleaned_path(value: Expr, rules: &[PathRule]) -> Expr {
    rules.iter().fold(value, |value, PathRule { pattern, replacement }| {
        let value = call("toString", vec![value]);
        call("replaceRegexpAll", vec![value, text(pattern.as_str()), text(replacement.as_str())])
    })
}

fn rule(item: &Value) -> Option<(f64, PathRule)> {
    let text = |key: &str| item.get(key).and_then(Value::as_str);
    let pattern = text("regex").filter(|pattern| !pattern.is_empty())?.to_owned();
    let replacement = text("alias").unwrap_or_default().to_owned();
    let order = item.get("order").and_then(Value::as_f64).unwrap_or(0.0);
    Some((order, PathRule { pattern, replacement }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_keep_their_order_and_what_is_none_is_passed_over() {
        let patterns = |filters: Value| path_rules(&filters).into_iter().map(|rule| rule.pattern).collect::<Vec<_>>();
        assert_eq!(
            patterns(json!([{ "regex": "b" }, { "regex": "a", "alias": "x" }, 7, {}, { "regex": "" }])),
            ["b", "a"]
        );
        assert_eq!(patterns(json!([{ "regex": "b", "order": 1 }, { "regex": "a", "order": 0 }])), ["a", "b"]);
        assert!(patterns(json!(null)).is_empty());
    }
}
