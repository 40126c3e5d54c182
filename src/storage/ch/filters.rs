//! Properties and filters as SQL. Keys and values of a request are parameters; only column names of ours are text.

use crate::model::ProjectId;
use crate::model::property_columns::{ColumnKind, find};
use crate::model::query::{Conjunction, Operator, PropertyFilter, PropertyGroup, PropertyScope, Traffic};

use super::Sql;
use super::json_keys::stored_key;

/// The events of a project, ready for more conditions. **Every question of an insight starts here**, and
/// nothing else below prints the table's name, so that no question can leave its project out.
pub(super) fn events_of(project: ProjectId) -> Sql {
    let mut sql = Sql::new("FROM events\nWHERE project_id = ");
    sql.param("UInt32", project);
    sql
}

/// A property as `Nullable(String)`: numbers and booleans as JSON writes them, null where it is not set.
///
/// A value that did not fit its property's column stands in the tail, under the same key: both are read.
pub(super) fn property_text(scope: PropertyScope, key: &str) -> Sql {
    let mut sql = Sql::default();
    match (scope, find(key)) {
        (PropertyScope::Event, Some(column)) => {
            match column.kind {
                ColumnKind::Word | ColumnKind::WordOrNumber | ColumnKind::Text => {
                    sql.push("coalesce(`").push(column.key).push("`, ")
                }
                _ => sql.push("coalesce(toString(`").push(column.key).push("`), "),
            };
            push_tail(&mut sql, "properties", key);
            sql.push(")");
        }
        (PropertyScope::Event, None) => push_tail(&mut sql, "properties", key),
        (PropertyScope::Person, _) => push_tail(&mut sql, "person_properties", key),
    }
    sql
}

/// A key of a JSON column.
///
/// As an identifier the engine reads only that path's own column. It takes the identifier as it is, but looks into a path
/// for signs of its own (after a backtick it may even end) and what sends parameters escapes some characters: keys with
/// any of these are looked up in the row's JSON text instead, slower and the same.
fn push_tail(sql: &mut Sql, column: &'static str, key: &str) {
    let is_odd = key.is_empty() || key.chars().any(|c| matches!(c, '`' | '\\' | '\'' | '"') || c.is_control());
    let key = stored_key(key);
    if is_odd {
        sql.push("JSONExtract(toString(").push(column).push("), ").param("String", &*key);
        sql.push(", 'Nullable(String)')");
    } else {
        // Dots inside a key are kept as %2E: an unescaped one would be a step into an object.
        sql.push(column).push(".").param("Identifier", key.replace('.', "%2E")).push("::Nullable(String)");
    }
}

/// Appends ` AND …` for whose events count: the one place that tells bots' events from people's.
pub(super) fn push_traffic(sql: &mut Sql, traffic: Traffic) {
    match traffic {
        Traffic::All => {}
        Traffic::Humans => drop(sql.push("\n  AND ifNull(`$bot_class`, '') = ''")),
        Traffic::Bots => drop(sql.push("\n  AND ifNull(`$bot_class`, '') != ''")),
    }
}

/// Appends ` AND …` for a group of filters; nothing for an empty one.
pub(super) fn push_group(sql: &mut Sql, group: &PropertyGroup) {
    if !group.is_empty() {
        sql.push("\n  AND ");
        sql.append(&group_condition(group));
    }
}

fn group_condition(group: &PropertyGroup) -> Sql {
    let join = match group.conjunction {
        Conjunction::And => " AND ",
        Conjunction::Or => " OR ",
    };
    let filters = group.filters.iter().map(condition);
    let groups = group.groups.iter().filter(|g| !g.is_empty()).map(group_condition);
    let mut sql = Sql::new("(");
    for (at, part) in filters.chain(groups).enumerate() {
        if at > 0 {
            sql.push(join);
        }
        sql.append(&part);
    }
    sql.push(")");
    sql
}

/// A condition that is true or not, never null: negations hold where the property is not set.
fn condition(filter: &PropertyFilter) -> Sql {
    let text = property_text(filter.scope, &filter.key);
    let mut sql = Sql::default();
    match filter.operator {
        Operator::IsSet => sql.append(&text).push(" IS NOT NULL"),
        Operator::IsNotSet => sql.append(&text).push(" IS NULL"),
        Operator::Exact => {
            sql.push("ifNull(");
            push_equals(&mut sql, &text, &filter.values).push(", false)")
        }
        Operator::IsNot => {
            sql.push("NOT ifNull(");
            push_equals(&mut sql, &text, &filter.values).push(", false)")
        }
        Operator::Contains => push_any(&mut sql, &text, &filter.values, Search::Contains),
        Operator::NotContains => push_any(sql.push("NOT "), &text, &filter.values, Search::Contains),
        Operator::Regex => push_any(&mut sql, &text, &filter.values, Search::Regex),
        Operator::NotRegex => push_any(sql.push("NOT "), &text, &filter.values, Search::Regex),
        Operator::Greater => push_compare(&mut sql, filter, &text, " > "),
        Operator::GreaterOrEqual => push_compare(&mut sql, filter, &text, " >= "),
        Operator::Less => push_compare(&mut sql, filter, &text, " < "),
        Operator::LessOrEqual => push_compare(&mut sql, filter, &text, " <= "),
    };
    sql
}

fn push_equals<'a>(sql: &'a mut Sql, text: &Sql, values: &[String]) -> &'a mut Sql {
    sql.append(text);
    match values {
        [one] => sql.push(" = ").param("String", one),
        several => sql.push(" IN ").param("Array(String)", several.to_vec()),
    }
}

#[derive(Clone, Copy)]
enum Search {
    Contains,
    Regex,
}

fn push_any<'a>(sql: &'a mut Sql, text: &Sql, values: &[String], search: Search) -> &'a mut Sql {
    sql.push("ifNull(");
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            sql.push(" OR ");
        }
        match search {
            Search::Contains => {
                sql.push("positionCaseInsensitiveUTF8(").append(text).push(", ").param("String", value).push(") > 0")
            }
            // The first is worked out before any row is read: a pattern that is none is refused without rows too.
            Search::Regex => {
                sql.push("match('', ").param("String", value).push(") >= 0 AND match(");
                sql.append(text).push(", ").param("String", value).push(")")
            }
        };
    }
    sql.push(", false)")
}

fn push_compare<'a>(sql: &'a mut Sql, filter: &PropertyFilter, text: &Sql, sign: &'static str) -> &'a mut Sql {
    let number = filter.values.first().and_then(|v| v.trim().parse::<f64>().ok()).unwrap_or(f64::NAN);
    sql.push("ifNull(toFloat64OrNull(").append(text).push(")");
    sql.push(sign).param("Float64", number).push(", false)")
}
