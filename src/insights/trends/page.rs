//! The same engine for pages: a query value in, numbers of events and people out.

use super::ask::Asks;
use super::breakdown::OTHER;
use super::line::Line;
use super::read::Trend;
use crate::insights::ground::Ground;
use crate::insights::{InsightError, QueryContext, TrendResult, TrendsAnswer, ValueOf};
use crate::model::query::TrendsQuery;
use crate::storage::ch::MISSING;

/// Answers a trend about a project.
///
/// # Errors
/// If the range makes no sense, a store does not answer, or the question takes too much.
pub async fn run_trends(context: QueryContext<'_>, query: &TrendsQuery) -> Result<TrendsAnswer, InsightError> {
    let json = query.to_json();
    let ground = Ground::of(context, &json).await?;
    let trend = Trend::read(&ground).await?;
    let (lines, answered) = trend.lines(&ground, Asks { with_whole: true, is_together: false }).await?;
    let (statements, cost) = answered.into_parts();
    Ok(TrendsAnswer {
        results: lines.into_iter().map(result).collect(),
        statements,
        cost,
        computed_at: context.clock.now(),
        range: trend.range,
        previous: trend.previous,
    })
}

/// A page asks for counts alone, which are whole numbers.
fn result(line: Line) -> TrendResult {
    let value = line.breakdown.first().map(|value| match value.as_str().unwrap_or_default() {
        OTHER => ValueOf::Other,
        MISSING => ValueOf::None,
        text => ValueOf::Text(text.to_owned()),
    });
    let data = line.data.iter().map(|value| *value as u64).collect();
    TrendResult { series: line.series, value, period: line.period, data, whole: line.whole as u64 }
}
