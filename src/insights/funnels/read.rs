//! A funnel as it was asked for.

use super::attribution::Attribution;
use super::breakdown::FunnelBreakdown;
use super::entries::Span;
use super::rules::{MAX_STEPS, Rules, StepOrder};
use crate::insights::InsightError;
use crate::insights::ground::{Actor, Answered, EventRows, Ground, SeriesNode};
use crate::insights::sql::{compare, joined, text};
use crate::model::query::{Interval, InvalidQuery, Reader, ResolvedRange};
use crate::sql::{CompareOp, Expr, Span as TextSpan, parse_expr};
use crate::storage::ch::Counted;

/// What a day's worth of microseconds is, and the longest window that is told from another.
const DAY: i64 = 86_400_000_000;
const LONGEST_WINDOW: i64 = 200 * 366 * DAY;
/// Without a word about it, somebody has two weeks.
const DEFAULT_WINDOW: i64 = 14;
const MAX_BINS: u32 = 90;

/// What is shown of a funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FunnelView {
    #[default]
    Steps,
    TimeToConvert,
    Trends,
}

/// Who goes through a funnel.
#[derive(Debug, Clone)]
pub enum FunnelActor {
    Known(Actor),
    /// Whatever has a value: a session, an order.
    Value(Box<Expr>),
}

/// One step.
#[derive(Debug, Clone)]
pub struct FunnelStep<'a> {
    pub node: SeriesNode<'a>,
    /// Which event must be a person's first for the step to count; an outer none if any event counts, an inner one if it must be
    /// the first of all.
    pub first_of: Option<Option<Expr>>,
}

/// An event that must not happen between two steps.
#[derive(Debug, Clone)]
pub struct Exclusion {
    pub condition: Option<Expr>,
    pub from_step: usize,
    pub to_step: usize,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Funnel<'a> {
    pub steps: Vec<FunnelStep<'a>>,
    pub exclusions: Vec<Exclusion>,
    pub rules: Rules,
    pub view: FunnelView,
    pub actor: FunnelActor,
    pub breakdown: Option<FunnelBreakdown>,
    pub span: Span,
    /// How many bars a histogram has, if that was said.
    pub bins: Option<u32>,
    pub range: ResolvedRange,
}

impl<'a> Funnel<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// If a field makes no sense, or ClickHouse does not answer when the first event or the ends of bins are asked for.
    pub async fn read(ground: &Ground<'a>, answered: &mut Answered) -> Result<Self, InsightError> {
        let query = &ground.query;
        let filter = query.get("funnelsFilter")?;
        let views = [
            ("steps", FunnelView::Steps),
            ("time_to_convert", FunnelView::TimeToConvert),
            ("trends", FunnelView::Trends),
            ("flow", FunnelView::Steps),
        ];
        let view = filter.get("funnelVizType")?.word(&views)?.unwrap_or_default();
        let orders =
            [("ordered", StepOrder::Ordered), ("strict", StepOrder::Strict), ("unordered", StepOrder::Unordered)];
        let order = filter.get("funnelOrderType")?.word(&orders)?.unwrap_or_default();
        let place = query.get("series")?;
        let nodes = SeriesNode::read_all(&place, ground, MAX_STEPS)?;
        if nodes.len() < 2 {
            return Err(place.wrong("a funnel has at least two steps").into());
        }
        let optional = optional(&nodes, view, order)?;
        let steps = nodes.into_iter().map(step).collect::<Result<Vec<_>, _>>()?;
        let first_time = bits(steps.iter().map(|step| step.first_of.is_some()));
        let exclusions = exclusions(&filter.get("exclusions")?, ground, &steps, order)?;
        let mut breakdown = match view {
            // One histogram shows everybody.
            FunnelView::TimeToConvert => None,
            _ => FunnelBreakdown::read(ground, &filter, steps.len(), order)?,
        };
        let value_step = match breakdown.as_ref().map(|breakdown| breakdown.attribution) {
            Some(Attribution::Step(step)) => Some(step),
            _ => None,
        };
        let interval = match view {
            FunnelView::Trends => query.get("interval")?.word(Interval::WORDS)?.unwrap_or_default(),
            _ => Interval::Day,
        };
        let window = window(&filter)?;
        let rules = Rules { steps: steps.len(), order, window, optional, first_time, value_step };
        let range = ground.range(interval).await?;
        if let Some(breakdown) = &mut breakdown {
            let only = value_step.filter(|_| order != StepOrder::Unordered);
            let deciding = EventRows::of(ground).only(any_of(&steps, only)).within(range.from, range.to);
            breakdown.find_extremes(ground, &deciding, answered).await?;
        }
        Ok(Self {
            span: span(&filter, steps.len())?,
            actor: actor(query, &filter)?,
            bins: bins(&filter.get("binCount")?)?,
            range,
            steps,
            exclusions,
            rules,
            view,
            breakdown,
        })
    }
}

/// The condition that an event is one of the steps, or that one of them; none if every event is.
fn any_of(steps: &[FunnelStep<'_>], only: Option<usize>) -> Option<Expr> {
    let steps = only.map_or(steps, |only| std::slice::from_ref(&steps[only]));
    let conditions: Option<Vec<Expr>> = steps.iter().map(|step| step.node.condition.clone()).collect();
    conditions.and_then(|conditions| joined(conditions, true))
}

fn bits(flags: impl Iterator<Item = bool>) -> u64 {
    flags.enumerate().fold(0, |bits, (at, is_set)| bits | (u64::from(is_set) << at))
}

/// The steps that may be left out.
fn optional(nodes: &[SeriesNode<'_>], view: FunnelView, order: StepOrder) -> Result<u64, InvalidQuery> {
    let mut flags = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let place = node.place.get("optionalInFunnel")?;
        let flag = place.flag()?;
        if flag && (view != FunnelView::Steps || order == StepOrder::Unordered) {
            return Err(place.wrong("steps can be left out only where steps are shown, and come one after the other"));
        }
        if flag && at == 0 {
            return Err(place.wrong("the first step cannot be left out"));
        }
        let is_same = |next: &SeriesNode<'_>| next.condition == node.condition;
        let next = nodes.get(at + 1).filter(|next| is_same(next));
        if flag
            && next.is_some_and(|next| next.place.get("optionalInFunnel").is_ok_and(|place| place.flag() != Ok(true)))
        {
            return Err(place.wrong("a step that may be left out cannot be the same as the one after it"));
        }
        flags.push(flag);
    }
    Ok(bits(flags.into_iter()))
}

fn step(node: SeriesNode<'_>) -> Result<FunnelStep<'_>, InvalidQuery> {
    let maths = [("total", 0), ("dau", 0), ("first_time_for_user", 1), ("first_time_for_user_with_filters", 2)];
    let first_of = match node.place.get("math")?.word(&maths)?.unwrap_or(0) {
        0 => None,
        // The first event of that name, whatever its properties are: only if they fit too, it is the step.
        1 => Some(node.is_it.clone()),
        _ => Some(node.condition.clone()),
    };
    Ok(FunnelStep { node, first_of })
}

fn exclusions(
    place: &Reader<'_>,
    ground: &Ground<'_>,
    steps: &[FunnelStep<'_>],
    order: StepOrder,
) -> Result<Vec<Exclusion>, InvalidQuery> {
    let last = u32::try_from(steps.len() - 1).expect("there are few steps");
    let read = |item: Reader<'_>| {
        let from = item.get("funnelFromStep")?;
        let from_step = from.count(0, last - 1)?.ok_or_else(|| from.wrong("the step before is needed"))? as usize;
        let to = item.get("funnelToStep")?;
        let to_step = to.count(1, last)?.ok_or_else(|| to.wrong("the step after is needed"))? as usize;
        if from_step >= to_step {
            return Err(to.wrong("an exclusion ends at a later step than it begins"));
        }
        if order == StepOrder::Unordered && (from_step, to_step) != (0, last as usize) {
            return Err(item.wrong("where steps have no order, an exclusion holds for all of them"));
        }
        let condition = SeriesNode::read(item.clone(), ground)?.condition;
        if steps[from_step..=to_step].iter().any(|step| step.node.condition == condition) {
            return Err(item.wrong("an exclusion cannot be the same as a step"));
        }
        Ok(Exclusion { condition, from_step, to_step })
    };
    place.items()?.into_iter().map(read).collect()
}

/// Microseconds from the first step to the last.
fn window(filter: &Reader<'_>) -> Result<i64, InvalidQuery> {
    let units = [
        ("second", 1_000_000),
        ("minute", 60_000_000),
        ("hour", 3_600_000_000),
        ("day", DAY),
        ("week", 7 * DAY),
        ("month", 31 * DAY),
    ];
    let unit = filter.get("funnelWindowIntervalUnit")?.word(&units)?.unwrap_or(DAY);
    let count = filter.get("funnelWindowInterval")?.count(1, u32::MAX)?.map_or(DEFAULT_WINDOW, i64::from);
    Ok(unit.saturating_mul(count).min(LONGEST_WINDOW))
}

fn span(filter: &Reader<'_>, steps: usize) -> Result<Span, InvalidQuery> {
    let last = u32::try_from(steps - 1).expect("there are few steps");
    let from_step = filter.get("funnelFromStep")?.count(0, last - 1)?.unwrap_or(0) as usize;
    let to = filter.get("funnelToStep")?;
    let to_step = to.count(1, last)?.unwrap_or(last) as usize;
    if from_step >= to_step {
        return Err(to.wrong("the last step comes after the first"));
    }
    Ok(Span { from_step, to_step })
}

fn bins(place: &Reader<'_>) -> Result<Option<u32>, InvalidQuery> {
    Ok(place.count(0, u32::MAX)?.map(|bins| bins.clamp(1, MAX_BINS)))
}

fn actor(query: &Reader<'_>, filter: &Reader<'_>) -> Result<FunnelActor, InvalidQuery> {
    let place = query.get("aggregation_group_type_index")?;
    let by = filter.get("funnelAggregateByHogQL")?;
    match by.text()?.map(str::trim).filter(|by| !by.is_empty() && *by != "person_id") {
        Some(by) if place.is_missing() => {
            let value = parse_expr(by).map_err(|error| filter.wrong(error.describe(by)))?;
            let value = Expr::call("toString", vec![value], TextSpan::default());
            Ok(FunnelActor::Value(Box::new(Expr::call("ifNull", vec![value, text("")], TextSpan::default()))))
        }
        _ => Ok(FunnelActor::Known(Actor::read(&place)?)),
    }
}

impl FunnelActor {
    /// What the store is told to count.
    #[must_use]
    pub fn counted(&self) -> Counted {
        match self {
            Self::Known(actor) => actor.counted(),
            Self::Value(_) => Counted::Groups,
        }
    }

    /// The column `actor` of these rows; only those of somebody who counts.
    #[must_use]
    pub fn of(&self, rows: EventRows, ground: &Ground<'_>) -> EventRows {
        match self {
            Self::Known(actor) => actor.of(rows, ground),
            Self::Value(value) => rows.column("actor", (**value).clone()).only([compare(
                CompareOp::NotEqual,
                (**value).clone(),
                text(""),
            )]),
        }
    }

    /// The type of groups that go through the funnel; none if people do.
    ///
    /// # Errors
    /// If others do: they cannot be listed.
    pub fn group_index(&self, place: &Reader<'_>) -> Result<Option<usize>, InvalidQuery> {
        match self {
            Self::Known(actor) => Ok(actor.group_index()),
            Self::Value(_) => Err(place.wrong("people and groups can be listed, the values of an expression cannot")),
        }
    }
}
