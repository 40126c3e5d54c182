//! `WebGoalsQuery`: of each action of the project, how many visitors did it, and how often.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::asked::{WebAsked, is_view, number};
use crate::insights::ground::{Answered, Ground, SeriesNode};
use crate::insights::sql::{field, insight_error, joined, made};
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{Expr, ExprKind, Literal};
use crate::storage::ch::{WebGoals, web_goals_sql};

const DEFAULT_GOALS: u32 = 25;
const MAX_GOALS: u32 = 100;
const COLUMNS: [&str; 4] = ["action_name", "converting_users", "total_conversions", "conversion_rate"];
/// Where the number stands that a word of `orderBy` names.
const ORDER: [(&str, usize); 3] = [("ConvertingUsers", 1), ("TotalConversions", 2), ("ConversionRate", 3)];

/// Answers a `WebGoalsQuery`: a row for each action, those that were changed last first.
///
/// # Errors
/// If a field makes no sense, a store does not answer, or the question takes too much.
pub async fn run_web_goals(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let query = Reader::new(json);
    let limit = query.get("limit")?.count(1, MAX_GOALS)?.unwrap_or(DEFAULT_GOALS) as usize;
    let order = order(&query.get("orderBy")?)?;
    let (_, mut actions) =
        context.pg.list_actions(context.project.id, "", crate::insights::definitions::MAX_DEFINITIONS, 0).await?;
    actions.sort_by_key(|action| (Reverse(action.updated_at), Reverse(action.id)));
    let has_more = actions.len() > limit;
    actions.truncate(limit);
    // Beside the question, so that the definitions are read that it needs.
    let goals: Vec<Value> =
        actions.iter().map(|action| json!({ "kind": "ActionsNode", "id": action.id.get() })).collect();
    let mut with_goals = json.clone();
    with_goals["goals"] = goals.into();

    let ground = Ground::of(context, &with_goals).await?;
    let asked = WebAsked::read(&ground).await?;
    if asked.goal.is_some() {
        return Err(query.get("conversionGoal")?.wrong("actions are the goals here; there is no other").into());
    }
    let mut answered = Answered::default();
    let mut rows = Vec::new();
    if !actions.is_empty() {
        let nodes = SeriesNode::read_all(&ground.query.get("goals")?, &ground, limit)?;
        let any = || made(ExprKind::Literal(Literal::Flag(true)));
        let reached: Vec<Expr> = nodes.into_iter().map(|node| node.condition.unwrap_or_else(any)).collect();
        let mut events = asked.rows(&ground);
        for (at, goal) in reached.iter().enumerate() {
            events = events.column(("goal", at), goal.clone());
        }
        let is_in_session = made(ExprKind::IsNull { of: Box::new(field(&["$session_id"])), is_negated: true });
        let counts = joined([vec![is_view()], reached].concat(), true);
        let events = events.only(counts).only([is_in_session]).sql(&ground)?;
        let sql = web_goals_sql(context.project.id, &events, actions.len(), asked.stretches);
        let (counted, cost) = context.ch.web_goals(&sql).await.map_err(insight_error)?;
        answered.add(&sql, cost);
        let names = actions.iter().map(|action| action.name.as_str());
        rows = names.enumerate().map(|(at, name)| row(name, at, &counted, asked.is_compared())).collect();
    }
    if let Some((column, is_descending)) = order {
        rows.sort_by(|a, b| {
            let value = |row: &Value| row[column][0].as_f64().unwrap_or(f64::MIN);
            let (a, b) = if is_descending { (value(b), value(a)) } else { (value(a), value(b)) };
            a.total_cmp(&b)
        });
    }
    let mut answer = answered.with(rows, &asked.range);
    asked.sign(&mut answer);
    answer.insert("columns".to_owned(), COLUMNS.map(|name| format!("context.columns.{name}")).to_vec().into());
    answer.insert("hasMore".to_owned(), has_more.into());
    answer.insert("limit".to_owned(), limit.into());
    Ok(answer)
}

/// Which cell rows are sorted by, and whether the largest is first; none if they stay as they are.
fn order(place: &Reader<'_>) -> Result<Option<(usize, bool)>, InvalidQuery> {
    match place.items()?.as_slice() {
        [] => Ok(None),
        [word, way] => {
            let is_descending = way.word(&[("ASC", false), ("DESC", true)])?.unwrap_or(true);
            Ok(word.word(&ORDER)?.map(|column| (column, is_descending)))
        }
        _ => Err(place.wrong("the name of a number and ASC or DESC are needed")),
    }
}

fn row(name: &str, at: usize, counted: &WebGoals, is_compared: bool) -> Value {
    let rate = |converted: u64, visitors: u64| (visitors > 0).then(|| converted as f64 / visitors as f64);
    let pair = |now: Option<f64>, before: Option<f64>| json!([number(now), number(before.filter(|_| is_compared))]);
    let count = |now: u64, before: u64| pair(Some(now as f64), Some(before as f64));
    let (converted, converted_before) = (counted.converted[at], counted.converted_before[at]);
    json!([
        name,
        count(converted, converted_before),
        count(counted.conversions[at], counted.conversions_before[at]),
        pair(rate(converted, counted.visitors), rate(converted_before, counted.visitors_before)),
    ])
}
