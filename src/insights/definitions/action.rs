//! What an event must be to be one of an action.

use crate::insights::sql::{FilterTarget, PropertyTypes, call, compare, field, filters_to_expr, joined, made, text};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{CompareOp, Expr, ExprKind, Literal};

use super::selector::{in_chain, selector_pattern, tag_pattern};

/// Most steps of an action.
pub const MAX_STEPS: usize = 50;
const MAX_CHARS: usize = 2_000;

/// How a text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matching {
    Exact,
    Contains,
    Regex,
}

const MATCHING: &[(&str, Matching)] =
    &[("exact", Matching::Exact), ("contains", Matching::Contains), ("regex", Matching::Regex)];

/// The condition on events that any of these steps holds; all that a step says must hold at once.
///
/// # Errors
/// If there are no steps or too many, or one makes no sense; the error names it.
pub fn steps_condition(steps: &Reader<'_>, types: &PropertyTypes) -> Result<Expr, InvalidQuery> {
    let items = steps.items()?;
    if items.is_empty() || items.len() > MAX_STEPS {
        return Err(steps.wrong(format!("1 to {MAX_STEPS} steps are needed")));
    }
    let ways = items.iter().map(|item| step(item, types)).collect::<Result<Vec<_>, _>>()?;
    Ok(joined(ways, true).expect("there is at least one step"))
}

fn step(step: &Reader<'_>, types: &PropertyTypes) -> Result<Expr, InvalidQuery> {
    let mut parts = Vec::new();
    if let Some(event) = said(&step.get("event")?)? {
        parts.push(compare(CompareOp::Equal, field(&["event"]), text(event)));
    }
    if let Some(url) = said(&step.get("url")?)? {
        let of = field(&["properties", "$current_url"]);
        parts.push(match matching(&step.get("url_matching")?)?.unwrap_or(Matching::Contains) {
            Matching::Contains => holds("position", of, url),
            other => compared(of, other, url),
        });
    }
    if let Some(href) = said(&step.get("href")?)? {
        let of = field(&["elements_chain_href"]);
        let matching = matching(&step.get("href_matching")?)?.unwrap_or(Matching::Exact);
        parts.push(compared(of, matching, &in_value(href, matching)));
    }
    if let Some(shown) = said(&step.get("text")?)? {
        let matching = matching(&step.get("text_matching")?)?.unwrap_or(Matching::Exact);
        let body = compared(field(&["shown"]), matching, &in_value(shown, matching));
        let any = made(ExprKind::Lambda { params: vec!["shown".to_owned()], body: Box::new(body) });
        parts.push(call("arrayExists", vec![any, field(&["elements_chain_texts"])]));
    }
    if let Some(tag) = said(&step.get("tag_name")?)? {
        parts.push(compare(CompareOp::Regex, field(&["elements_chain"]), text(tag_pattern(tag))));
    }
    let place = step.get("selector")?;
    if let Some(selector) = said(&place)? {
        let pattern = selector_pattern(selector).map_err(|reason| place.wrong(reason))?;
        parts.push(compare(CompareOp::Regex, field(&["elements_chain"]), text(pattern)));
    }
    parts.extend(filters_to_expr(&step.get("properties")?, FilterTarget::Events, types)?);
    Ok(joined(parts, false).unwrap_or_else(|| made(ExprKind::Literal(Literal::Flag(true)))))
}

/// A text that is not empty.
fn said<'a>(place: &Reader<'a>) -> Result<Option<&'a str>, InvalidQuery> {
    match place.text()? {
        Some(long) if long.chars().count() > MAX_CHARS => {
            Err(place.wrong(format!("at most {MAX_CHARS} characters are taken here")))
        }
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

fn matching(place: &Reader<'_>) -> Result<Option<Matching>, InvalidQuery> {
    if place.text()?.is_some_and(str::is_empty) { Ok(None) } else { place.word(MATCHING) }
}

/// A value as the chain of elements has it. A pattern is written for that already.
fn in_value(value: &str, matching: Matching) -> String {
    if matching == Matching::Regex { value.to_owned() } else { in_chain(value) }
}

fn compared(of: Expr, matching: Matching, value: &str) -> Expr {
    match matching {
        Matching::Exact => compare(CompareOp::Equal, of, text(value)),
        Matching::Regex => compare(CompareOp::Regex, of, text(value)),
        Matching::Contains => holds("positionCaseInsensitiveUTF8", of, value),
    }
}

fn holds(position: &str, of: Expr, value: &str) -> Expr {
    let at = call(position, vec![call("toString", vec![of]), text(value)]);
    compare(CompareOp::Greater, at, made(ExprKind::Literal(Literal::Whole(0))))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sql::parse_expr;

    fn condition(steps: &Value) -> Result<String, String> {
        let types = PropertyTypes::default();
        steps_condition(&Reader::new(steps), &types).map(|expr| expr.to_string()).map_err(|error| error.to_string())
    }

    /// As it is printed.
    fn written(text: &str) -> String {
        parse_expr(text).expect("a value of the language").to_string()
    }

    #[test]
    fn an_event_is_one_of_any_step_if_all_of_the_step_holds() {
        let steps = json!([
            { "event": "paid", "properties": [{ "key": "plan", "value": ["pro"] }] },
            { "event": "$pageview", "url": "/thanks", "url_matching": "" },
            { "event": null, "selector": "" },
        ]);
        let expected = "(event = 'paid' and properties.plan = 'pro') or (event = '$pageview' and \
                        position(toString(properties.$current_url), '/thanks') > 0) or true";
        assert_eq!(condition(&steps).expect("an action"), written(expected));
    }

    #[test]
    fn texts_are_compared_as_the_step_says() {
        let by = |field: &str, matching: Option<&str>| {
            let mut step = json!({ "event": "$autocapture" });
            step[field] = "say \"x\"".into();
            step[format!("{field}_matching")] = matching.map_or(Value::Null, Value::from);
            condition(&json!([step])).expect("an action")
        };
        for (field, matching, expected) in [
            ("url", Some("exact"), r#"properties.$current_url = 'say "x"'"#),
            ("url", Some("regex"), r#"properties.$current_url =~ 'say "x"'"#),
            ("href", None, r#"elements_chain_href = 'say \\"x\\"'"#),
            ("text", None, r#"arrayExists(shown -> shown = 'say \\"x\\"', elements_chain_texts)"#),
            (
                "text",
                Some("contains"),
                r#"arrayExists(shown -> positionCaseInsensitiveUTF8(toString(shown), 'say \\"x\\"') > 0, elements_chain_texts)"#,
            ),
        ] {
            assert_eq!(by(field, matching), written(&format!("event = '$autocapture' and {expected}")), "{field}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (steps, field) in [
            (json!([]), "steps"),
            (json!({}), "steps"),
            (json!([{ "event": 5 }]), "steps[0].event"),
            (json!([{}, { "url": "x", "url_matching": "fuzzy" }]), "steps[1].url_matching"),
            (json!([{ "selector": "a + b" }]), "steps[0].selector"),
            (json!([{ "selector": "a >" }]), "steps[0].selector"),
            (
                json!([{ "properties": [{ "key": "a", "operator": "almost", "value": 1 }] }]),
                "steps[0].properties[0].operator",
            ),
        ] {
            let body = json!({ "steps": steps });
            let place = Reader::new(&body).get("steps").expect("an object");
            let error = steps_condition(&place, &PropertyTypes::default()).expect_err("it makes no sense");
            assert_eq!(error.field, field, "{error}");
        }
    }
}
