//! From a funnel to its answer.

use std::collections::HashMap;

use serde_json::Value;

use super::ask::each_person;
use super::chain::{self, Reached};
use super::others::each_other;
use super::read::{Funnel, FunnelView};
use super::rules::{Rules, Seen, StepOrder};
use super::shape::{self, Entered};
use super::tally::Tally;
use super::{entries, unordered};
use crate::insights::ground::{Answered, Ground};
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::ResolvedRange;

/// Most values of a breakdown, before those beyond the limit are put together.
pub const MAX_VALUES: usize = 200_000;

/// Answers a `FunnelsQuery`.
///
/// # Errors
/// If a field makes no sense, a store does not answer, or the question takes too much.
pub async fn run_funnels(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let ground = Ground::of(context, json).await?;
    let mut answered = Answered::default();
    let funnel = Funnel::read(&ground, &mut answered).await?;
    let results: Value = match funnel.view {
        FunnelView::Steps => steps(&ground, &funnel, &mut answered).await?.into(),
        FunnelView::TimeToConvert => time_to_convert(&ground, &funnel, &mut answered).await?,
        FunnelView::Trends => trends(&ground, &funnel, &mut answered).await?.into(),
    };
    let mut answer = answered.with(Vec::new(), &funnel.range);
    answer.insert("results".to_owned(), results);
    Ok(answer)
}

async fn steps(ground: &Ground<'_>, funnel: &Funnel<'_>, answered: &mut Answered) -> Result<Vec<Value>, InsightError> {
    let mut tallies: HashMap<String, Tally> = HashMap::new();
    let asked = each_person(ground, funnel, answered, |_, value, events| {
        let Some(reached) = reached(&funnel.rules, events) else { return };
        if let Some(tally) = tallies.get_mut(value) {
            tally.add(&reached, funnel.rules.optional);
        } else if tallies.len() <= MAX_VALUES {
            let mut tally = Tally::new(funnel.rules.steps);
            tally.add(&reached, funnel.rules.optional);
            tallies.insert(value.to_owned(), tally);
        }
    });
    asked.await?;
    if tallies.len() > MAX_VALUES {
        return Err(InsightError::TooLarge);
    }
    if let Some(breakdown) = &funnel.breakdown {
        let mut ranked = shape::ranked(tallies);
        let rest = breakdown.limit.filter(|limit| ranked.len() > *limit).map(|limit| ranked.split_off(limit));
        let other = match rest.filter(|_| !breakdown.hides_other) {
            None => None,
            Some(rest) => Some(other(ground, funnel, &ranked, rest, answered).await?),
        };
        return Ok(shape::by_value(funnel, breakdown, ranked, other));
    }
    let everybody = tallies.into_values().next().unwrap_or_else(|| Tally::new(funnel.rules.steps));
    Ok(shape::steps(funnel, &everybody))
}

/// All values beyond the limit as one, with each person once.
async fn other(
    ground: &Ground<'_>,
    funnel: &Funnel<'_>,
    shown: &[(String, Tally)],
    rest: Vec<(String, Tally)>,
    answered: &mut Answered,
) -> Result<Tally, InsightError> {
    let mut other = Tally::new(funnel.rules.steps);
    if !funnel.breakdown.as_ref().is_some_and(|breakdown| breakdown.attribution.gives_several()) {
        rest.into_iter().for_each(|(_, tally)| other.append(tally));
        return Ok(other);
    }
    let shown = shown.iter().map(|(value, _)| value.clone()).collect();
    each_other(ground, funnel, &shown, answered, |_, reached| other.add(reached, funnel.rules.optional)).await?;
    Ok(other)
}

async fn time_to_convert(
    ground: &Ground<'_>,
    funnel: &Funnel<'_>,
    answered: &mut Answered,
) -> Result<Value, InsightError> {
    let (from, to) = (funnel.span.from_step, funnel.span.to_step);
    let mut took = Vec::new();
    let asked = each_person(ground, funnel, answered, |_, _, events| {
        let reached = reached(&funnel.rules, events).filter(|reached| reached.steps & (1 << to) != 0);
        took.extend(reached.map(|reached| reached.times[to] - reached.times[from]));
    });
    asked.await?;
    Ok(shape::histogram(&took, funnel.bins))
}

async fn trends(ground: &Ground<'_>, funnel: &Funnel<'_>, answered: &mut Answered) -> Result<Vec<Value>, InsightError> {
    let buckets = Buckets::of(&funnel.range);
    let mut all: HashMap<String, Entered> = HashMap::new();
    let asked = each_person(ground, funnel, answered, |_, value, events| {
        let entries = entries::follow(&funnel.rules, funnel.span, events, |at| buckets.find(at));
        if entries.is_empty() || all.len() > MAX_TREND_VALUES {
            return;
        }
        let entered = all.entry(value.to_owned()).or_insert_with(|| vec![(0, 0); funnel.range.buckets.len()]);
        for (bucket, is_converted) in entries {
            entered[bucket].0 += 1;
            entered[bucket].1 += u64::from(is_converted);
        }
    });
    asked.await?;
    if all.len() > MAX_TREND_VALUES {
        return Err(InsightError::TooLarge);
    }
    Ok(shape::trends(funnel, all))
}

/// Most values of a trend's breakdown, each with all its buckets.
const MAX_TREND_VALUES: usize = 20_000;

/// How far somebody came.
pub fn reached(rules: &Rules, events: &[Seen]) -> Option<Reached> {
    match rules.order {
        StepOrder::Ordered | StepOrder::Strict => chain::follow(rules, events),
        StepOrder::Unordered => unordered::follow(rules, events),
    }
}

/// Where a moment falls into the buckets of a range.
pub struct Buckets {
    /// When each begins.
    starts: Vec<i64>,
}

impl Buckets {
    /// Those of a range.
    pub fn of(range: &ResolvedRange) -> Self {
        Self { starts: range.buckets.iter().map(|bucket| bucket.start.as_microsecond()).collect() }
    }

    /// The place of the bucket of a moment within the range.
    pub fn find(&self, at: i64) -> Option<usize> {
        self.starts.partition_point(|start| *start <= at).checked_sub(1)
    }
}
