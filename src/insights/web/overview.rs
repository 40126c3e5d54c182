//! `WebOverviewQuery`: visitors, views, sessions, their length, how many bounce; or who reaches a goal.

use serde_json::{Value, json};

use super::asked::{WebAsked, is_view, number};
use crate::insights::ground::{Answered, Ground};
use crate::insights::sql::{field, insight_error, made};
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::sql::ExprKind;
use crate::storage::ch::{WebNumbers, WebVisits, web_overview_sql};

/// Answers a `WebOverviewQuery`.
///
/// # Errors
/// If a field makes no sense, a store does not answer, or the question takes too much.
pub async fn run_web_overview(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let ground = Ground::of(context, json).await?;
    let asked = WebAsked::read(&ground).await?;
    let events = asked
        .rows(&ground)
        .column("is_view", is_view())
        .column("is_goal", asked.reaches_goal())
        .only(asked.counts())
        .only([made(ExprKind::IsNull { of: Box::new(field(&["$session_id"])), is_negated: true })])
        .sql(&ground)?;
    let sql = web_overview_sql(context.project.id, WebVisits { events: &events, stretches: asked.stretches });
    let (numbers, cost) = context.ch.web_overview(&sql).await.map_err(insight_error)?;
    let mut answered = Answered::default();
    answered.add(&sql, cost);
    let mut answer = answered.with(tiles(&asked, &numbers), &asked.range);
    asked.sign(&mut answer);
    Ok(answer)
}

fn tiles(asked: &WebAsked, numbers: &WebNumbers) -> Vec<Value> {
    let is_compared = asked.is_compared();
    let tile = |key: &str, kind: &str, (value, before): (Option<f64>, Option<f64>)| {
        let before = before.filter(|_| is_compared);
        json!({
            "key": key,
            "kind": kind,
            "isIncreaseBad": if key == "bounce rate" { json!(true) } else { Value::Null },
            "value": number(value),
            "previous": number(before),
            "changeFromPreviousPct": number(change(value, before)),
        })
    };
    let count = |value: u64, before: u64| (Some(value as f64), Some(before as f64));
    let visitors = tile("visitors", "unit", count(numbers.visitors, numbers.visitors_before));
    if asked.goal.is_some() {
        let rate = |converted: u64, visitors: u64| (visitors > 0).then(|| 100.0 * converted as f64 / visitors as f64);
        let rates =
            (rate(numbers.converted, numbers.visitors), rate(numbers.converted_before, numbers.visitors_before));
        return vec![
            visitors,
            tile("total conversions", "unit", count(numbers.conversions, numbers.conversions_before)),
            tile("unique conversions", "unit", count(numbers.converted, numbers.converted_before)),
            tile("conversion rate", "percentage", rates),
        ];
    }
    let percent = |part: Option<f64>| part.map(|part| part * 100.0);
    vec![
        visitors,
        tile("views", "unit", count(numbers.views, numbers.views_before)),
        tile("sessions", "unit", count(numbers.sessions, numbers.sessions_before)),
        tile("session duration", "duration_s", (numbers.duration, numbers.duration_before)),
        tile("bounce rate", "percentage", (percent(numbers.bounces), percent(numbers.bounces_before))),
    ]
}

/// By how many per cent a number is more than it was; nothing is more than nothing.
fn change(value: Option<f64>, before: Option<f64>) -> Option<f64> {
    let (value, before) = (value?, before.filter(|before| *before != 0.0)?);
    Some((100.0 * (value - before) / before).round_ties_even())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_whole_per_cent_and_not_at_all_from_nothing() {
        assert_eq!(change(Some(3.0), Some(2.0)), Some(50.0));
        assert_eq!(change(Some(0.0), Some(86_400.0)), Some(-100.0));
        assert_eq!(change(Some(1.0), Some(8.0)), Some(-88.0));
        assert_eq!(change(Some(1.0), Some(0.0)), None);
        assert_eq!(change(None, Some(1.0)), None);
    }
}
