//! `ActorsQuery`: a list of people, or of the groups behind a number, a column for each value asked for.

use serde_json::{Value, json};
use uuid::Uuid;

use super::ask::{Asked, PropertyTypes, Question};
use super::events::{display_name, from_table, grouped, item, orders, page, properties, texts, tuple};
use super::filters::{FilterTarget, compare, field, filters_to_expr, joined, made, text};
use crate::insights::query::actors_behind;
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Nulls, Order, Select, SelectItem, Span};

const MAX_COLUMNS: usize = 100;

/// Whom a list is of: people, or groups of a type.
#[derive(Debug, Clone, Copy)]
enum Listed {
    People,
    Groups(usize),
}

impl Listed {
    fn table(self) -> &'static str {
        match self {
            Self::People => "persons",
            Self::Groups(_) => "groups",
        }
    }

    /// What is shown if nothing is asked for.
    fn default_columns(self) -> &'static [&'static str] {
        match self {
            Self::People => &["person", "id", "created_at", "person.$delete"],
            Self::Groups(_) => &["group"],
        }
    }

    /// Whether a column is one of them whole.
    fn is_whole(self, column: &str) -> bool {
        match self {
            Self::People => matches!(column, "person" | "actor"),
            Self::Groups(_) => matches!(column, "group" | "actor" | "person"),
        }
    }

    /// What stands in one that is asked for whole.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::People => &["id", "properties", "created_at", "is_identified"],
            Self::Groups(_) => &["key", "properties", "created_at"],
        }
    }

    fn whole(self, parts: Vec<Value>) -> Value {
        match self {
            Self::People => person(parts),
            Self::Groups(index) => group(index, parts),
        }
    }

    /// What tells one from another.
    fn id(self) -> &'static str {
        self.fields()[0]
    }

    fn display_name(self) -> Expr {
        display_name(&["properties"], as_text(&[self.id()]))
    }
}

/// Answers an `ActorsQuery` over all people, or over those or the groups behind a point of another query's answer.
///
/// # Errors
/// If a field makes no sense; the error names it.
pub async fn run_actors(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let reader = Reader::new(json);
    let source = reader.get("source")?;
    let behind = if source.is_missing() { None } else { Some(actors_behind(context, &source).await?) };
    let listed = behind.as_ref().and_then(|behind| behind.group_index).map_or(Listed::People, Listed::Groups);
    let types = PropertyTypes::of(context, json).await?;
    let place = reader.get("select")?;
    let names = match texts(&place)? {
        names if names.is_empty() => listed.default_columns().to_vec(),
        names => names,
    };
    if names.len() > MAX_COLUMNS {
        return Err(place.wrong(format!("1 to {MAX_COLUMNS} columns are needed")).into());
    }
    let plain = |name: &str| name.split("--").next().unwrap_or_default().trim().to_owned();
    let mut items = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let (expr, alias) = match plain(name).as_str() {
            whole if listed.is_whole(whole) => {
                (tuple(listed.fields().iter().map(|name| field(&[name])).collect()), None)
            }
            "person.$delete" => (made(ExprKind::Literal(Literal::Null)), None),
            "person_display_name" => (tuple(vec![listed.display_name(), field(&[listed.id()])]), None),
            _ => item(name, &format!("select[{at}]"))?,
        };
        items.push(SelectItem { expr, alias });
    }
    let parts = match listed {
        Listed::People => actor_conditions(&reader, &types)?,
        Listed::Groups(_) => group_conditions(&reader, &types)?,
    };
    let order_by = match reader.get("orderBy")? {
        place if !place.is_missing() => orders(&texts(&place)?, &field(&[listed.id()]), &listed.display_name())?,
        _ => default_order(&names, &items, listed),
    };
    let select = Select {
        filter: joined(parts, false),
        group_by: grouped(&items),
        order_by,
        limit: Some(page(&reader)?),
        items,
        ..Select::default()
    };
    let query = from_table(select, listed.table());
    let question = Question { behind, ..Question::made(&query, "select") };
    let mut asked = Asked::ask(context, &types, &question).await?;
    let mut actors = Vec::new();
    for row in &mut asked.rows.rows {
        for (cell, _) in row.iter_mut().zip(&names).filter(|(_, name)| listed.is_whole(&plain(name))) {
            if let Value::Array(parts) = cell {
                *cell = listed.whole(std::mem::take(parts));
                actors.push(cell);
            }
        }
    }
    let untold = match listed {
        Listed::People => {
            add_distinct_ids(context, actors).await?;
            0
        }
        Listed::Groups(_) => actors.iter().filter(|group| group["created_at"].is_null()).count(),
    };
    for (at, _) in names.iter().enumerate().filter(|(_, name)| plain(name) == "person_display_name") {
        for row in &mut asked.rows.rows {
            if let Some(Value::Array(parts)) = row.get(at) {
                row[at] = json!({ "display_name": parts[0], "id": parts[1] });
            }
        }
    }
    asked.compiled.columns = names.iter().map(|name| (*name).to_owned()).collect();
    let mut answer = asked.into_answer();
    answer.insert("missing_actors_count".to_owned(), untold.into());
    Ok(answer)
}

/// Which groups an `ActorsQuery` asks for: all of these hold.
fn group_conditions(reader: &Reader<'_>, types: &PropertyTypes) -> Result<Vec<Expr>, InvalidQuery> {
    let mut parts: Vec<Expr> = Vec::new();
    for name in ["properties", "fixedProperties"] {
        parts.extend(filters_to_expr(&reader.get(name)?, FilterTarget::Groups, types)?);
    }
    let search = reader.get("search")?;
    let search = search.text()?.map(str::trim).filter(|text| !text.is_empty());
    let found = |search| {
        made(ExprKind::Or(vec![holds(field(&["properties", "name"]), search), holds(field(&["key"]), search)]))
    };
    parts.extend(search.map(found));
    Ok(parts)
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

/// As the peers write a group, twice over: by the words of their store and by those of actors.
fn group(index: usize, parts: Vec<Value>) -> Value {
    let [key, all, created_at] = parts.try_into().unwrap_or_default();
    let all = properties(all);
    json!({
        "id": key,
        "type": "group",
        "group_key": key,
        "group_type_index": index,
        "created_at": created_at,
        "properties": all,
        "group_properties": all,
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
fn default_order(names: &[&str], items: &[SelectItem], listed: Listed) -> Vec<Order> {
    if let Some(at) = names.iter().position(|name| *name == "count()") {
        return vec![Order { expr: items[at].expr.clone(), is_descending: true, nulls: Nulls::Unsaid }];
    }
    // Groups stand by their keys, as the peers have them.
    let is_by_key = matches!(listed, Listed::Groups(_)) && names.first().is_some_and(|first| listed.is_whole(first));
    let by_time = names.contains(&"created_at") || !is_by_key && matches!(names.first(), Some(&"person" | &"actor"));
    let has_groups = !grouped(items).is_empty();
    if by_time && !has_groups {
        return vec![
            Order { expr: field(&["created_at"]), is_descending: true, nulls: Nulls::Unsaid },
            Order { expr: field(&[listed.id()]), is_descending: false, nulls: Nulls::Unsaid },
        ];
    }
    items
        .iter()
        .take(1)
        .map(|item| Order { expr: item.expr.clone(), is_descending: false, nulls: Nulls::Unsaid })
        .collect()
}

/// Whether a value holds a text, whatever the case of its letters.
fn holds(of: Expr, search: &str) -> Expr {
    let place = Expr::call("positionCaseInsensitiveUTF8", vec![of, text(search)], Span::default());
    compare(CompareOp::Greater, place, made(ExprKind::Literal(Literal::Whole(0))))
}

/// People whose address, name, id or distinct id holds a text, whatever the case of its letters.
fn found_by(search: &str) -> Expr {
    let holds = |of: Expr| holds(of, search);
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
