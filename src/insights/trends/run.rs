//! Answering the query API.

use serde_json::Value;

use super::ask::Asks;
use super::breakdown::OTHER;
use super::derived::{Derived, cumulative, smoothed};
use super::formula::{Formula, apply_formulas};
use super::read::Trend;
use crate::insights::ground::Ground;
use crate::insights::{InsightError, QueryAnswer, QueryContext};

/// Answers a `TrendsQuery`.
///
/// # Errors
/// If a field makes no sense, a store does not answer, or the question takes too much.
pub async fn run_trends_query(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let ground = Ground::of(context, json).await?;
    let trend = Trend::read(&ground).await?;
    let filter = ground.query.get("trendsFilter")?;
    let derived = Derived::read(&filter, trend.range.interval)?;
    if derived.smoothing > 1 && ground.weekdays.is_some() {
        let place = filter.get("smoothingIntervals")?;
        return Err(place.wrong("days that are left out cannot be smoothed over: take one or the other").into());
    }
    let formulas = Formula::read_all(&filter, trend.series.len())?;
    let (mut lines, answered) =
        trend.lines(&ground, Asks { with_whole: false, is_together: !formulas.is_empty() }).await?;
    let has_more = lines.iter().any(|line| line.breakdown.iter().any(|value| value == OTHER));
    for line in &mut lines {
        if trend.is_cumulative {
            line.data = cumulative(&line.data);
        }
        line.data = smoothed(&line.data, derived.smoothing);
    }
    let is_formula = !formulas.is_empty();
    if is_formula {
        lines = apply_formulas(&formulas, &lines);
    }
    let results = lines.iter().map(|line| trend.json(line, &derived, ground.weekdays, is_formula)).collect();
    let mut answer = answered.with(results, &trend.range);
    answer.insert("hasMore".to_owned(), has_more.into());
    Ok(answer)
}
