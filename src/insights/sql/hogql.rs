//! `HogQLQuery`: a question as it was written.

use std::collections::HashMap;

use serde_json::Value;

use super::ask::{Asked, PropertyTypes, Question, prepare, sql_error};
use super::events::from_table;
use super::filters::{FilterTarget, bounds, compare, date_filter, field, filters_to_expr, joined, made};
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::{DateRange, InvalidQuery, Reader};
use crate::sql::{
    CompareOp, Expr, ExprKind, From, Literal, Query, Select, SelectItem, Source, SourceKind, Span, parse_query,
};
use crate::storage::ch::Sql;
use crate::storage::ch::hogql::SqlStream;

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

/// The people whose ids a `HogQLQuery` gives, as a statement with one column: their numbers after merges. The ids stand in the
/// only column, or in the one called `person_id`, `actor_id` or `id`.
///
/// # Errors
/// If the question makes no sense, or none of its columns can be the ids.
pub(in crate::insights) async fn hogql_people(context: QueryContext<'_>, source: &Value) -> Result<Sql, InsightError> {
    const FIELD: &str = "source.query";
    let at_source = |error: InvalidQuery| InvalidQuery { field: format!("source.{}", error.field), ..error };
    let (text, query) = read(source).map_err(at_source)?;
    let types = PropertyTypes::of(context, source).await?;
    let placeholders = placeholders(context, source, &query, &types).map_err(at_source)?;
    let column = id_column(&query).ok_or_else(|| {
        let reason = "one column must hold the people's ids: the only one, or person_id, actor_id or id";
        InvalidQuery::new(FIELD, reason)
    })?;
    let ids = match column {
        None => query,
        Some(name) => {
            let source = Source { kind: SourceKind::Query(Box::new(query)), alias: None, span: Span::default() };
            let items = vec![SelectItem { expr: field(&[&name]), alias: None }];
            let from = Some(From { first: source, joins: Vec::new() });
            Query::Select(Box::new(Select { items, from, ..Select::default() }))
        }
    };
    let is_one = compare(CompareOp::In, field(&["id"]), made(ExprKind::Query(Box::new(ids))));
    let items = vec![SelectItem { expr: field(&["number"]), alias: None }];
    let people = from_table(Select { items, filter: Some(is_one), ..Select::default() }, "persons");
    let question = Question { text, placeholders, ..Question::made(&people, FIELD) };
    Ok(prepare(context, &types, &question, None)?.sql)
}

/// Which column holds people's ids: the only one, or one by its name; none if there is no telling.
fn id_column(query: &Query) -> Option<Option<String>> {
    let select = match query {
        Query::Select(select) => select,
        Query::Set { first, .. } => return id_column(first),
    };
    if select.items.len() == 1 && !matches!(select.items[0].expr.kind, ExprKind::Star(_)) {
        return Some(None);
    }
    let name = |item: &SelectItem| match (&item.alias, &item.expr.kind) {
        (Some(alias), _) => Some(alias.clone()),
        (None, ExprKind::Field(steps)) => steps.last().cloned(),
        _ => None,
    };
    let names: Vec<_> = select.items.iter().filter_map(name).collect();
    ["person_id", "actor_id", "id"]
        .iter()
        .find(|id| names.iter().any(|name| name == *id))
        .map(|id| Some((*id).to_owned()))
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
            let value = variable.get("value").and_then(|value| value_of(value, 0));
            let value = value.unwrap_or_else(|| made(ExprKind::Literal(Literal::Null)));
            known.insert(format!("variables.{name}"), value);
        }
    }
    let filters = reader.get("filters")?;
    let target = if reads_sessions(query) { FilterTarget::Sessions } else { FilterTarget::Events };
    let range = DateRange::read(&filters.get("dateRange")?)?;
    let (from, to) = bounds(&range, context);
    if from.zip(to).is_some_and(|(from, to)| to <= from) {
        return Err(filters.get("dateRange")?.get("date_to")?.wrong("the range ends before it starts"));
    }
    let column = if target == FilterTarget::Sessions { "$start_timestamp" } else { "timestamp" };
    let mut parts: Vec<Expr> = date_filter(&[column], from, to).into_iter().collect();
    parts.extend(filters_to_expr(&filters.get("properties")?, target, types)?);
    if filters.get("filterTestAccounts")?.flag()? {
        let rules = Reader::new(&context.settings.test_account_filters);
        parts.extend(filters_to_expr(&rules, target, types)?);
    }
    let all = joined(parts, false).unwrap_or_else(|| made(ExprKind::Literal(Literal::Flag(true))));
    known.insert("filters".to_owned(), all);
    Ok(known)
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
