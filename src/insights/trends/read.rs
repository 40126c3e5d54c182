//! What a trend asks, read.

use super::breakdown::Breakdown;
use super::measure::Measure;
use crate::insights::InsightError;
use crate::insights::ground::{Ground, SeriesNode, previous_range};
use crate::model::query::{DateRange, Interval, InvalidQuery, ResolvedRange};

/// Most series of one question, and most lines of the store's that it may ask for.
const MAX_SERIES: usize = 26;
const MAX_STATEMENTS: usize = 200;

/// A trend, as asked.
#[derive(Debug)]
pub struct Trend<'a> {
    pub series: Vec<(SeriesNode<'a>, Measure)>,
    pub breakdown: Option<Breakdown>,
    /// Whether the range is one number.
    pub is_aggregated: bool,
    /// Whether each bucket has all that came before it too.
    pub is_cumulative: bool,
    pub range: ResolvedRange,
    /// What the range is compared with.
    pub previous: Option<ResolvedRange>,
}

/// How an answer is shown: whether it is one number for the range, and whether numbers add up.
const DISPLAYS: &[(&str, (bool, bool))] = &[
    ("ActionsLineGraph", (false, false)),
    ("ActionsLineGraphCumulative", (false, true)),
    ("ActionsAreaGraph", (false, false)),
    ("ActionsBar", (false, false)),
    ("ActionsStackedBar", (false, false)),
    ("ActionsUnstackedBar", (false, false)),
    ("SlopeGraph", (false, false)),
    ("BoldNumber", (true, false)),
    ("ActionsBarValue", (true, false)),
    ("ActionsPie", (true, false)),
    ("ActionsTable", (true, false)),
    ("WorldMap", (true, false)),
];

impl<'a> Trend<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// If a field makes no sense or asks for what cannot be answered, or a store does not answer.
    pub async fn read(ground: &Ground<'a>) -> Result<Self, InsightError> {
        let query = &ground.query;
        let goal = query.get("conversionGoal")?;
        if !goal.is_missing() {
            return Err(goal.wrong("conversions cannot be counted over time here").into());
        }
        let interval = query.get("interval")?.word(Interval::WORDS)?.unwrap_or_default();
        let nodes = SeriesNode::read_all(&query.get("series")?, ground, MAX_SERIES)?;
        let series = nodes.into_iter().map(|node| Ok((Measure::read(&node, ground, interval)?, node)));
        let series: Result<Vec<_>, InvalidQuery> =
            series.map(|both| both.map(|(measure, node)| (node, measure))).collect();
        let series = series?;
        let display = query.get("trendsFilter")?.get("display")?;
        let (is_aggregated, is_cumulative) = display.word(DISPLAYS)?.unwrap_or_default();
        let is_map = display.text()? == Some("WorldMap");
        let breakdown = Breakdown::read(&query.get("breakdownFilter")?, ground, is_map)?;
        let dates = DateRange::read(&query.get("dateRange")?)?;
        let range = ground.resolve(&dates, interval).await?;
        let previous = previous_range(ground, &dates, &range)?;
        let parts = match &breakdown {
            Some(Breakdown::Cohorts(parts)) => parts.len(),
            _ => 1,
        };
        if series.len() * parts * (1 + usize::from(previous.is_some())) > MAX_STATEMENTS {
            return Err(InvalidQuery::new("series", "these are too many lines for one question").into());
        }
        Ok(Self { series, breakdown, is_aggregated, is_cumulative, range, previous })
    }
}
