//! Versions compared as versions: `1.10.0` is more than `1.9`.

use serde_json::Value;

use super::filters::{call, compare, field, joined, made, not, text};
use super::operators::text_of;
use crate::sql::{CompareOp, Expr, ExprKind, Literal};

/// A version as a property holds one: three numbers, or fewer, or more, which do not count. What comes before a release
/// (`-rc.1`) and how it was built (`+7`) do not count either.
const VERSION: &str = r"^v?[0-9]+(\.[0-9]+)*([-+].*)?$";
const NUMBERS: &str = r"^v?([0-9]+(?:\.[0-9]+)*)";

/// Largest number in a version.
const MOST: u64 = 1 << 40;

type Version = [u64; 3];

/// A version that is compared with, and how many of its numbers were said.
struct Said {
    version: Version,
    count: usize,
}

impl Said {
    fn read(text: &str) -> Option<Self> {
        let plain = text.trim().trim_start_matches('v');
        let plain = plain.split(['-', '+']).next().unwrap_or_default();
        let numbers: Option<Vec<u64>> =
            plain.split('.').map(|part| part.parse().ok().filter(|number| *number < MOST)).collect();
        let numbers = numbers?;
        let mut version = [0; 3];
        version.iter_mut().zip(&numbers).for_each(|(place, number)| *place = *number);
        Some(Self { version, count: numbers.len().min(3) })
    }

    /// The first version that is no longer near this one where only numbers behind `at` may differ.
    fn after(&self, at: usize) -> Version {
        let mut next = [0; 3];
        next[..=at].copy_from_slice(&self.version[..=at]);
        next[at] += 1;
        next
    }
}

/// How a version is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    By(CompareOp),
    Differs,
    Tilde,
    Caret,
    Wildcard,
}

const OPERATORS: [(&str, Operator); 9] = [
    ("semver_eq", Operator::By(CompareOp::Equal)),
    ("semver_neq", Operator::Differs),
    ("semver_gt", Operator::By(CompareOp::Greater)),
    ("semver_gte", Operator::By(CompareOp::GreaterOrEqual)),
    ("semver_lt", Operator::By(CompareOp::Less)),
    ("semver_lte", Operator::By(CompareOp::LessOrEqual)),
    ("semver_tilde", Operator::Tilde),
    ("semver_caret", Operator::Caret),
    ("semver_wildcard", Operator::Wildcard),
];

/// A condition on a version by an operator that begins with `semver_`. `None` if there is no such operator, an inner error
/// if a value is no version. What is none itself matches nothing, and so every `semver_neq`.
pub(super) fn by_version(of: Expr, operator: &str, values: &[&Value]) -> Option<Result<Expr, String>> {
    let (_, operator) = *OPERATORS.iter().find(|(word, _)| *word == operator)?;
    let each = values.iter().map(|value| condition(&of, operator, &text_of(value))).collect::<Result<Vec<_>, _>>();
    Some(each.map(|each| {
        let any = joined(each, true).expect("there is a value");
        if operator == Operator::Differs { not(any) } else { any }
    }))
}

fn condition(of: &Expr, operator: Operator, said: &str) -> Result<Expr, String> {
    let wrong = || format!("{said:?} is no version; 1.2.3 is, and 1.2.* where a part may be any");
    let is_wildcard = operator == Operator::Wildcard;
    let plain = if is_wildcard { said.trim().trim_end_matches(['*', 'x', 'X', '.']) } else { said };
    let target = Said::read(plain).ok_or_else(wrong)?;
    let below = |to: Version| vec![by(of, CompareOp::GreaterOrEqual, target.version), by(of, CompareOp::Less, to)];
    let mut parts = match operator {
        Operator::By(op) => vec![by(of, op, target.version)],
        Operator::Differs => vec![by(of, CompareOp::Equal, target.version)],
        // The last number may grow; of one alone it is that.
        Operator::Tilde => below(target.after(target.count.min(2) - 1)),
        // The first number that is not zero stays.
        Operator::Caret => below(target.after(target.version.iter().position(|number| *number > 0).unwrap_or(2))),
        // All numbers that were said stay.
        Operator::Wildcard => below(target.after(target.count - 1)),
    };
    let is_one = call("match", vec![as_text(of), text(VERSION)]);
    parts.push(compare(CompareOp::Equal, is_one, whole(1)));
    Ok(made(ExprKind::And(parts)))
}

fn by(of: &Expr, op: CompareOp, version: Version) -> Expr {
    let part = made(ExprKind::Lambda {
        params: vec!["part".to_owned()],
        body: Box::new(call("toInt64OrZero", vec![field(&["part"])])),
    });
    let numbers = call("extract", vec![as_text(of), text(NUMBERS)]);
    let numbers = call("arrayMap", vec![part, call("splitByChar", vec![text("."), numbers])]);
    let three = call("arrayResize", vec![numbers, whole(3), whole(0)]);
    compare(op, three, made(ExprKind::Array(version.iter().map(|number| whole(*number)).collect())))
}

fn as_text(of: &Expr) -> Expr {
    call("ifNull", vec![call("toString", vec![of.clone()]), text("")])
}

fn whole(number: u64) -> Expr {
    made(ExprKind::Literal(Literal::Whole(number)))
}
