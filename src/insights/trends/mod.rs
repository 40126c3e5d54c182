//! Running a trend.

#![cfg_attr(not(test), expect(dead_code, reason = "formulas and derived lines are not asked for yet"))]

mod derived;
mod formula;
mod formula_parser;
mod line;

use std::collections::HashMap;

use futures_util::future::try_join_all;

use super::answer::{Period, TrendResult, TrendsAnswer, ValueOf};
use super::error::InsightError;
use super::sql::statement;
use crate::model::query::{Math, ResolvedRange, TrendsQuery, WeekStart};
use crate::model::{Clock, Project};
use crate::storage::ch::{ClickHouse, Cost, TrendPoint, TrendQuestion, trend_sql};

/// Answers a trend about a project.
///
/// # Errors
/// If the range makes no sense, ClickHouse does not answer, or the question takes too much.
pub async fn run_trends(
    ch: &ClickHouse,
    clock: &Clock,
    project: &Project,
    query: &TrendsQuery,
) -> Result<TrendsAnswer, InsightError> {
    let now = clock.now();
    let dates = &query.date_range;
    let first_event = if dates.starts_with_first_event() { ch.find_first_event_time(project.id).await? } else { None };
    let range = dates.resolve(query.interval, &project.time_zone, now, WeekStart::Sunday, first_event)?;
    let previous = query.is_compared.then(|| dates.resolve_previous(&range, now)).transpose()?;

    let asked: Vec<_> = (0..query.series.len())
        .flat_map(|series| {
            let current = (series, Period::Current, &range);
            std::iter::once(current).chain(previous.as_ref().map(move |range| (series, Period::Previous, range)))
        })
        .collect();
    let answers = try_join_all(asked.iter().map(|(series, _, range)| {
        let question = question(query, *series, range);
        async move { ch.trend(project.id, question).await }
    }))
    .await?;

    let mut cost = Cost::default();
    let mut results = Vec::new();
    for (at, ((series, period, range), (points, part))) in asked.iter().zip(&answers).enumerate() {
        cost = if at == 0 { *part } else { cost.and(*part) };
        results.extend(shape(query, *series, *period, range, points));
    }
    let statements =
        asked.iter().map(|(series, _, range)| statement(&trend_sql(project.id, question(query, *series, range))));
    let statements = statements.collect();
    Ok(TrendsAnswer { results, statements, range, previous, cost, computed_at: now })
}

fn question<'a>(query: &'a TrendsQuery, series: usize, range: &'a ResolvedRange) -> TrendQuestion<'a> {
    TrendQuestion {
        series: &query.series[series],
        properties: &query.properties,
        traffic: query.traffic,
        counts_cookieless: query.counts_cookieless,
        breakdown: query.breakdown.as_ref(),
        range,
        is_aggregated: query.display.is_aggregated(),
    }
}

/// Lays the store's numbers over the buckets: a bucket without a row is a zero.
fn shape(
    query: &TrendsQuery,
    series: usize,
    period: Period,
    range: &ResolvedRange,
    points: &[TrendPoint],
) -> Vec<TrendResult> {
    let is_aggregated = query.display.is_aggregated();
    let places: HashMap<i64, usize> = range.buckets.iter().enumerate().map(|(at, b)| (b.key, at)).collect();
    let width = if is_aggregated { 0 } else { range.buckets.len() };
    let counts_people = query.series[series].math == Math::UniqueUsers;
    let empty = |value| TrendResult { series, value, period, data: vec![0; width], whole: 0 };
    let mut lines: Vec<TrendResult> = Vec::new();
    let mut lines_by_value: HashMap<(u8, &str), usize> = HashMap::new();
    if query.breakdown.is_none() {
        lines.push(empty(None));
        lines_by_value.insert((0, ""), 0);
    }
    for point in points {
        let key = (point.kind, point.breakdown_value.as_str());
        let at = *lines_by_value.entry(key).or_insert_with(|| {
            let value = match point.kind {
                0 => ValueOf::Text(point.breakdown_value.clone()),
                1 => ValueOf::None,
                _ => ValueOf::Other,
            };
            lines.push(empty(Some(value)));
            lines.len() - 1
        });
        let line = &mut lines[at];
        if point.is_whole {
            // Of events this row says nothing that the buckets do not.
            line.whole = if counts_people { point.value } else { line.whole };
        } else {
            if let Some(place) = places.get(&point.bucket).filter(|_| !is_aggregated) {
                line.data[*place] = point.value;
            }
            line.whole += if counts_people { 0 } else { point.value };
        }
    }
    lines.sort_by_cached_key(|line| {
        let last = match &line.value {
            None | Some(ValueOf::Text(_)) => 0,
            Some(ValueOf::None) => 1,
            Some(ValueOf::Other) => 2,
        };
        let total = if is_aggregated { line.whole } else { line.data.iter().sum() };
        (last, std::cmp::Reverse(total), line.value.as_ref().map(|v| v.label().to_owned()))
    });
    lines
}
