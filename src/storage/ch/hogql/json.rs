//! Properties, and steps into JSON.

use super::super::Sql;
use super::super::json_keys::stored_key;
use super::value::{Ty, Value, call};
use crate::model::property_columns::{ColumnKind, PROPERTY_COLUMNS, PropertyColumn, find};
use crate::model::value_kinds::ValueKinds;

/// Which JSON column a property stands in, and whether well-known keys have columns beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonColumn {
    Event,
    PersonOfEvent,
    PersonNow,
    /// Of the group of a type that an event belongs to.
    GroupOfEvent(usize),
    /// Of the table of groups.
    Group,
}

impl JsonColumn {
    const fn name(self) -> &'static str {
        match self {
            Self::Event => "events.properties",
            Self::PersonOfEvent => "events.person_properties",
            Self::PersonNow => "person_now.now_properties",
            Self::GroupOfEvent(0) => "group_0.now_properties",
            Self::GroupOfEvent(1) => "group_1.now_properties",
            Self::GroupOfEvent(2) => "group_2.now_properties",
            Self::GroupOfEvent(3) => "group_3.now_properties",
            Self::GroupOfEvent(_) => "group_4.now_properties",
            Self::Group => "one_group.properties",
        }
    }
}

/// The types of properties by key, as the project has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyType {
    Text,
    Numeric,
    Boolean,
    DateTime,
    Object,
}

/// What is known of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PropertyFacts {
    pub ty: Option<PropertyType>,
    /// Which kinds of values its JSON column ever held under its key; none where that is not known, and then any.
    pub kinds: Option<ValueKinds>,
}

impl From<Option<PropertyType>> for PropertyFacts {
    fn from(ty: Option<PropertyType>) -> Self {
        Self { ty, kinds: None }
    }
}

/// A property as a value of its type; steps after the key go into what it holds. `zone` is the project's.
pub(super) fn property(column: JsonColumn, steps: &[String], facts: PropertyFacts, zone: &str) -> Value {
    let [key, inner @ ..] = steps else { return Value::new(Sql::new("NULL"), Ty::Any, true) };
    if !inner.is_empty() {
        return step_into(&holder(column, key), inner);
    }
    let PropertyFacts { ty, kinds } = facts;
    let typed = if column == JsonColumn::Event { find(key) } else { None };
    let text = match typed {
        Some(typed @ PropertyColumn { kind: ColumnKind::Integer | ColumnKind::Number, .. })
            if matches!(ty, None | Some(PropertyType::Numeric)) =>
        {
            let in_tail = call("toFloat64OrNull", &[&tail_text(column, key)]);
            return Value::new(with_tail("toFloat64", typed, &in_tail, kinds), Ty::Number, true);
        }
        Some(typed) => with_tail("toString", typed, &scalar_or_json(column, key, ty, kinds), kinds),
        None => match kinds.filter(|_| !is_odd(key)).and_then(|kinds| plain(column, key, ty, kinds)) {
            Some(value) => return value,
            None => scalar_or_json(column, key, ty, kinds),
        },
    };
    match ty {
        Some(PropertyType::Numeric) => Value::new(call("toFloat64OrNull", &[&text]), Ty::Number, true),
        Some(PropertyType::Boolean) => {
            let mut sql = Sql::new("transform(");
            sql.append(&text).push(", ['true', 'false'], [true, false], NULL)");
            Value::new(sql, Ty::Flag, true)
        }
        Some(PropertyType::DateTime) => {
            let mut sql = Sql::new("parseDateTime64BestEffortOrNull(");
            sql.append(&text).push(", 6, ").param("String", zone).push(")");
            Value::new(sql, Ty::Moment, true)
        }
        _ => Value::new(text, Ty::Text, true),
    }
}

/// What a column of its own holds, as `reader` makes of it; where some values did not fit it, else what the tail holds.
fn with_tail(reader: &'static str, own: &PropertyColumn, in_tail: &Sql, kinds: Option<ValueKinds>) -> Sql {
    let mut name = Sql::new("events.`");
    name.push(own.key).push("`");
    let own = call(reader, &[&name]);
    if kinds == Some(ValueKinds::NONE) { own } else { call("coalesce", &[&own, in_tail]) }
}

/// A key under which all values are what its type says: read as they are. Numbers need no text to be read from, nor do texts
/// need to be told from lists.
fn plain(column: JsonColumn, key: &str, ty: Option<PropertyType>, kinds: ValueKinds) -> Option<Value> {
    let of = |name: &'static str| {
        let mut sql = Sql::new("dynamicElement(");
        sql.append(&path(column, key)).push(", '").push(name).push("')");
        sql
    };
    let (sql, ty) = match ty {
        None | Some(PropertyType::Text) if kinds.are_among(ValueKinds::TEXT) => (of("String"), Ty::Text),
        Some(PropertyType::Boolean) if kinds.are_among(ValueKinds::FLAG) => (of("Bool"), Ty::Flag),
        Some(PropertyType::Numeric) if kinds.are_among(ValueKinds::WHOLE) => {
            (call("toFloat64", &[&of("Int64")]), Ty::Number)
        }
        Some(PropertyType::Numeric) if kinds.are_among(ValueKinds::BROKEN) => (of("Float64"), Ty::Number),
        Some(PropertyType::Numeric) if kinds.are_among(ValueKinds::NUMBERS) => {
            let whole = call("toFloat64", &[&of("Int64")]);
            (call("coalesce", &[&of("Float64"), &whole]), Ty::Number)
        }
        _ => return None,
    };
    Some(Value::new(sql, ty, true))
}

/// Keys that the engine's own look-up by path would misread.
fn is_odd(key: &str) -> bool {
    key.is_empty() || key.chars().any(|c| matches!(c, '`' | '\\' | '\'' | '"') || c.is_control())
}

fn path(column: JsonColumn, key: &str) -> Sql {
    let mut sql = Sql::new(column.name());
    sql.push(".").param("Identifier", stored_key(key).replace('.', "%2E"));
    sql
}

/// A key that holds a text, a number or a flag; for other values whatever the engine prints.
fn tail_text(column: JsonColumn, key: &str) -> Sql {
    if is_odd(key) {
        let mut sql = Sql::new("JSONExtract(toString(");
        sql.push(column.name()).push("), ").param("String", &*stored_key(key)).push(", 'Nullable(String)')");
        return sql;
    }
    let mut sql = path(column, key);
    sql.push("::Nullable(String)");
    sql
}

/// A key as text: a list or an object as JSON.
fn scalar_or_json(column: JsonColumn, key: &str, ty: Option<PropertyType>, kinds: Option<ValueKinds>) -> Sql {
    if is_odd(key) {
        return step_into(&whole_text(column), &[key.to_owned()]).sql;
    }
    let at = path(column, key);
    if kinds.is_some_and(|kinds| kinds.are_among(ValueKinds::SCALARS)) {
        return tail_text(column, key);
    }
    // Most are texts or not there: what it takes to tell the others apart is only done for them.
    let mut list_or_scalar = Sql::new("if(isNull(");
    list_or_scalar.append(&at).push("), NULL, if(isNotNull(dynamicElement(").append(&at);
    list_or_scalar.push(", 'String')), dynamicElement(").append(&at).push(", 'String'), if(startsWith(dynamicType(");
    list_or_scalar.append(&at).push("), 'Array'), toJSONString(").append(&at).push("), ");
    list_or_scalar.append(&at).push("::Nullable(String))))");
    let may_hold_objects = match kinds {
        Some(kinds) => !kinds.are_among(ValueKinds::SCALARS.with(ValueKinds::LIST)),
        None => matches!(ty, None | Some(PropertyType::Object)),
    };
    if may_hold_objects {
        let mut sql = Sql::new("coalesce(");
        sql.append(&list_or_scalar).push(", nullIf(").append(&object(column, key)).push(", '{}'))");
        return sql;
    }
    list_or_scalar
}

/// What lies below a key, as JSON; `{}` if there is nothing.
fn object(column: JsonColumn, key: &str) -> Sql {
    let mut sql = Sql::new("toString(getSubcolumn(");
    let path = format!("^`{}`", stored_key(key).replace('.', "%2E"));
    sql.push(column.name()).push(", ").param("String", path).push("))");
    sql
}

/// A key with all that it holds, as JSON.
fn holder(column: JsonColumn, key: &str) -> Sql {
    if is_odd(key) {
        return call("JSONExtractRaw", &[&whole_text(column), &text(&stored_key(key))]);
    }
    let at = path(column, key);
    let mut sql = Sql::new("if(startsWith(dynamicType(");
    sql.append(&at).push("), 'Array'), toJSONString(").append(&at).push("), ").append(&object(column, key)).push(")");
    sql
}

fn text(text: &str) -> Sql {
    let mut sql = Sql::default();
    sql.param("String", text);
    sql
}

fn whole_text(column: JsonColumn) -> Sql {
    let mut sql = Sql::new("toString(");
    sql.push(column.name()).push(")");
    sql
}

/// Everything of a JSON column as text; of an event with what stands in columns of its own.
pub(super) fn whole(column: JsonColumn) -> Value {
    if column != JsonColumn::Event {
        return Value::new(whole_text(column), Ty::Json, false);
    }
    // What is not set is not there: nulls of the columns are taken out again, which stand there in one way only. A value
    // that did not fit its column stands in the tail, so the tail goes last.
    let mut sql = Sql::new("jsonMergePatch(replaceRegexpAll(replaceRegexpAll(toJSONString(CAST(tuple(");
    for (at, column) in PROPERTY_COLUMNS.iter().enumerate() {
        sql.push(if at > 0 { ", events.`" } else { "events.`" }).push(column.key).push("`");
    }
    sql.push("), 'Tuple(");
    for (at, column) in PROPERTY_COLUMNS.iter().enumerate() {
        sql.push(if at > 0 { ", `" } else { "`" }).push(column.key).push("` ").push(match column.kind {
            ColumnKind::Word | ColumnKind::Text => "Nullable(String)",
            other => other.sql_type(),
        });
    }
    sql.push(")')), '\"[$_a-z0-9]+\":null(,|(}))', '\\\\2'), ',}$', '}'), toString(events.properties))");
    Value::new(sql, Ty::Json, false)
}

/// Steps into a text of JSON: names, and places in lists, which start at one.
pub(super) fn step_into(json: &Sql, steps: &[String]) -> Value {
    let mut path = Sql::default();
    for step in steps {
        match step.parse::<u64>() {
            Ok(place) => path.push(", ").param("UInt64", place),
            Err(_) => path.push(", ").param("String", &*stored_key(step)),
        };
    }
    let with_path = |name: &'static str| {
        let mut sql = Sql::new(name);
        sql.push("(").append(json).append(&path).push(")");
        sql
    };
    let mut sql = Sql::new("if(");
    sql.append(&with_path("JSONType")).push(" = 'String', ").append(&with_path("JSONExtractString"));
    sql.push(", nullIf(nullIf(").append(&with_path("JSONExtractRaw")).push(", ''), 'null'))");
    Value::new(sql, Ty::Json, true)
}
