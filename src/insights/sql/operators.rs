//! Operators of filters: a property beside the values it is compared with.

use serde_json::Value;

use super::PropertyTypes;
use super::dates::moment_of;
use super::filters::{call, compare, field, joined, made, not, text};
use super::versions::by_version;
use crate::sql::{CompareOp, Expr, ExprKind, Literal};
use crate::storage::ch::hogql::PropertyType;

/// What is compared.
pub(super) struct Subject {
    pub expr: Expr,
    pub ty: Option<PropertyType>,
    /// A list of texts, any of which may fit.
    pub is_list: bool,
}

/// Operators that hold where another does not.
const NEGATED: [(&str, &str); 9] = [
    ("is_not", "exact"),
    ("not_in", "in"),
    ("not_icontains", "icontains"),
    ("not_icontains_multi", "icontains_multi"),
    ("not_regex", "regex"),
    ("not_starts_with", "starts_with"),
    ("not_ends_with", "ends_with"),
    ("not_between", "between"),
    ("semver_neq", "semver_eq"),
];

/// None for an operator that is not known; an inner error says what is wrong with the value.
pub(super) fn condition(
    subject: &Subject,
    operator: &str,
    values: &[&Value],
    types: &PropertyTypes,
) -> Option<Result<Expr, String>> {
    let of = || subject.expr.clone();
    // Of a list, any item that fits is enough; whatever is negated holds of none.
    if subject.is_list {
        match operator {
            "is_set" => return Some(Ok(call("notEmpty", vec![of()]))),
            "is_not_set" => return Some(Ok(call("empty", vec![of()]))),
            _ => {}
        }
        let positive = NEGATED.iter().find(|(negated, _)| *negated == operator).map(|(_, positive)| *positive);
        let (positive, is_negated) = (positive.unwrap_or(operator), positive.is_some());
        let item = Subject { expr: field(&["item"]), ty: None, is_list: false };
        let inner = match condition(&item, positive, values, types)? {
            Ok(inner) => inner,
            Err(reason) => return Some(Err(reason)),
        };
        let lambda = made(ExprKind::Lambda { params: vec!["item".to_owned()], body: Box::new(inner) });
        let any = call("arrayExists", vec![lambda, of()]);
        return Some(Ok(if is_negated { not(any) } else { any }));
    }
    let any = |each: &dyn Fn(&Value) -> Expr| joined(values.iter().map(|value| each(value)).collect(), true);
    let any_text = |op: CompareOp| any(&|value| compare(op, call("toString", vec![of()]), text(text_of(value))));
    let contains = || {
        any(&|value| {
            let found = call("positionCaseInsensitiveUTF8", vec![call("toString", vec![of()]), text(text_of(value))]);
            compare(CompareOp::Greater, found, made(ExprKind::Literal(Literal::Whole(0))))
        })
    };
    let starts = |name: &'static str| {
        any(&|value| {
            let of = call("lower", vec![call("toString", vec![of()])]);
            let found = call(name, vec![of, text(text_of(value).to_ascii_lowercase())]);
            compare(CompareOp::Equal, found, made(ExprKind::Literal(Literal::Whole(1))))
        })
    };
    let found =
        match operator {
            "exact" | "in" | "is_date_exact" => equals(subject, values, false),
            "is_not" | "not_in" => equals(subject, values, true),
            "icontains" => contains(),
            "not_icontains" => contains().map(not),
            "icontains_multi" => contains(),
            "not_icontains_multi" => contains().map(not),
            "regex" => any_text(CompareOp::Regex).map(|found| with_patterns(found, values)),
            "not_regex" => any_text(CompareOp::Regex).map(|found| with_patterns(not(found), values)),
            "starts_with" => starts("startsWith"),
            "not_starts_with" => starts("startsWith").map(not),
            "ends_with" => starts("endsWith"),
            "not_ends_with" => starts("endsWith").map(not),
            "gt" => return Some(by_size(subject, CompareOp::Greater, values)),
            "gte" | "min" => return Some(by_size(subject, CompareOp::GreaterOrEqual, values)),
            "lt" => return Some(by_size(subject, CompareOp::Less, values)),
            "lte" | "max" => return Some(by_size(subject, CompareOp::LessOrEqual, values)),
            "between" | "not_between" => {
                let [low, high] = values else { return Some(Err("two numbers are needed here".to_owned())) };
                let both = by_size(subject, CompareOp::GreaterOrEqual, &[low]).and_then(|low| {
                    let high = by_size(subject, CompareOp::LessOrEqual, &[high])?;
                    let both = made(ExprKind::And(vec![low, high]));
                    Ok(if operator == "between" { both } else { not(both) })
                });
                return Some(both);
            }
            "is_date_before" | "is_date_after" => {
                let op = if operator == "is_date_before" { CompareOp::Less } else { CompareOp::Greater };
                let moments = values.iter().map(|value| moment_of(value, types)).collect::<Result<Vec<_>, _>>();
                let of_moment = |at| compare(op, call("toDateTime64", vec![of()]), text(at));
                return Some(moments.map(|moments| {
                    joined(moments.into_iter().map(of_moment).collect(), true).expect("there is a value")
                }));
            }
            other if other.starts_with("semver_") => return by_version(of(), other, values),
            "is_set" => Some(made(ExprKind::IsNull { of: Box::new(of()), is_negated: true })),
            "is_not_set" => Some(made(ExprKind::IsNull { of: Box::new(of()), is_negated: false })),
            _ => return None,
        };
    Some(found.ok_or_else(|| "a value to compare with is needed".to_owned()))
}

/// A condition that holds only if these are patterns: the engine looks at each even where there is no event to compare.
fn with_patterns(condition: Expr, values: &[&Value]) -> Expr {
    let zero = || made(ExprKind::Literal(Literal::Whole(0)));
    let checks = values.iter().map(|value| {
        let found = call("match", vec![text(""), text(text_of(value))]);
        compare(CompareOp::GreaterOrEqual, found, zero())
    });
    made(ExprKind::And(std::iter::once(condition).chain(checks).collect()))
}

fn equals(subject: &Subject, values: &[&Value], is_negated: bool) -> Option<Expr> {
    let typed: Vec<Option<Literal>> = values.iter().map(|value| literal_of(value, subject.ty)).collect();
    // A value that is none of the property's type is compared as text: no number equals "abc".
    let is_typed = typed.iter().all(Option::is_some);
    let of = if is_typed { subject.expr.clone() } else { call("toString", vec![subject.expr.clone()]) };
    let mut items: Vec<Expr> = values
        .iter()
        .zip(typed)
        .map(|(value, typed)| match typed {
            Some(literal) if is_typed => made(ExprKind::Literal(literal)),
            _ => text(text_of(value)),
        })
        .collect();
    if items.len() == 1 {
        let op = if is_negated { CompareOp::NotEqual } else { CompareOp::Equal };
        return items.pop().map(|item| compare(op, of, item));
    }
    let op = if is_negated { CompareOp::NotIn } else { CompareOp::In };
    Some(compare(op, of, made(ExprKind::Tuple(items))))
}

/// A value as a property of a type has it; `None` if no such property can have it.
fn literal_of(value: &Value, ty: Option<PropertyType>) -> Option<Literal> {
    match ty {
        Some(PropertyType::Numeric) => {
            text_of(value).trim().parse().ok().filter(|n: &f64| n.is_finite()).map(Literal::Number)
        }
        Some(PropertyType::Boolean) => match text_of(value).as_str() {
            "true" => Some(Literal::Flag(true)),
            "false" => Some(Literal::Flag(false)),
            _ => None,
        },
        _ => Some(Literal::Text(text_of(value))),
    }
}

fn by_size(subject: &Subject, op: CompareOp, values: &[&Value]) -> Result<Expr, String> {
    let [value] = values else { return Err("one value is needed to compare by size".to_owned()) };
    let of = subject.expr.clone();
    let said = text_of(value);
    let number = said.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    Ok(match (number, subject.ty) {
        (Some(number), Some(PropertyType::Numeric)) => compare(op, of, number_expr(number)),
        (Some(number), _) => compare(op, call("toFloat", vec![of]), number_expr(number)),
        (None, Some(PropertyType::Numeric)) => return Err("a number is needed to compare by size".to_owned()),
        (None, Some(PropertyType::DateTime)) => compare(op, of, text(said)),
        (None, _) => compare(op, call("toString", vec![of]), text(said)),
    })
}

fn number_expr(number: f64) -> Expr {
    let positive = made(ExprKind::Literal(Literal::Number(number.abs())));
    if number.is_sign_negative() { made(ExprKind::Negate(Box::new(positive))) } else { positive }
}

/// A value as the text that a property holds.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
        other => other.to_string(),
    }
}
