//! `HogQLQuery`: a question as it was written.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;

use super::ask::{Asked, PropertyTypes, Question, prepare, sql_error};
use super::dates::{bounds, date_filter};
use super::events::from_table;
use super::filters::{FilterTarget, call, compare, field, filters_to_expr, joined, made, text};
use crate::insights::ground::Weekdays;
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::{DateRange, InvalidQuery, Reader};
use crate::sql::{
    CompareOp, Expr, ExprKind, From, Literal, Query, Select, SelectItem, Source, SourceKind, Span, parse_query,
};
use crate::storage::ch::Sql;
use crate::storage::ch::hogql::{EVENT_FILTERS, SESSION_FILTERS, SqlStream};

/// Most values that a question may be given, and their nesting.
const MAX_VALUES: usize = 1_000;
const MAX_DEPTH: usize = 4;

/// Answers a `HogQLQuery`.
///
/// # Errors
/// If the question makes no sense, names what there is not or takes too much; the error says where.
pub async fn run_hogql(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let (text, query) = read(json)?;
    let types = PropertyTypes::of(context, json).await?;
    let placeholders = placeholders(context, json, &query, &types)?;
    let asked = Asked::ask(context, &types, &question(&query, text, placeholders)).await?;
    let mut answer = asked.into_answer();
    answer.insert("query".to_owned(), text.into());
    Ok(answer)
}

/// The rows of a `HogQLQuery` as CSV, as they come and however many; before them the names of the columns.
///
/// # Errors
/// As [`run_hogql`].
pub async fn export_csv(context: QueryContext<'_>, json: &Value) -> Result<(Vec<String>, SqlStream), InsightError> {
    let (text, query) = read(json)?;
    let types = PropertyTypes::of(context, json).await?;
    let placeholders = placeholders(context, json, &query, &types)?;
    let compiled = prepare(context, &types, &question(&query, text, placeholders), None)?;
    let stream = context.ch.sql_csv(&compiled.sql).map_err(|error| sql_error(error, "query"))?;
    Ok((compiled.columns, stream))
}

/// The people whose ids a question gives (`source` of an `ActorsQuery`), as a statement with one column: their numbers after
/// merges. The ids stand in a column `actor_id`, `person_id` or `id`, or in the only one.
///
/// # Errors
/// As [`run_hogql`], and if there is no such column.
pub(in crate::insights) async fn hogql_people(
    context: QueryContext<'_>,
    place: &Reader<'_>,
) -> Result<Sql, InsightError> {
    let json = place.value().unwrap_or(&Value::Null);
    let text_place = place.get("query")?;
    let here = |error: InvalidQuery| text_place.wrong(error.reason);
    let (text, query) = read(json).map_err(here)?;
    let types = PropertyTypes::of(context, json).await?;
    let placeholders = placeholders(context, json, &query, &types)?;
    let asked = question(&query, text, placeholders.clone());
    let columns = prepare(context, &types, &asked, None).map_err(here)?.columns;
    let known = ["actor_id", "person_id", "id"].iter().find(|known| columns.iter().any(|column| column == *known));
    let column = match (known, columns.as_slice()) {
        (Some(column), _) => *column,
        (None, [only]) => only.as_str(),
        _ => {
            let reason = "a column actor_id, person_id or id is needed in the source, to know whom it is about";
            return Err(text_place.wrong(reason).into());
        }
    };
    let source = Source { kind: SourceKind::Query(Box::new(query)), alias: None, span: Span::default() };
    let ids = Select {
        items: vec![SelectItem { expr: field(&[column]), alias: None }],
        from: Some(From { first: source, joins: Vec::new() }),
        ..Select::default()
    };
    let ids = made(ExprKind::Query(Box::new(Query::Select(Box::new(ids)))));
    let people = Select {
        items: vec![SelectItem { expr: field(&["number"]), alias: None }],
        filter: Some(compare(CompareOp::In, field(&["id"]), ids)),
        ..Select::default()
    };
    let people = from_table(people, "persons");
    Ok(prepare(context, &types, &question(&people, text, placeholders), None).map_err(here)?.sql)
}

fn question<'a>(query: &'a Query, text: &'a str, placeholders: HashMap<String, Expr>) -> Question<'a> {
    Question { text, placeholders, ..Question::made(query, "query") }
}

fn read(json: &Value) -> Result<(&str, Query), InvalidQuery> {
    let place = Reader::new(json).get("query")?;
    let text = place.text()?.ok_or_else(|| place.wrong("the question is needed, as SQL"))?;
    let query = parse_query(text).map_err(|error| InvalidQuery::new("query", error.describe(text)))?;
    Ok((text, query))
}

/// What `{name}` stands for: `filters`, the given values, and `variables.name`.
fn placeholders(
    context: QueryContext<'_>,
    json: &Value,
    query: &Query,
    types: &PropertyTypes,
) -> Result<HashMap<String, Expr>, InvalidQuery> {
    let reader = Reader::new(json);
    let mut known = HashMap::new();
    if let Some(Value::Object(values)) = reader.get("values")?.value() {
        if values.len() > MAX_VALUES {
            return Err(reader.get("values")?.wrong(format!("at most {MAX_VALUES} values can be given")));
        }
        for (name, value) in values {
            let value = value_of(value, 0).ok_or_else(|| {
                InvalidQuery::new(format!("values.{name}"), "a plain value or a list of such is needed")
            })?;
            known.insert(name.clone(), value);
        }
    }
    if let Some(Value::Object(variables)) = reader.get("variables")?.value() {
        for (id, variable) in variables {
            let name = variable.get("code_name").and_then(Value::as_str).unwrap_or(id);
            let is_null = variable.get("isNull").and_then(Value::as_bool).unwrap_or(false);
            let value = variable.get("value").filter(|_| !is_null).and_then(|value| value_of(value, 0));
            let value = value.unwrap_or_else(|| made(ExprKind::Literal(Literal::Null)));
            known.insert(format!("variables.{name}"), value);
        }
    }
    let filters = reader.get("filters")?;
    let range = DateRange::read(&filters.get("dateRange")?)?;
    let (from, to) = bounds(&range, context);
    if from.zip(to).is_some_and(|(from, to)| to <= from) {
        return Err(filters.get("dateRange")?.get("date_to")?.wrong("the range ends before it starts"));
    }
    let moment = |at: Option<Timestamp>| match at {
        Some(at) => call("toDateTime64", vec![text(at.to_string())]),
        None => made(ExprKind::Literal(Literal::Null)),
    };
    known.insert("filters.dateRange.from".to_owned(), moment(from));
    known.insert("filters.dateRange.to".to_owned(), moment(to));
    // Where they stand decides which of the two is meant; those of the outermost table must make sense.
    let outermost = if reads_sessions(query) { FilterTarget::Sessions } else { FilterTarget::Events };
    for (target, name) in [(FilterTarget::Events, EVENT_FILTERS), (FilterTarget::Sessions, SESSION_FILTERS)] {
        match all_filters(context, &filters, (from, to), target, types) {
            Ok(all) => drop(known.insert(name.to_owned(), all)),
            Err(error) if target == outermost => return Err(error),
            Err(_) => {}
        }
    }
    Ok(known)
}

/// All that `filters` asks of the rows of a table.
fn all_filters(
    context: QueryContext<'_>,
    filters: &Reader<'_>,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    target: FilterTarget,
    types: &PropertyTypes,
) -> Result<Expr, InvalidQuery> {
    let column = if target == FilterTarget::Sessions { "$start_timestamp" } else { "timestamp" };
    let mut parts: Vec<Expr> = date_filter(&[column], from, to).into_iter().collect();
    parts.extend(Weekdays::read(&filters.get("dateRange")?)?.map(|weekdays| weekdays.condition(column)));
    parts.extend(filters_to_expr(&filters.get("properties")?, target, types)?);
    if filters.get("filterTestAccounts")?.flag()? {
        let rules = Reader::new(&context.settings.test_account_filters);
        parts.extend(filters_to_expr(&rules, target, types)?);
    }
    Ok(joined(parts, false).unwrap_or_else(|| made(ExprKind::Literal(Literal::Flag(true)))))
}

/// A value of JSON as one of the language.
fn value_of(value: &Value, depth: usize) -> Option<Expr> {
    Some(made(match value {
        Value::Null => ExprKind::Literal(Literal::Null),
        Value::Bool(flag) => ExprKind::Literal(Literal::Flag(*flag)),
        Value::String(text) => ExprKind::Literal(Literal::Text(text.clone())),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => ExprKind::Literal(Literal::Whole(whole)),
            (None, Some(number)) if number < 0.0 => ExprKind::Negate(Box::new(match number.abs() {
                whole if whole.fract() == 0.0 && whole < 9e15 => made(ExprKind::Literal(Literal::Whole(whole as u64))),
                broken => made(ExprKind::Literal(Literal::Number(broken))),
            })),
            (None, number) => ExprKind::Literal(Literal::Number(number?)),
        },
        Value::Array(items) if depth < MAX_DEPTH && items.len() <= MAX_VALUES => {
            ExprKind::Array(items.iter().map(|item| value_of(item, depth + 1)).collect::<Option<_>>()?)
        }
        Value::Array(_) | Value::Object(_) => return None,
    }))
}

/// Whether the outermost question that reads a table reads sessions.
fn reads_sessions(query: &Query) -> bool {
    let of_select = |select: &Select| match select.from.as_ref().map(|from| &from.first.kind) {
        Some(SourceKind::Table(names)) => names.len() == 1 && names[0] == "sessions",
        Some(SourceKind::Query(inner)) => reads_sessions(inner),
        _ => false,
    };
    match query {
        Query::Select(select) => of_select(select),
        Query::Set { first, .. } => reads_sessions(first),
    }
}
