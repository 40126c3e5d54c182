//! The people behind a step of a funnel, or a bucket of its trend.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::ask::each_person;
use super::chain::Reached;
use super::lives::Who;
use super::others::each_other;
use super::read::{Funnel, FunnelView};
use super::shape::{OTHER, ranked};
use super::tally::Tally;
use super::{Buckets, MAX_VALUES, reached};
use crate::insights::ground::{Answered, Ground};
use crate::insights::{InsightError, QueryContext};
use crate::model::query::{InvalidQuery, Reader};
use crate::storage::ch::hogql::ActorsBehind;
use crate::storage::ch::{numbers_sql, texts_sql};

/// Whom a selection means.
#[derive(Clone, Copy)]
enum Which {
    /// Who did the first steps, and not the second, as bits.
    Steps {
        did: u64,
        did_not: u64,
    },
    /// Whose furthest step is one of these, as bits.
    Furthest(u64),
    Entered {
        bucket: usize,
        converted: bool,
    },
}

/// The people or groups of a `FunnelsActorsQuery`: `funnelStep` from 1 on, who came so far; from -2 on, who dropped off just
/// before; `funnelCustomSteps`: who came to one of these and no further;
/// `funnelTrendsEntrancePeriodStart` with `funnelTrendsDropOff` of a trend. `funnelStepBreakdown` says of which value.
///
/// # Errors
/// If a field makes no sense, or a store does not answer.
pub async fn funnel_people(
    context: QueryContext<'_>,
    selection: &Reader<'_>,
    insight: &Reader<'_>,
) -> Result<ActorsBehind, InsightError> {
    let ground = Ground::of(context, insight.value().unwrap_or(&Value::Null)).await?;
    let mut funnel = Funnel::read(&ground, &mut Answered::default()).await?;
    let group_index = funnel.actor.group_index(&selection.get("source")?)?;
    let which = which(selection, &funnel)?;
    let place = selection.get("funnelStepBreakdown")?;
    let wanted = wanted(&place)?;
    if let (Some(breakdown), Some(wanted)) = (&mut funnel.breakdown, &wanted)
        && !breakdown.keep_meant(wanted)
    {
        return Err(place.wrong("there is no such cohort in the funnel").into());
    }
    let is_other = funnel.breakdown.is_some() && wanted.as_deref() == Some(&[OTHER.to_owned()][..]);
    let shown = if is_other { shown(&ground, &funnel).await? } else { HashSet::new() };
    let is_wanted = |value: &str| match (&wanted, &funnel.breakdown) {
        (Some(_), Some(_)) if is_other && !shown.is_empty() => !shown.contains(value),
        (Some(wanted), Some(breakdown)) => breakdown.is_meant(value, wanted),
        _ => true,
    };
    let mut found = Found::default();
    if is_other && !shown.is_empty() && !matches!(which, Which::Entered { .. }) {
        let take = |who: Who<'_>, reached: &Reached| {
            if which.is_reached(reached) {
                found.take(who);
            }
        };
        each_other(&ground, &funnel, &shown, &mut Answered::default(), take).await?;
        return found.actors(group_index);
    }
    let buckets = Buckets::of(&funnel.range);
    each_person(&ground, &funnel, &mut Answered::default(), |who, value, events| {
        let is_one = is_wanted(value)
            && match which {
                Which::Entered { bucket, converted } => {
                    super::entries::follow(&funnel.rules, funnel.span, events, |at| buckets.find(at))
                        .contains(&(bucket, converted))
                }
                Which::Steps { .. } | Which::Furthest(_) => {
                    reached(&funnel.rules, events).is_some_and(|reached| which.is_reached(&reached))
                }
            };
        if is_one {
            found.take(who);
        }
    })
    .await?;
    found.actors(group_index)
}

impl Which {
    /// Whether somebody who came so far is meant.
    fn is_reached(self, reached: &Reached) -> bool {
        match self {
            Self::Steps { did, did_not } => reached.steps & did == did && reached.steps & did_not == 0,
            Self::Furthest(steps) => reached.steps.checked_ilog2().is_some_and(|furthest| steps & (1 << furthest) != 0),
            Self::Entered { .. } => false,
        }
    }
}

/// Those who are meant.
#[derive(Default)]
struct Found {
    numbers: Vec<u64>,
    names: Vec<String>,
    name_bytes: usize,
}

impl Found {
    fn take(&mut self, who: Who<'_>) {
        match who {
            Who::Person(number) => self.numbers.push(number),
            Who::Named(name) => {
                self.name_bytes += name.len();
                if self.name_bytes <= MAX_NAME_BYTES {
                    self.names.push(name.to_owned());
                }
            }
        }
    }

    fn actors(mut self, group_index: Option<usize>) -> Result<ActorsBehind, InsightError> {
        if self.numbers.len() > MAX_PEOPLE || self.name_bytes > MAX_NAME_BYTES {
            return Err(InsightError::TooLarge);
        }
        let actors = if group_index.is_some() { texts_sql(&self.names) } else { numbers_sql(&mut self.numbers) };
        Ok(ActorsBehind::plain(actors, group_index))
    }
}

/// More do not fit into a statement.
const MAX_PEOPLE: usize = 3_000_000;
const MAX_NAME_BYTES: usize = 8_000_000;

fn which(selection: &Reader<'_>, funnel: &Funnel<'_>) -> Result<Which, InvalidQuery> {
    if funnel.view == FunnelView::Trends {
        let place = selection.get("funnelTrendsEntrancePeriodStart")?;
        let day = place.text()?.ok_or_else(|| place.wrong("the start of a period is needed"))?;
        let bucket = funnel.range.find_bucket(day).ok_or_else(|| place.wrong("no period of the funnel starts then"))?;
        let converted = !selection.get("funnelTrendsDropOff")?.flag()?;
        return Ok(Which::Entered { bucket: bucket as usize, converted });
    }
    let custom = selection.get("funnelCustomSteps")?.items()?;
    if !custom.is_empty() {
        let last = u32::try_from(funnel.steps.len()).expect("there are few steps");
        let bit = |item: &Reader<'_>| {
            let step = item.count(1, last)?.ok_or_else(|| item.wrong("the number of a step is needed here"))?;
            Ok(1_u64 << (step - 1))
        };
        let bits = custom.iter().map(bit).collect::<Result<Vec<_>, InvalidQuery>>()?;
        return Ok(Which::Furthest(bits.into_iter().fold(0, |all, bit| all | bit)));
    }
    let (did, did_not) = which_step(&selection.get("funnelStep")?, funnel)?;
    Ok(Which::Steps { did, did_not })
}

/// The step that must have been done and the one that must not, as bits: `n` from 1 on is who came so far, `-n` from -2 on
/// who dropped off just before.
///
/// # Errors
/// If it is no such number.
pub fn which_step(place: &Reader<'_>, funnel: &Funnel<'_>) -> Result<(u64, u64), InvalidQuery> {
    let steps = i64::try_from(funnel.steps.len()).expect("there are few steps");
    let wrong = || place.wrong(format!("a step from 1 to {steps} is needed, or from -2 to -{steps}"));
    let said = place.value().and_then(Value::as_i64).ok_or_else(wrong)?;
    let step = said.unsigned_abs();
    if step == 0 || said == -1 || step > steps.unsigned_abs() {
        return Err(wrong());
    }
    let here = 1_u64 << (step - 1);
    if said > 0 {
        return Ok((here, 0));
    }
    // The nearest step before that cannot be left out.
    let before = (here - 1) & !funnel.rules.optional;
    Ok((1 << before.ilog2(), here))
}

/// The values of a breakdown as texts; none if all are meant.
fn wanted(place: &Reader<'_>) -> Result<Option<Vec<String>>, InvalidQuery> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        _ => Err(place.wrong("a text or a list of texts is needed here")),
    };
    place
        .value()
        .map(|value| match value {
            Value::Array(items) => items.iter().map(text).collect(),
            one => Ok(vec![text(one)?]),
        })
        .transpose()
}

/// The values that are told from others.
async fn shown(ground: &Ground<'_>, funnel: &Funnel<'_>) -> Result<HashSet<String>, InsightError> {
    let limit = funnel.breakdown.as_ref().and_then(|breakdown| breakdown.limit);
    let mut tallies: HashMap<String, Tally> = HashMap::new();
    each_person(ground, funnel, &mut Answered::default(), |_, value, events| {
        if let Some(reached) = reached(&funnel.rules, events)
            && tallies.len() <= MAX_VALUES
        {
            let tally = tallies.entry(value.to_owned()).or_insert_with(|| Tally::new(funnel.rules.steps));
            tally.add(&reached, funnel.rules.optional);
        }
    })
    .await?;
    let Some(limit) = limit.filter(|limit| tallies.len() > *limit) else { return Ok(HashSet::new()) };
    Ok(ranked(tallies).into_iter().take(limit).map(|(value, _)| value).collect())
}
