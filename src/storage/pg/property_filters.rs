//! Conditions on properties as SQL on a `properties jsonb` column: what people and groups are filtered by. They mean what the
//! same conditions mean for events in ClickHouse; only regular expressions are Postgres' own.

use sqlx::{Postgres, QueryBuilder};

use super::PgError;
use crate::model::query::{Conjunction, Operator, PropertyFilter, PropertyGroup};

/// Texts that Postgres can cast to `numeric`, however large.
const NUMBER: &str = r"'^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?\s*$'";

/// Appends ` AND …` for a group of conditions; nothing for an empty one. Whose property a condition asks for is not looked
/// at: it is the row's.
pub(super) fn push_filters(sql: &mut QueryBuilder<Postgres>, group: &PropertyGroup) {
    if !group.is_empty() {
        sql.push("\n  AND ");
        push_group(sql, group);
    }
}

fn push_group(sql: &mut QueryBuilder<Postgres>, group: &PropertyGroup) {
    let join = match group.conjunction {
        Conjunction::And => " AND ",
        Conjunction::Or => " OR ",
    };
    let mut before = "(";
    for filter in &group.filters {
        sql.push(before);
        push_condition(sql, filter);
        before = join;
    }
    for inner in group.groups.iter().filter(|group| !group.is_empty()) {
        sql.push(before);
        push_group(sql, inner);
        before = join;
    }
    sql.push(")");
}

/// A condition that is true or not, never null: negations hold where the property is not set.
fn push_condition(sql: &mut QueryBuilder<Postgres>, filter: &PropertyFilter) {
    match filter.operator {
        Operator::IsSet => push_text(sql, filter).push(" IS NOT NULL"),
        Operator::IsNotSet => push_text(sql, filter).push(" IS NULL"),
        Operator::Exact => push_equals(sql, filter),
        Operator::IsNot => push_equals(sql.push("NOT "), filter),
        Operator::Contains => push_any(sql, filter, Search::Contains),
        Operator::NotContains => push_any(sql.push("NOT "), filter, Search::Contains),
        Operator::Regex => push_any(sql, filter, Search::Regex),
        Operator::NotRegex => push_any(sql.push("NOT "), filter, Search::Regex),
        Operator::Greater => push_compare(sql, filter, " > "),
        Operator::GreaterOrEqual => push_compare(sql, filter, " >= "),
        Operator::Less => push_compare(sql, filter, " < "),
        Operator::LessOrEqual => push_compare(sql, filter, " <= "),
    };
}

/// The property as text: numbers and booleans as JSON writes them, null where it is not set.
fn push_text<'a>(sql: &'a mut QueryBuilder<Postgres>, filter: &PropertyFilter) -> &'a mut QueryBuilder<Postgres> {
    sql.push("(properties ->> ").push_bind(storable(&filter.key)).push(")")
}

fn push_equals<'a>(sql: &'a mut QueryBuilder<Postgres>, filter: &PropertyFilter) -> &'a mut QueryBuilder<Postgres> {
    let values: Vec<String> = filter.values.iter().map(|value| storable(value)).collect();
    push_text(sql.push("coalesce("), filter).push(" = ANY(").push_bind(values).push("), false)")
}

#[derive(Clone, Copy)]
enum Search {
    Contains,
    Regex,
}

fn push_any<'a>(
    sql: &'a mut QueryBuilder<Postgres>,
    filter: &PropertyFilter,
    search: Search,
) -> &'a mut QueryBuilder<Postgres> {
    let mut before = "coalesce(";
    for value in &filter.values {
        sql.push(before);
        match search {
            Search::Contains => {
                push_text(sql.push("strpos(lower("), filter).push("), lower(").push_bind(storable(value)).push(")) > 0")
            }
            // What is not set is looked at too, so that a pattern that is none is refused and not passed over.
            Search::Regex => {
                push_text(sql.push("(coalesce("), filter).push(", '') ~ ").push_bind(storable(value));
                push_text(sql.push(" AND "), filter).push(" IS NOT NULL)")
            }
        };
        before = " OR ";
    }
    sql.push(", false)")
}

fn push_compare<'a>(
    sql: &'a mut QueryBuilder<Postgres>,
    filter: &PropertyFilter,
    sign: &'static str,
) -> &'a mut QueryBuilder<Postgres> {
    let number = filter.values.first().and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(f64::NAN);
    push_text(sql.push("coalesce(CASE WHEN "), filter).push(" ~ ").push(NUMBER).push(" THEN ");
    push_text(sql, filter).push("::numeric").push(sign).push_bind(number).push("::float8::numeric END, false)")
}

/// Text as it can stand in Postgres; what holds a zero is stored with this sign instead.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// What the asker can do about a list that Postgres would not make, as a sentence; nothing if it is not for them.
#[must_use]
pub fn askers_mistake(error: &PgError) -> Option<&'static str> {
    match error.as_database_error()?.code()?.as_ref() {
        "57014" => Some("The search took too long. Narrow it down, or take a filter away."),
        "2201B" => Some("A regular expression among the filters cannot be read."),
        _ => None,
    }
}
