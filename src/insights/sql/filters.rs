//! Property filters of the API as values of the query language.

use serde_json::Value;

use super::PropertyTypes;
use super::operators::{Subject, condition, text_of};
use crate::insights::definitions::{behaviour, in_cohort, selector_pattern, tag_pattern};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Span, parse_expr};

/// Deepest nesting of groups, most filters, most values of one.
const MAX_DEPTH: usize = 8;
const MAX_FILTERS: usize = 200;
const MAX_VALUES: usize = 5_000;

/// From which table's view a filter is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterTarget {
    Events,
    Persons,
    Sessions,
    Groups,
}

/// What all of these filters ask: a list, or a group `{"type": "AND"|"OR", "values": […]}`. `None` if nothing.
///
/// # Errors
/// If a filter makes no sense or asks for what cannot be answered; the error names it.
pub fn filters_to_expr(
    filters: &Reader<'_>,
    target: FilterTarget,
    types: &PropertyTypes,
) -> Result<Option<Expr>, InvalidQuery> {
    let mut left = MAX_FILTERS;
    group(filters, target, types, 0, &mut left)
}

fn group(
    place: &Reader<'_>,
    target: FilterTarget,
    types: &PropertyTypes,
    depth: usize,
    left: &mut usize,
) -> Result<Option<Expr>, InvalidQuery> {
    if depth > MAX_DEPTH {
        return Err(place.wrong("groups of filters are nested too deeply"));
    }
    let (items, is_or) = match place.value() {
        None => return Ok(None),
        Some(Value::Array(_)) => (place.items()?, false),
        Some(_) => {
            let is_or = place.get("type")?.word(&[("AND", false), ("OR", true)])?.unwrap_or(false);
            (place.get("values")?.items()?, is_or)
        }
    };
    let mut found = Vec::new();
    for item in items {
        if item.get("values")?.is_missing() {
            *left =
                left.checked_sub(1).ok_or_else(|| item.wrong(format!("at most {MAX_FILTERS} filters can be used")))?;
            found.push(filter(&item, target, types)?);
        } else {
            found.extend(group(&item, target, types, depth + 1, left)?);
        }
    }
    Ok(joined(found, is_or))
}

/// All of them, or any.
pub(in crate::insights) fn joined(mut items: Vec<Expr>, is_or: bool) -> Option<Expr> {
    if items.len() < 2 {
        return items.pop();
    }
    Some(made(if is_or { ExprKind::Or(items) } else { ExprKind::And(items) }))
}

pub(in crate::insights) fn made(kind: ExprKind) -> Expr {
    Expr::new(kind, Span::default())
}

pub(in crate::insights) fn field(steps: &[&str]) -> Expr {
    made(ExprKind::Field(steps.iter().map(|step| (*step).to_owned()).collect()))
}

pub(in crate::insights) fn text(text: impl Into<String>) -> Expr {
    made(ExprKind::Literal(Literal::Text(text.into())))
}

pub(in crate::insights) fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    made(ExprKind::Compare(op, Box::new(left), Box::new(right)))
}

pub(in crate::insights) fn not(of: Expr) -> Expr {
    made(ExprKind::Not(Box::new(of)))
}

pub(in crate::insights) fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::call(name, args, Span::default())
}

fn filter(place: &Reader<'_>, target: FilterTarget, types: &PropertyTypes) -> Result<Expr, InvalidQuery> {
    let key_place = place.get("key")?;
    let kind_place = place.get("type")?;
    let kind = kind_place.text()?.unwrap_or("event");
    if is_nothing(place, kind)? {
        return Ok(made(ExprKind::Literal(Literal::Flag(true))));
    }
    if let Some(found) = definition(kind, place, target, types) {
        let is_negated = place.get("negation")?.flag()?;
        return found.map(|found| if is_negated { not(found) } else { found });
    }
    let key = match key_place.value() {
        Some(Value::String(key)) => key.as_str(),
        _ => return Err(key_place.wrong("the property's key is needed")),
    };
    if kind == "hogql" {
        return parse_expr(key).map_err(|error| key_place.wrong(error.describe(key)));
    }
    if kind == "flag" && target == FilterTarget::Events {
        return flag(place, key);
    }
    let subject = match kind {
        "group" if target == FilterTarget::Events => {
            let expr = group_field(&place.get("group_type_index")?, key)?;
            Some(Subject { expr, ty: None, is_list: false })
        }
        _ => subject(kind, key, target, types),
    };
    let subject = subject.ok_or_else(|| kind_place.wrong(format!("{kind:?} properties cannot be filtered by here")))?;
    let value_place = place.get("value")?;
    let values: Vec<&Value> = match value_place.value() {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().filter(|item| !item.is_null()).collect(),
        Some(value) => vec![value],
    };
    if values.len() > MAX_VALUES {
        return Err(value_place.wrong(format!("at most {MAX_VALUES} values can be compared with")));
    }
    if values.iter().any(|value| value.is_object() || value.is_array()) {
        return Err(value_place.wrong("a text, a number, or true or false is needed here"));
    }
    let operator_place = place.get("operator")?;
    let operator = operator_place.text()?.unwrap_or("exact");
    let needs_value = !matches!(operator, "is_set" | "is_not_set");
    if needs_value && values.is_empty() {
        match (value_place.value(), operator) {
            // Any of none is no condition yet, as pages save it.
            (Some(Value::Array(items)), _) if items.is_empty() => {
                return Ok(made(ExprKind::Literal(Literal::Flag(true))));
            }
            (_, "exact" | "is_not") => {
                let of = Box::new(subject.expr);
                let is_negated = (operator == "is_not") != place.get("negation")?.flag()?;
                return Ok(made(ExprKind::IsNull { of, is_negated }));
            }
            _ => return Err(value_place.wrong("a value to compare with is needed")),
        }
    }
    let found = match element(kind, key, operator, &values) {
        Some(found) => found,
        None => condition(&subject, operator, &values, types)
            .ok_or_else(|| operator_place.wrong(format!("{operator:?} is no operator that is known here")))?,
    };
    let found = found.map_err(|reason| value_place.wrong(reason))?;
    Ok(if place.get("negation")?.flag()? { not(found) } else { found })
}

/// What a flag was for an event, as `$feature/KEY` has it. As flags depend on each other in the peers: `true` is on, whichever
/// variant; `false` is off, and was looked up; a text is that variant. The property is read by its type in the project: of one
/// that is a yes or no there, a variant is no value.
fn flag(place: &Reader<'_>, key: &str) -> Result<Expr, InvalidQuery> {
    let operator = place.get("operator")?;
    operator.word(&[("flag_evaluates_to", ()), ("exact", ())])?;
    let was = call("toString", vec![field(&["properties", &format!("$feature/{key}")])]);
    let is = |value: &str| compare(CompareOp::Equal, was.clone(), text(value));
    let value = place.get("value")?;
    let found = match value.value() {
        Some(Value::Bool(true)) => {
            let is_off = joined(vec![is(""), is("false")], true).expect("there are two");
            let is_known = made(ExprKind::IsNull { of: Box::new(was.clone()), is_negated: true });
            joined(vec![is_known, not(is_off)], false).expect("there are two")
        }
        Some(Value::Bool(false)) => is("false"),
        Some(Value::String(variant)) if !variant.is_empty() => is(variant),
        _ => return Err(value.wrong("true, false or the name of a variant is needed here")),
    };
    Ok(if place.get("negation")?.flag()? { not(found) } else { found })
}

/// Whether a filter asks for nothing: one that was not filled in yet.
fn is_nothing(place: &Reader<'_>, kind: &str) -> Result<bool, InvalidQuery> {
    let is_bare = matches!(place.value(), Some(Value::Object(fields)) if fields.is_empty());
    Ok(is_bare || kind == "empty" && place.get("key")?.is_missing())
}

/// A filter that is no property beside a value: a cohort, or in one what people did. `None` if it is not.
fn definition(
    kind: &str,
    place: &Reader<'_>,
    target: FilterTarget,
    types: &PropertyTypes,
) -> Option<Result<Expr, InvalidQuery>> {
    match kind {
        "cohort" | "precalculated-cohort" | "static-cohort" | "dynamic-cohort" => Some(in_cohort(place, target, types)),
        "behavioral" if target == FilterTarget::Persons => Some(behaviour(place, types)),
        _ => None,
    }
}

/// A selector or a tag beside the chain of elements; `None` if that is not what is asked.
fn element(kind: &str, key: &str, operator: &str, values: &[&Value]) -> Option<Result<Expr, String>> {
    let pattern = |value: &&Value| match key {
        "selector" => selector_pattern(&text_of(value)),
        _ => Ok(tag_pattern(&text_of(value))),
    };
    let is_asked = kind == "element" && matches!(key, "selector" | "tag_name");
    let is_negated = match operator {
        "exact" | "in" if is_asked => false,
        "is_not" | "not_in" if is_asked => true,
        _ => return None,
    };
    let patterns = values.iter().map(pattern).collect::<Result<Vec<_>, _>>();
    Some(patterns.map(|patterns| {
        let matches = |pattern| compare(CompareOp::Regex, field(&["elements_chain"]), text(pattern));
        let any = joined(patterns.into_iter().map(matches).collect(), true).expect("there is a value");
        if is_negated { not(any) } else { any }
    }))
}

fn subject(kind: &str, key: &str, target: FilterTarget, types: &PropertyTypes) -> Option<Subject> {
    let plain = |steps: &[&str]| Subject { expr: field(steps), ty: None, is_list: false };
    Some(match (kind, target) {
        ("event" | "feature" | "event_metadata", FilterTarget::Events) if kind == "event_metadata" => plain(&[key]),
        ("event" | "feature", FilterTarget::Events) => {
            Subject { expr: field(&["properties", key]), ty: types.event(key), is_list: false }
        }
        ("person", FilterTarget::Events) if is_virtual(key) => plain(&["person", key]),
        ("person", FilterTarget::Persons) if is_virtual(key) => plain(&[key]),
        ("person", FilterTarget::Events) => {
            Subject { expr: field(&["person", "properties", key]), ty: types.person(key), is_list: false }
        }
        ("person" | "event", FilterTarget::Persons) => {
            Subject { expr: field(&["properties", key]), ty: types.person(key), is_list: false }
        }
        ("group", FilterTarget::Groups) if key == "$group_key" => plain(&["key"]),
        ("group", FilterTarget::Groups) => plain(&["properties", key]),
        ("session", FilterTarget::Events) => plain(&["session", key]),
        ("session", FilterTarget::Sessions) => plain(&[key]),
        ("element", FilterTarget::Events) => match key {
            "href" => plain(&["elements_chain_href"]),
            "text" => Subject { is_list: true, ..plain(&["elements_chain_texts"]) },
            "tag_name" => Subject { is_list: true, ..plain(&["elements_chain_elements"]) },
            "selector" => plain(&["elements_chain"]),
            _ => return None,
        },
        _ => return None,
    })
}

/// Whether a key of people names what is worked out for them, not what was set.
fn is_virtual(key: &str) -> bool {
    key.starts_with("$virt_")
}

/// A value as a number; null if it is none.
pub(in crate::insights) fn number(of: Expr) -> Expr {
    call("toFloat", vec![of])
}

/// What people have under a key, beside an event.
pub(in crate::insights) fn person_field(key: &str) -> Expr {
    if is_virtual(key) { field(&["person", key]) } else { field(&["person", "properties", key]) }
}

/// What the group of a type that an event belongs to has under a key; the index of the type stands at a place.
///
/// # Errors
/// If no index of a type does.
pub(in crate::insights) fn group_field(index: &Reader<'_>, key: &str) -> Result<Expr, InvalidQuery> {
    let number = index.count(0, 4)?.ok_or_else(|| index.wrong("the type of the groups is needed: 0 to 4"))?;
    let group = format!("group_{number}");
    Ok(if key == "$group_key" { field(&[&group, "key"]) } else { field(&[&group, "properties", key]) })
}
