//! Whether what somebody wrote makes an action or a cohort, and whom a cohort holds.

use serde_json::{Value, json};

use crate::insights::query::people_behind;
use crate::insights::sql::{Asked, FilterTarget, PropertyTypes, Question, actor_conditions, from_table, joined};
use crate::insights::sql::{field, prepare};
use crate::insights::{InsightError, QueryContext};
use crate::model::query::Reader;
use crate::model::{ActionId, CohortId};
use crate::sql::{Expr, Select, SelectItem, parse_expr};
use crate::storage::ch::Sql;
use crate::storage::ch::hogql::ActorsBehind;

use super::{Definition, MAX_WITHIN, filters_condition, in_cohort, steps_condition};

/// Whether steps make an action, for one that is made or changed.
///
/// # Errors
/// If they do not, the error names the field; or if Postgres does not answer.
pub async fn check_action(context: QueryContext<'_>, id: Option<ActionId>, steps: &Value) -> Result<(), InsightError> {
    let types = PropertyTypes::of(context, steps).await?;
    let types = id.and_then(|id| types.inside(Definition::Action(id), MAX_WITHIN)).unwrap_or(types);
    let body = json!({ "steps": steps });
    steps_condition(&Reader::new(&body).get("steps")?, &types)?;
    Ok(())
}

/// How many people filters fit now, for a cohort that is made or changed, or only thought of.
///
/// # Errors
/// If they make no sense, the error names the field; or if a store does not answer.
pub async fn check_cohort(
    context: QueryContext<'_>,
    id: Option<CohortId>,
    filters: &Value,
) -> Result<u64, InsightError> {
    let types = PropertyTypes::of(context, filters).await?;
    let inside = id.and_then(|id| types.inside(Definition::Cohort(id), MAX_WITHIN)).unwrap_or_else(|| types.clone());
    let body = json!({ "filters": filters });
    let condition = filters_condition(&Reader::new(&body).get("filters")?, &inside)?;
    count(context, &types, condition).await
}

/// How many people are in a cohort now.
///
/// # Errors
/// If there is no such cohort, what it names is gone, or a store does not answer.
pub async fn count_people(context: QueryContext<'_>, id: CohortId) -> Result<u64, InsightError> {
    let filter = json!({ "type": "cohort", "key": "id", "value": id.get() });
    let types = PropertyTypes::of(context, &filter).await?;
    let condition = in_cohort(&Reader::new(&filter), FilterTarget::Persons, &types)?;
    count(context, &types, condition).await
}

async fn count(context: QueryContext<'_>, types: &PropertyTypes, condition: Expr) -> Result<u64, InsightError> {
    let counted = parse_expr("count()").expect("it is one");
    let items = vec![SelectItem { expr: counted, alias: None }];
    let query = from_table(Select { items, filter: Some(condition), ..Select::default() }, "persons");
    let asked = Asked::ask(context, types, &Question::made(&query, "filters")).await?;
    Ok(asked.rows.rows.first().and_then(|row| row.first()?.as_u64()).unwrap_or(0))
}

/// The people whom a question lists, as a statement with one column, their numbers: an `ActorsQuery`, or what may stand in
/// one as its `source`.
///
/// # Errors
/// If it is no such question, or a field makes no sense.
pub async fn people_of(context: QueryContext<'_>, question: &Value) -> Result<Sql, InsightError> {
    let body = json!({ "query": question });
    let reader = Reader::new(&body).get("query")?;
    if reader.get("kind")?.text()? != Some("ActorsQuery") {
        return Ok(numbers(&people_behind(context, &reader).await?));
    }
    let source = reader.get("source")?;
    let behind = if source.is_missing() { None } else { Some(people_behind(context, &source).await?) };
    let types = PropertyTypes::of(context, question).await?;
    let filter = joined(actor_conditions(&reader, &types)?, false);
    let items = vec![SelectItem { expr: field(&["number"]), alias: None }];
    let query = from_table(Select { items, filter, ..Select::default() }, "persons");
    let compiled = prepare(context, &types, &Question { behind, ..Question::made(&query, "query") }, None)?;
    Ok(compiled.named(&["person".into()]))
}

/// Their numbers alone.
fn numbers(people: &ActorsBehind) -> Sql {
    if people.said.is_none() {
        return people.actors.clone();
    }
    let mut sql = Sql::new("SELECT whole FROM (");
    sql.append(&people.actors).push(")");
    sql
}
