//! From a trend to its lines: one statement for each series, cohort and range.

use futures_util::future::try_join_all;

use super::breakdown::{Breakdown, ByValues};
use super::line::Line;
use super::read::Trend;
use super::together::{Shown, widest};
use crate::insights::ground::{Answered, CohortPart, EventRows, Extremes, Ground, extremes};
use crate::insights::sql::{date_filter, field, from_table, insight_error, joined, made};
use crate::insights::{InsightError, Period};
use crate::model::query::{Interval, InvalidQuery, ResolvedRange};
use crate::sql::{Expr, ExprKind, Literal, Select, SelectItem, Span};
use crate::storage::ch::hogql::ColumnName;
use crate::storage::ch::{
    Cost, Counted, Split, Sql, TrendCount, TrendPoint, TrendQuestion, trend_others_sql, trend_sql,
};

/// How many statements of one question run at once.
const AT_ONCE: usize = 4;

/// One statement's worth of a trend.
#[derive(Debug, Clone, Copy)]
pub struct Part<'t> {
    pub series: usize,
    pub cohort: Option<(usize, &'t CohortPart)>,
    pub range: &'t ResolvedRange,
    pub period: Period,
}

/// How a trend is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asks {
    /// Whether people are counted over the whole range too.
    pub with_whole: bool,
    /// Whether all series must show the same values, as formulas over them need.
    pub is_together: bool,
}

/// The answer to a part, and the statements that gave it.
type Answer = (Vec<TrendPoint>, Vec<(Sql, Cost)>);

/// The parts of a statement that a part of the trend becomes.
pub struct Prepared<'t> {
    pub events: Sql,
    pub count: TrendCount,
    pub counted: Counted,
    pub range: &'t ResolvedRange,
    pub fine: Option<ResolvedRange>,
    pub split: Option<Split>,
    pub is_once: bool,
}

impl Prepared<'_> {
    /// As the store takes it.
    #[must_use]
    pub fn question(&self, is_aggregated: bool, with_whole: bool) -> TrendQuestion<'_> {
        TrendQuestion {
            count: self.count,
            counted: self.counted,
            events: &self.events,
            range: self.range,
            fine: self.fine.as_ref(),
            is_aggregated,
            with_whole,
            is_once: self.is_once,
            split: self.split,
            shown: None,
        }
    }
}

impl<'a> Trend<'a> {
    /// All that must be asked, in the order of the answer.
    #[must_use]
    pub fn parts(&self) -> Vec<Part<'_>> {
        let cohorts: Vec<_> = match &self.breakdown {
            Some(Breakdown::Cohorts(parts)) => parts.iter().enumerate().map(Some).collect(),
            _ => vec![None],
        };
        let ranges = [(Some(&self.range), Period::Current), (self.previous.as_ref(), Period::Previous)];
        let mut found = Vec::new();
        for series in 0..self.series.len() {
            for (range, period) in ranges.into_iter().filter_map(|(range, period)| Some((range?, period))) {
                found.extend(cohorts.iter().map(|cohort| Part { series, cohort: *cohort, range, period }));
            }
        }
        found
    }

    /// By which values it is split, if it is.
    #[must_use]
    pub fn by_values(&self) -> Option<&ByValues> {
        match &self.breakdown {
            Some(Breakdown::Values(by)) => Some(by),
            _ => None,
        }
    }

    /// Asks all, and lays the numbers over the buckets.
    ///
    /// # Errors
    /// If a filter names what there is not, a store does not answer, or the question takes too much.
    pub async fn lines(&self, ground: &Ground<'_>, asks: Asks) -> Result<(Vec<Line>, Answered), InsightError> {
        let parts = self.parts();
        let is_together = asks.is_together && self.series.len() > 1;
        let mut answered = Answered::default();
        let extremes = self.all_extremes(ground, &parts, is_together, &mut answered).await?;
        let mut answers = self.ask_all(ground, &parts, &extremes, None, asks).await?;
        if is_together {
            let points = parts.iter().zip(&answers).map(|(part, (points, _))| (*part, points.as_slice()));
            let shown = self.shown_together(points);
            if !shown.is_empty() {
                answers.iter().flat_map(|(_, asked)| asked).for_each(|(sql, cost)| answered.add(sql, *cost));
                answers = self.ask_all(ground, &parts, &extremes, Some(&shown), asks).await?;
            }
        }
        let mut lines = Vec::new();
        for (part, (points, asked)) in parts.iter().zip(answers) {
            lines.extend(self.laid_out(*part, &points, asks.with_whole));
            asked.iter().for_each(|(sql, cost)| answered.add(sql, *cost));
        }
        Ok((lines, answered))
    }

    /// The extremes of each part; together, the widest of its period.
    async fn all_extremes(
        &self,
        ground: &Ground<'_>,
        parts: &[Part<'_>],
        is_together: bool,
        answered: &mut Answered,
    ) -> Result<Vec<Vec<Extremes>>, InsightError> {
        let mut own = Vec::new();
        for part in parts {
            own.push(self.extremes(ground, *part, answered).await?);
        }
        if !is_together {
            return Ok(own);
        }
        let of_period = |period: Period| -> Vec<&[Extremes]> {
            parts.iter().zip(&own).filter(|(part, _)| part.period == period).map(|(_, own)| own.as_slice()).collect()
        };
        Ok(parts.iter().map(|part| widest(&of_period(part.period))).collect())
    }

    async fn ask_all(
        &self,
        ground: &Ground<'_>,
        parts: &[Part<'_>],
        extremes: &[Vec<Extremes>],
        shown: Option<&Shown>,
        asks: Asks,
    ) -> Result<Vec<Answer>, InsightError> {
        let mut answers = Vec::new();
        for some in parts.iter().zip(extremes).collect::<Vec<_>>().chunks(AT_ONCE) {
            let asked = some.iter().map(|(part, extremes)| {
                let shown = shown.and_then(|shown| shown.get(&part.period)).map(Vec::as_slice);
                self.ask(ground, **part, extremes, shown, asks)
            });
            answers.extend(try_join_all(asked).await?);
        }
        Ok(answers)
    }

    async fn ask(
        &self,
        ground: &Ground<'_>,
        part: Part<'_>,
        extremes: &[Extremes],
        shown: Option<&[Vec<String>]>,
        asks: Asks,
    ) -> Result<Answer, InsightError> {
        let (ch, project) = (ground.context.ch, ground.context.project.id);
        let prepared = self.prepare(ground, part, extremes)?;
        let question = TrendQuestion { shown, ..prepared.question(self.is_aggregated, asks.with_whole) };
        let sql = trend_sql(project, question);
        let (mut points, cost) = ch.trend(&sql).await.map_err(insight_error)?;
        let mut asked = vec![(sql, cost)];
        if question.count.is_of_owners() && points.iter().any(|point| point.is_other) {
            points.retain(|point| !point.is_other);
            let mut shown: Vec<_> = points.iter().map(|point| point.names.clone()).collect();
            shown.sort_unstable();
            shown.dedup();
            let sql = trend_others_sql(project, question, &shown);
            let (others, cost) = ch.trend(&sql).await.map_err(insight_error)?;
            points.extend(others.into_iter().map(|point| TrendPoint { is_other: true, ..point }));
            asked.push((sql, cost));
        }
        Ok((points, asked))
    }

    /// Between which numbers each value lies that is laid into bins; none where there is no number, or there are no bins.
    pub(super) async fn extremes(
        &self,
        ground: &Ground<'_>,
        part: Part<'_>,
        answered: &mut Answered,
    ) -> Result<Vec<Extremes>, InsightError> {
        let (node, _) = &self.series[part.series];
        let rows = EventRows::of(ground).only(node.condition.clone()).within(part.range.from, part.range.to);
        let rows = rows.only(self.by_values().into_iter().flat_map(ByValues::conditions));
        let columns = self.by_values().into_iter().flat_map(|by| &by.columns);
        let values: Vec<_> = columns.map(|column| &column.value).collect();
        extremes(ground, &values, &rows, answered).await
    }

    /// The inner statement of a part, and what the store is told of it.
    pub(super) fn prepare<'t>(
        &self,
        ground: &Ground<'_>,
        part: Part<'t>,
        extremes: &[Extremes],
    ) -> Result<Prepared<'t>, InsightError> {
        let (node, measure) = &self.series[part.series];
        let range = part.range;
        let by = self.by_values();
        let columns: Vec<Expr> = match by {
            Some(by) => by.columns.iter().zip(extremes).map(|(column, extremes)| column.text(*extremes)).collect(),
            None => Vec::new(),
        };
        let cohort = part.cohort.and_then(|(_, cohort)| cohort.condition.clone());
        let cohorts: Vec<Expr> = cohort.into_iter().chain(by.into_iter().flat_map(ByValues::conditions)).collect();
        let mut fine = None;
        let events = if measure.count == TrendCount::Given {
            let own = node.condition.clone().into_iter().chain(cohorts);
            given(ground, own, measure.value.clone(), columns, range, self.is_aggregated)?
        } else {
            let mut rows = measure.rows(node, ground).only(cohorts);
            for (at, column) in columns.into_iter().enumerate() {
                rows = rows.column(("b", at), column);
            }
            let is_counted =
                measure.count == TrendCount::Rows && range.is_of_quarter_hours() && rows.are_of_names_alone();
            let time = if is_counted { "stored_quarter_hour" } else { "timestamp" };
            let needs_time = !self.is_aggregated || measure.count == TrendCount::First;
            if needs_time {
                rows = rows.column("at", field(&[time]));
            }
            let (from, to) = match measure.count {
                TrendCount::First => (None, range.to),
                TrendCount::Active(_) if self.is_aggregated => {
                    (Some(range.before_end(measure.days, Interval::Day)?), range.to)
                }
                TrendCount::Active(window) => {
                    let finer = range.with_window(window, ground.context.clock.now())?;
                    let bounds = (Some(finer.from), finer.to);
                    fine = Some(finer);
                    bounds
                }
                _ => (Some(range.from), range.to),
            };
            rows.only(date_filter(&[time], from, Some(to))).sql(ground)?
        };
        let split = by.map(|by| Split { columns: by.columns.len(), limit: by.limit, hides_others: by.hides_others });
        let is_once = self.is_cumulative && measure.counts_actors();
        Ok(Prepared { events, count: measure.count, counted: measure.counted(), range, fine, split, is_once })
    }
}

/// Rows that are put together by an expression of the sender's: `at`, `b0` …, `value`.
fn given(
    ground: &Ground<'_>,
    own: impl Iterator<Item = Expr>,
    value: Option<Expr>,
    columns: Vec<Expr>,
    range: &ResolvedRange,
    is_aggregated: bool,
) -> Result<Sql, InvalidQuery> {
    let mut names: Vec<ColumnName> = Vec::new();
    let mut exprs = Vec::new();
    if !is_aggregated {
        let unit = match range.interval {
            Interval::Minute => "toStartOfMinute",
            Interval::Hour => "toStartOfHour",
            Interval::Day => "toStartOfDay",
            Interval::Week => "toStartOfWeek",
            Interval::Month => "toStartOfMonth",
        };
        let start = Expr::call(unit, vec![field(&["timestamp"])], Span::default());
        names.push("at".into());
        // Of weeks and months it is a day.
        exprs.push(match range.interval {
            Interval::Week | Interval::Month => Expr::call("toDateTime", vec![start], Span::default()),
            Interval::Minute | Interval::Hour | Interval::Day => start,
        });
    }
    for (at, column) in columns.into_iter().enumerate() {
        names.push(("b", at).into());
        exprs.push(column);
    }
    let group_by = (1..=exprs.len() as u64).map(|place| made(ExprKind::Literal(Literal::Whole(place)))).collect();
    names.push("value".into());
    exprs.extend(value);
    let filter = date_filter(&["timestamp"], Some(range.from), Some(range.to));
    let filter = joined(ground.conditions.iter().cloned().chain(own).chain(filter).collect(), false);
    let items = exprs.into_iter().map(|expr| SelectItem { expr, alias: None }).collect();
    let select = Select { items, filter, group_by, ..Select::default() };
    ground.compile(&from_table(select, "events"), &names)
}
