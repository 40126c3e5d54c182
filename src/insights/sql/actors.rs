//! `ActorsQuery`: a list of people, a column for each value asked for.

use serde_json::{Value, json};
use uuid::Uuid;

use super::ask::{Asked, PropertyTypes, Question};
use super::events::{display_name, from_table, grouped, item, orders, page, properties, texts, tuple};
use super::filters::{FilterTarget, compare, field, filters_to_expr, joined, made, text};
use crate::insights::query::{people_behind, people_with};
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Nulls, Order, Select, SelectItem, Span};

const MAX_COLUMNS: usize = 100;

/// What is shown if nothing is asked for.
const DEFAULT_COLUMNS: [&str; 4] = ["person", "id", "created_at", "person.$delete"];

/// What stands in a person that is asked for whole.
const PERSON_FIELDS: [&str; 4] = ["id", "properties", "created_at", "is_identified"];

/// Answers an `ActorsQuery` over all people, or those behind a point of another query's answer.
///
/// # Errors
/// If a field makes no sense; the error names it.
pub async fn run_actors(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let reader = Reader::new(json);
    let source = reader.get("source")?;
    let (only_people, people_with) = match people_with(context, &source).await? {
        Some(with) => (None, Some(with)),
        None if source.is_missing() => (None, None),
        None => (Some(people_behind(context, &source).await?), None),
    };
    let types = PropertyTypes::of(context, json).await?;
    let place = reader.get("select")?;
    let names = match texts(&place)? {
        names if names.is_empty() => DEFAULT_COLUMNS.to_vec(),
        names => names,
    };
    if names.len() > MAX_COLUMNS {
        return Err(place.wrong(format!("1 to {MAX_COLUMNS} columns are needed")).into());
    }
    let mut items = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let plain = name.split("--").next().unwrap_or_default().trim();
        let (expr, alias) = match plain {
            "person" | "actor" => (tuple(PERSON_FIELDS.iter().map(|name| field(&[name])).collect()), None),
            "person.$delete" => (made(ExprKind::Literal(Literal::Null)), None),
            "person_display_name" => {
                (tuple(vec![display_name(&["properties"], as_text(&["id"])), field(&["id"])]), None)
            }
            _ => item(name, &format!("select[{at}]"))?,
        };
        items.push(SelectItem { expr, alias });
    }
    let parts = actor_conditions(&reader, &types)?;
    let order_by = match reader.get("orderBy")? {
        place if !place.is_missing() => {
            let name = display_name(&["properties"], as_text(&["id"]));
            orders(&texts(&place)?, &field(&["id"]), &name)?
        }
        _ => default_order(&names, &items),
    };
    let select = Select {
        filter: joined(parts, false),
        group_by: grouped(&items),
        order_by,
        limit: Some(page(&reader)?),
        items,
        ..Select::default()
    };
    let query = from_table(select, "persons");
    let question = Question { only_people, people_with, ..Question::made(&query, "select") };
    let mut asked = Asked::ask(context, &types, &question).await?;
    let whole: Vec<bool> = names.iter().map(|name| matches!(*name, "person" | "actor")).collect();
    let mut people = Vec::new();
    for row in &mut asked.rows.rows {
        for (cell, _) in row.iter_mut().zip(&whole).filter(|(_, is_whole)| **is_whole) {
            if let Value::Array(parts) = cell {
                *cell = person(std::mem::take(parts));
                people.push(cell);
            }
        }
    }
    add_distinct_ids(context, people).await?;
    let is_name = |name: &str| name.split("--").next().unwrap_or_default().trim() == "person_display_name";
    for (at, _) in names.iter().enumerate().filter(|(_, name)| is_name(name)) {
        for row in &mut asked.rows.rows {
            if let Some(Value::Array(parts)) = row.get(at) {
                row[at] = json!({ "display_name": parts[0], "id": parts[1] });
            }
        }
    }
    asked.compiled.columns = names.iter().map(|name| (*name).to_owned()).collect();
    let mut answer = asked.into_answer();
    answer.insert("missing_actors_count".to_owned(), 0.into());
    Ok(answer)
}

/// Which people an `ActorsQuery` asks for: all of these hold.
pub(in crate::insights) fn actor_conditions(
    reader: &Reader<'_>,
    types: &PropertyTypes,
) -> Result<Vec<Expr>, InvalidQuery> {
    let mut parts: Vec<Expr> = Vec::new();
    for name in ["properties", "fixedProperties"] {
        parts.extend(filters_to_expr(&reader.get(name)?, FilterTarget::Persons, types)?);
    }
    let search = reader.get("search")?;
    parts.extend(search.text()?.map(str::trim).filter(|text| !text.is_empty()).map(found_by));
    Ok(parts)
}

fn person(parts: Vec<Value>) -> Value {
    let [id, all, created_at, is_identified] = parts.try_into().unwrap_or_default();
    json!({
        "id": id,
        "uuid": id,
        "properties": properties(all),
        "created_at": created_at,
        "is_identified": is_identified,
    })
}

/// Tells by which ids each of these people is known.
async fn add_distinct_ids(context: QueryContext<'_>, people: Vec<&mut Value>) -> Result<(), InsightError> {
    let uuid = |person: &Value| person["id"].as_str().and_then(|id| id.parse::<Uuid>().ok());
    let uuids: Vec<Uuid> = people.iter().filter_map(|person| uuid(person)).collect();
    let known = context.pg.list_distinct_ids_of(context.project.id, &uuids).await?;
    for person in people {
        let ids = uuid(person).and_then(|uuid| known.get(&uuid));
        person["distinct_ids"] = ids.cloned().unwrap_or_default().into();
    }
    Ok(())
}

/// The most first where people are counted, else by the first column that has an order.
fn default_order(names: &[&str], items: &[SelectItem]) -> Vec<Order> {
    if let Some(at) = names.iter().position(|name| *name == "count()") {
        return vec![Order { expr: items[at].expr.clone(), is_descending: true, nulls: Nulls::Unsaid }];
    }
    let by_time = names.contains(&"created_at") || matches!(names.first(), Some(&"person" | &"actor"));
    let has_groups = !grouped(items).is_empty();
    if by_time && !has_groups {
        return vec![
            Order { expr: field(&["created_at"]), is_descending: true, nulls: Nulls::Unsaid },
            Order { expr: field(&["id"]), is_descending: false, nulls: Nulls::Unsaid },
        ];
    }
    items
        .iter()
        .take(1)
        .map(|item| Order { expr: item.expr.clone(), is_descending: false, nulls: Nulls::Unsaid })
        .collect()
}

/// People whose address, name, id or distinct id holds a text, whatever the case of its letters.
fn found_by(search: &str) -> Expr {
    let holds = |of: Expr| {
        let place = Expr::call("positionCaseInsensitiveUTF8", vec![of, text(search)], Span::default());
        compare(CompareOp::Greater, place, made(ExprKind::Literal(Literal::Whole(0))))
    };
    let ids = Select {
        items: vec![SelectItem { expr: field(&["person_id"]), alias: None }],
        filter: Some(holds(field(&["distinct_id"]))),
        ..Select::default()
    };
    let ids = made(ExprKind::Query(Box::new(from_table(ids, "person_distinct_ids"))));
    made(ExprKind::Or(vec![
        holds(field(&["properties", "email"])),
        holds(field(&["properties", "name"])),
        compare(CompareOp::Equal, as_text(&["id"]), text(search.to_lowercase())),
        compare(CompareOp::In, field(&["id"]), ids),
    ]))
}

/// A column as text.
pub(super) fn as_text(steps: &[&str]) -> Expr {
    Expr::call("toString", vec![field(steps)], Span::default())
}
