//! `EventsQuery`: a list of events, a column for each value asked for.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ask::{Asked, PropertyTypes, Question};
use super::dates::date_filter;
use super::filters::{FilterTarget, call, compare, field, filters_to_expr, joined, made, text};
use crate::insights::definitions::action_at;
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::{DateBound, InvalidQuery, Reader};
use crate::sql::{
    CompareOp, Expr, ExprKind, From, Limit, Literal, Nulls, Order, Query, Select, SelectItem, Source, SourceKind, Span,
    parse_expr, parse_item, parse_order,
};
use crate::storage::ch::hogql::has_aggregate;
use crate::storage::ch::original_key;

const MAX_COLUMNS: usize = 100;
pub(super) const MAX_ROWS: u32 = 50_000;

/// What stands in an event that is asked for whole.
const EVENT_FIELDS: [&str; 7] =
    ["uuid", "event", "properties", "timestamp", "distinct_id", "elements_chain", "created_at"];

/// A column of a list, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Plain,
    /// `*`: the event as an object.
    Event,
    /// `person`: who did it, as an object.
    Person,
    /// `person_display_name`: what they are called, as an object.
    Name,
}

/// Under which keys people's names stand, the best first.
const NAME_KEYS: [&str; 7] = ["email", "Email", "name", "Name", "username", "Username", "UserName"];

/// What somebody is called, of their properties at `steps`: by the first key that is set, else as said.
pub(super) fn display_name(steps: &[&str], otherwise: Expr) -> Expr {
    let at = |key| field(&steps.iter().copied().chain([key]).collect::<Vec<_>>());
    let set = |key| call("nullIf", vec![call("toString", vec![at(key)]), text("")]);
    call("coalesce", NAME_KEYS.into_iter().map(set).chain([otherwise]).collect())
}

/// Answers an `EventsQuery`.
///
/// # Errors
/// If a field makes no sense; the error names it.
pub async fn run_events(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let reader = Reader::new(json);
    let source = reader.get("source")?;
    if !source.is_missing() {
        return Err(source.wrong("this cannot be asked for yet").into());
    }
    let types = PropertyTypes::of(context, json).await?;
    let names = texts(&reader.get("select")?)?;
    let select = reader.get("select")?;
    if names.is_empty() || names.len() > MAX_COLUMNS {
        return Err(select.wrong(format!("1 to {MAX_COLUMNS} columns are needed")).into());
    }
    let mut columns = Vec::new();
    let mut items = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let (column, expr) = match name.split("--").next().unwrap_or_default().trim() {
            "*" => (Column::Event, tuple(EVENT_FIELDS.iter().map(|name| field(&[name])).collect())),
            "person" => {
                let fields: [&[&str]; 4] =
                    [&["person", "id"], &["person", "created_at"], &["distinct_id"], &["person", "properties"]];
                (Column::Person, tuple(fields.iter().map(|steps| field(steps)).collect()))
            }
            "person_display_name" => {
                let distinct_id = || field(&["distinct_id"]);
                let name = display_name(&["person", "properties"], distinct_id());
                (Column::Name, tuple(vec![name, field(&["person", "id"]), distinct_id()]))
            }
            _ => {
                let (expr, alias) = item(name, &format!("select[{at}]"))?;
                if matches!(expr.kind, ExprKind::Star { .. }) {
                    let reason = "one column is needed here: all of an event is *";
                    return Err(InvalidQuery::new(format!("select[{at}]"), reason).into());
                }
                columns.push(Column::Plain);
                items.push(SelectItem { expr, alias });
                continue;
            }
        };
        columns.push(column);
        items.push(SelectItem { expr, alias: None });
    }
    let select = Select {
        filter: conditions(context, &reader, &types)?,
        group_by: grouped(&items),
        order_by: order(&reader, &names, &items)?,
        limit: Some(page(&reader)?),
        items,
        ..Select::default()
    };
    let query = from_table(select, "events");
    let asked = Asked::ask(context, &types, &Question::made(&query, "select")).await?;
    Ok(answer(asked, &names, &columns))
}

fn conditions(
    context: QueryContext<'_>,
    reader: &Reader<'_>,
    types: &PropertyTypes,
) -> Result<Option<Expr>, InsightError> {
    let target = FilterTarget::Events;
    let mut parts = Vec::new();
    let now = context.clock.now().to_zoned(context.project.time_zone.rules());
    let bound = |name: &str, default: Option<&str>| -> Result<Option<Timestamp>, InvalidQuery> {
        let place = reader.get(name)?;
        let Some(said) = place.text()?.filter(|text| !text.is_empty()).or(default) else { return Ok(None) };
        let bound: DateBound = said.parse().map_err(|e| place.wrong(format!("{e}")))?;
        Ok(bound.start(&now, context.settings.week_start))
    };
    let soon = context.clock.now().as_second() + 5;
    let before = bound("before", None)?.or(Timestamp::from_second(soon).ok());
    let after = bound("after", Some("-24h"))?;
    if let (Some(after), Some(before)) = (after, before)
        && before <= after
    {
        return Err(reader.get("before")?.wrong("the range ends before it starts").into());
    }
    // After means later than that moment.
    parts.extend(after.map(|after| compare(CompareOp::Greater, field(&["timestamp"]), text(after.to_string()))));
    parts.extend(date_filter(&["timestamp"], None, before));
    let event = reader.get("event")?;
    parts.extend(event.text()?.map(|event| compare(CompareOp::Equal, field(&["event"]), text(event))));
    let action = reader.get("actionId")?;
    if !action.is_missing() {
        parts.push(action_at(&action, types)?.1);
    }
    let events = texts(&reader.get("events")?)?;
    if !events.is_empty() {
        let any = made(ExprKind::Tuple(events.iter().map(|event| text(*event)).collect()));
        parts.push(compare(CompareOp::In, field(&["event"]), any));
    }
    if let Some(person) = reader.get("personId")?.text()? {
        parts.push(compare(CompareOp::Equal, super::actors::as_text(&["person", "id"]), text(person.to_lowercase())));
    }
    for (at, condition) in texts(&reader.get("where")?)?.into_iter().enumerate() {
        parts.push(written(condition, &format!("where[{at}]"))?);
    }
    for name in ["properties", "fixedProperties"] {
        parts.extend(filters_to_expr(&reader.get(name)?, target, types)?);
    }
    if reader.get("filterTestAccounts")?.flag()? {
        parts.extend(filters_to_expr(&Reader::new(&context.settings.test_account_filters), target, types)?);
    }
    Ok(joined(parts, false))
}

/// As it was asked for, else the newest first.
fn order(reader: &Reader<'_>, names: &[&str], items: &[SelectItem]) -> Result<Vec<Order>, InvalidQuery> {
    let place = reader.get("orderBy")?;
    if !place.is_missing() {
        let name = display_name(&["person", "properties"], field(&["distinct_id"]));
        return orders(&texts(&place)?, &field(&["person_id"]), &name);
    }
    let newest = |expr: Expr| vec![Order { expr, is_descending: true, nulls: Nulls::Unsaid }];
    if let Some(at) = names.iter().position(|name| *name == "count()") {
        return Ok(newest(items[at].expr.clone()));
    }
    if names.iter().any(|name| matches!(*name, "*" | "timestamp"))
        && !items.iter().any(|item| has_aggregate(&item.expr))
    {
        return Ok(newest(field(&["timestamp"])));
    }
    Ok(items
        .iter()
        .take(1)
        .map(|item| Order { expr: item.expr.clone(), is_descending: false, nulls: Nulls::Unsaid })
        .collect())
}

/// Terms of an order. A person as a whole is ordered by their id, what people are called by that.
pub(super) fn orders(texts: &[&str], person: &Expr, name: &Expr) -> Result<Vec<Order>, InvalidQuery> {
    let read = |(at, text): (usize, &&str)| {
        let found = parse_order(text);
        let mut found = found.map_err(|error| InvalidQuery::new(format!("orderBy[{at}]"), error.describe(text)))?;
        if let ExprKind::Field(steps) = &found.expr.kind {
            found.expr = match steps.as_slice() {
                [whole] if matches!(whole.as_str(), "person" | "actor" | "group") => person.clone(),
                [said] if said == "person_display_name" => name.clone(),
                _ => found.expr,
            };
        }
        Ok(found)
    };
    texts.iter().enumerate().map(read).collect()
}

/// With an aggregate beside them, the other columns are what rows are put together by.
pub(super) fn grouped(items: &[SelectItem]) -> Vec<Expr> {
    if !items.iter().any(|item| has_aggregate(&item.expr)) {
        return Vec::new();
    }
    items.iter().filter(|item| !has_aggregate(&item.expr)).map(|item| item.expr.clone()).collect()
}

pub(super) fn page(reader: &Reader<'_>) -> Result<Limit, InvalidQuery> {
    let whole = |count: u32| made(ExprKind::Literal(Literal::Whole(count.into())));
    let limit = reader.get("limit")?.count(0, MAX_ROWS)?.unwrap_or(100);
    let offset = reader.get("offset")?.count(0, u32::MAX)?.unwrap_or(0);
    Ok(Limit { count: Some(whole(limit)), offset: Some(whole(offset)), has_ties: false })
}

pub(in crate::insights) fn from_table(select: Select, table: &str) -> Query {
    let source = Source { kind: SourceKind::Table(vec![table.to_owned()]), alias: None, span: Span::default() };
    Query::Select(Box::new(Select { from: Some(From { first: source, joins: Vec::new() }), ..select }))
}

pub(super) fn tuple(items: Vec<Expr>) -> Expr {
    made(ExprKind::Tuple(items))
}

/// A value that a request wrote; what is wrong with it is shown in its own text.
pub(in crate::insights) fn written(text: &str, field: &str) -> Result<Expr, InvalidQuery> {
    parse_expr(text).map_err(|error| InvalidQuery::new(field, error.describe(text)))
}

/// The same, where a name of its own may follow that says nothing: `a + b AS "Sum"`.
pub(in crate::insights) fn without_name(said: &str, place: &Reader<'_>) -> Result<Expr, InvalidQuery> {
    let field = place.wrong("").field;
    written(said, &field).or_else(|error| {
        let before = said.to_ascii_lowercase().rfind(" as ").and_then(|at| said.get(..at));
        before.and_then(|before| written(before, &field).ok()).ok_or(error)
    })
}

/// The same with a name of its own behind it, if it has one: `event AS what`.
pub(super) fn item(text: &str, field: &str) -> Result<(Expr, Option<String>), InvalidQuery> {
    let read = parse_item(text).map_err(|error| InvalidQuery::new(field, error.describe(text)))?;
    Ok((read.expr, read.alias))
}

/// A list of texts; none if missing.
pub(super) fn texts<'a>(place: &Reader<'a>) -> Result<Vec<&'a str>, InvalidQuery> {
    let items = place.items()?;
    items.iter().map(|item| item.text()?.ok_or_else(|| item.wrong("a text is needed here"))).collect()
}

fn answer(mut asked: Asked, names: &[&str], columns: &[Column]) -> QueryAnswer {
    for row in &mut asked.rows.rows {
        for (cell, column) in row.iter_mut().zip(columns) {
            let Value::Array(parts) = cell else { continue };
            let parts = std::mem::take(parts);
            *cell = match column {
                Column::Plain => parts.into(),
                Column::Event => object(&EVENT_FIELDS, parts),
                Column::Name => object(&["display_name", "id", "distinct_id"], parts),
                Column::Person => object(&["uuid", "created_at", "distinct_id", "properties"], parts),
            };
        }
    }
    asked.compiled.columns = names.iter().map(|name| (*name).to_owned()).collect();
    asked.into_answer()
}

fn object(names: &[&str], parts: Vec<Value>) -> Value {
    let fields = names.iter().zip(parts).map(|(name, value)| {
        let value = if *name == "properties" { properties(value) } else { value };
        ((*name).to_owned(), value)
    });
    Value::Object(fields.collect())
}

/// Properties come as a text of JSON, their keys as they are stored.
pub(super) fn properties(value: Value) -> Value {
    let parsed = match &value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| json!({})),
        other => other.clone(),
    };
    as_sent(parsed)
}

fn as_sent(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: Map<String, Value> =
                fields.into_iter().map(|(key, value)| (original_key(&key).into_owned(), as_sent(value))).collect();
            fields.into()
        }
        Value::Array(items) => items.into_iter().map(as_sent).collect(),
        other => other,
    }
}
