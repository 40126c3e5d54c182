//! Asking for retention, and the answer's shape.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::read::{Retention, Summed};
use crate::insights::ground::{Answered, Ground};
use crate::insights::sql::insight_error;
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::Reader;
use crate::storage::ch::hogql::{ActorsBehind, Said};
use crate::storage::ch::{RetentionPoint, retention_others, retention_people_sql, retention_sql};

/// What the query API calls all values beyond the limit.
const OTHER_VALUE: &str = "$$_posthog_breakdown_other_$$";

/// Answers a `RetentionQuery`.
///
/// # Errors
/// If a field makes no sense, a store does not answer, or the question takes too much.
pub async fn run_retention(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let ground = Ground::of(context, json).await?;
    let mut answered = Answered::default();
    let retention = Retention::read(&ground, &mut answered).await?;
    let mut points = Vec::new();
    for (name, events) in &retention.parts {
        let sql = retention_sql(context.project.id, retention.question(events));
        let (mut found, cost) = context.ch.retention(&sql).await.map_err(insight_error)?;
        answered.add(&sql, cost);
        if let Some(name) = name {
            found.iter_mut().for_each(|point| point.value.clone_from(name));
        }
        points.append(&mut found);
    }
    let shown: Vec<String> = shown_values(&retention, &points).into_iter().map(str::to_owned).collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    if let [(None, events)] = retention.parts.as_slice()
        && retention.question(events).is_by_value()
        && !retention.hides_others
        && !shown.is_empty()
        && points.iter().any(|point| !shown.contains(&point.value.as_str()))
    {
        // Who has several of the other values is counted once.
        let events = retention_others(events, &shown);
        let sql = retention_sql(context.project.id, retention.question(&events));
        let (others, cost) = context.ch.retention(&sql).await.map_err(insight_error)?;
        answered.add(&sql, cost);
        points.retain(|point| shown.contains(&point.value.as_str()));
        points.extend(others.into_iter().map(|point| RetentionPoint { value: OTHER_VALUE.to_owned(), ..point }));
    }
    Ok(answered.with(rows(&retention, shown, &points), &retention.range))
}

/// A row for each value of the breakdown and interval.
fn rows(retention: &Retention, shown: Vec<&str>, points: &[RetentionPoint]) -> Vec<Value> {
    let mut cells: HashMap<(&str, i64, i64), (u64, f64)> = HashMap::new();
    for point in points {
        let value = if shown.contains(&point.value.as_str()) { &point.value } else { OTHER_VALUE };
        let cell = cells.entry((value, point.start, point.column)).or_default();
        *cell = (cell.0 + point.count, cell.1 + point.amount);
    }
    let has_other = !retention.hides_others && cells.keys().any(|(value, ..)| *value == OTHER_VALUE);
    let zone = retention.range.zone.rules();
    let mut rows = Vec::new();
    for value in shown.into_iter().chain(has_other.then_some(OTHER_VALUE)) {
        for (bucket, start) in retention.range.buckets.iter().zip(0_i64..) {
            let cell = |(label, column): (&String, i64)| {
                let (count, sum) = cells.get(&(value, start, column)).copied().unwrap_or_default();
                let mut cell = json!({ "label": label, "count": count });
                match retention.summed {
                    None => {}
                    Some(Summed::Whole) => cell["aggregation_value"] = sum.into(),
                    Some(Summed::Average) => cell["aggregation_value"] = average(sum, count).into(),
                }
                cell
            };
            rows.push(json!({
                "date": bucket.start.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
                "label": format!("{} {start}", retention.unit),
                "values": retention.columns.iter().zip(0_i64..).map(cell).collect::<Vec<_>>(),
                "breakdown_value": retention.shown.map(|_| value),
            }));
        }
    }
    rows
}

fn average(sum: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

/// The values of the breakdown that are shown, those that most began with first; one that says nothing if there is none.
fn shown_values<'p>(retention: &Retention, points: &'p [RetentionPoint]) -> Vec<&'p str> {
    let Some(limit) = retention.shown else { return vec![""] };
    let mut totals: HashMap<&str, u64> = HashMap::new();
    for point in points.iter().filter(|point| point.column == 0) {
        *totals.entry(&point.value).or_default() += point.count;
    }
    let mut ranked: Vec<_> = totals.into_iter().collect();
    ranked.sort_by_key(|(value, total)| (std::cmp::Reverse(*total), *value));
    ranked.truncate(limit as usize);
    ranked.into_iter().map(|(value, _)| value).collect()
}

/// The people or groups who began in an interval, and the columns they were there in: `interval` and `breakdown` of an
/// `InsightActorsQuery`.
///
/// # Errors
/// If a field makes no sense, or there is no such interval.
pub async fn retention_people(
    context: QueryContext<'_>,
    selection: &Reader<'_>,
    insight: &Reader<'_>,
) -> Result<ActorsBehind, InsightError> {
    let ground = Ground::of(context, insight.value().unwrap_or(&Value::Null)).await?;
    let retention = Retention::read(&ground, &mut Answered::default()).await?;
    let place = selection.get("interval")?;
    let last = u32::try_from(retention.range.buckets.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let start = place.count(0, last)?.ok_or_else(|| place.wrong("the interval they began in is needed"))?;
    let place = selection.get("breakdown")?;
    let value = match place.value() {
        Some(Value::Array(_)) => match place.items()?.as_slice() {
            [one] => Some(value(one)?),
            _ => return Err(place.wrong("one value is needed here").into()),
        },
        None => None,
        Some(_) => Some(value(&place)?),
    };
    if value.as_deref() == Some(OTHER_VALUE) {
        return Err(place.wrong("the people of all other values cannot be listed").into());
    }
    let (events, value) = match retention.parts.as_slice() {
        [(None, events)] => (events, value),
        cohorts => {
            let found = cohorts.iter().find(|(name, _)| *name == value);
            (&found.ok_or_else(|| place.wrong("one of the cohorts is needed here"))?.1, None)
        }
    };
    let actors = retention_people_sql(context.project.id, retention.question(events), start, value.as_deref());
    let said = Some(Said { name: "appearances", is_list: true });
    Ok(ActorsBehind { actors, said, group_index: retention.actor.group_index() })
}

/// A value of a breakdown as text.
fn value(place: &Reader<'_>) -> Result<String, crate::model::query::InvalidQuery> {
    match place.value() {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(place.wrong("a value of the breakdown is needed here")),
    }
}
