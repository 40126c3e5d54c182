//! The functions that may be called, by their names in the language and in ClickHouse. What is not here is refused.

mod aggregates;
mod lists;
mod texts;
mod times;
mod values;

use super::value::Ty;
use crate::sql::{Expr, ExprKind};

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage::ch::hogql) enum Gives {
    /// This, and null if any argument is null.
    One(Ty),
    /// This, never null.
    Always(Ty),
    /// This, or null.
    Maybe(Ty),
    /// What its first argument is.
    Same,
    /// What its last argument is.
    Last,
}

/// Where a function may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage::ch::hogql) enum Role {
    Plain,
    Aggregate,
    Window,
}

/// A function that may be called.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage::ch::hogql) struct Function {
    /// Its name in the language.
    pub name: &'static str,
    /// Its name in ClickHouse.
    pub prints: &'static str,
    pub least: usize,
    pub most: usize,
    pub gives: Gives,
    pub role: Role,
    /// How many parameters it takes before its arguments.
    pub params: usize,
}

const fn plain(name: &'static str, prints: &'static str, least: usize, most: usize, gives: Gives) -> Function {
    Function { name, prints, least, most, gives, role: Role::Plain, params: 0 }
}

const fn same(name: &'static str, least: usize, most: usize, gives: Gives) -> Function {
    plain(name, name, least, most, gives)
}

const fn aggregate(name: &'static str, least: usize, most: usize, gives: Gives) -> Function {
    Function { name, prints: name, least, most, gives, role: Role::Aggregate, params: 0 }
}

const fn with_params(name: &'static str, params: usize, least: usize, most: usize, gives: Gives) -> Function {
    Function { name, prints: name, least, most, gives, role: Role::Aggregate, params }
}

const fn window(name: &'static str, prints: &'static str, least: usize, most: usize, gives: Gives) -> Function {
    Function { name, prints, least, most, gives, role: Role::Window, params: 0 }
}

const MANY: usize = 64;

/// All of them.
pub(in crate::storage::ch::hogql) fn all() -> impl Iterator<Item = &'static Function> {
    [values::FUNCTIONS, texts::FUNCTIONS, times::FUNCTIONS, lists::FUNCTIONS, aggregates::FUNCTIONS]
        .into_iter()
        .flatten()
}

/// All of them by their names in the language and in ClickHouse: what no question can reach beyond.
pub fn listed_functions() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().map(|function| (function.name, function.prints))
}

/// Finds a function by its name, whatever the case of its letters; an exact match first.
pub(in crate::storage::ch::hogql) fn find(name: &str) -> Option<&'static Function> {
    let exact = all().find(|function| function.name == name);
    exact.or_else(|| all().find(|function| function.name.eq_ignore_ascii_case(name)))
}

/// Whether a value needs rows put together: whether it holds an aggregate, not counting questions inside.
#[must_use]
pub fn has_aggregate(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { name, args, over, .. } => {
            over.is_none() && find(name).is_some_and(|function| function.role == Role::Aggregate)
                || args.iter().any(has_aggregate)
        }
        ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Array(items) | ExprKind::Tuple(items) => {
            items.iter().any(has_aggregate)
        }
        ExprKind::Negate(a) | ExprKind::Not(a) | ExprKind::Step(a, _) | ExprKind::Cast(a, _) => has_aggregate(a),
        ExprKind::IsNull { of: a, .. } | ExprKind::Lambda { body: a, .. } => has_aggregate(a),
        ExprKind::Arithmetic(_, a, b)
        | ExprKind::Compare(_, a, b)
        | ExprKind::Coalesce(a, b)
        | ExprKind::Index(a, b) => has_aggregate(a) || has_aggregate(b),
        ExprKind::Between { of: a, low: b, high: c, .. } | ExprKind::If(a, b, c) => {
            has_aggregate(a) || has_aggregate(b) || has_aggregate(c)
        }
        ExprKind::Literal(_)
        | ExprKind::Field(_)
        | ExprKind::Star { .. }
        | ExprKind::Query(_)
        | ExprKind::Placeholder(_) => false,
    }
}

/// A function whose name looks like one that was written; for who mistyped it.
pub(in crate::storage::ch::hogql) fn similar(name: &str) -> Option<&'static str> {
    let wanted = name.to_ascii_lowercase();
    let near = |function: &&Function| {
        let known = function.name.to_ascii_lowercase();
        wanted.len() > 2 && (known.starts_with(&wanted) || wanted.starts_with(&known) && known.len() > 3)
    };
    let distance = |function: &&Function| function.name.len().abs_diff(name.len());
    all().filter(near).min_by_key(distance).map(|function| function.name)
}
