//! When people were at a step of a funnel, for asking what they did around it.

use serde_json::{Value, json};

use super::ask::each_person;
use super::lives::Who;
use super::people::which_step;
use super::reached;
use super::read::Funnel;
use super::rules::bits_down;
use crate::insights::ground::{Answered, Ground};
use crate::insights::{InsightError, QueryContext};
use crate::model::query::{InvalidQuery, Reader};

/// Somebody who came to a step, or dropped off before it. Moments are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtStep {
    /// Their number after merges.
    pub person: u64,
    /// When they did the step; who dropped off: the last one they did.
    pub at: i64,
    /// When they did the one before that; none if it is the first.
    pub before: Option<i64>,
}

/// Everybody at a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepPeople {
    pub people: Vec<AtStep>,
    /// Whether they dropped off.
    pub are_dropped: bool,
    /// How long they had from the first step to the last, in microseconds.
    pub window: i64,
}

/// The people of a `FunnelsQuery` at a step, as `funnelStep` of a selection names it, whatever the funnel is broken down by.
///
/// # Errors
/// If a field makes no sense, people are not what goes through the funnel, or a store does not answer.
pub async fn step_people(
    context: QueryContext<'_>,
    source: &Reader<'_>,
    step: &Reader<'_>,
    answered: &mut Answered,
) -> Result<StepPeople, InsightError> {
    let mut query = source.value().cloned().unwrap_or_default();
    if let Some(fields) = query.as_object_mut() {
        fields.remove("breakdownFilter");
        if let Some(filter) = fields.get_mut("funnelsFilter").filter(|filter| filter.is_object()) {
            filter["funnelVizType"] = json!("steps");
        }
    }
    find(context, &query, source, step, answered).await.map_err(|error| match error {
        InsightError::Invalid(error) if error.field.starts_with("funnelPathsFilter") => error.into(),
        InsightError::Invalid(InvalidQuery { field, reason }) => {
            source.get(&field).map_or_else(InsightError::from, |place| place.wrong(reason).into())
        }
        other => other,
    })
}

async fn find(
    context: QueryContext<'_>,
    query: &Value,
    source: &Reader<'_>,
    step: &Reader<'_>,
    answered: &mut Answered,
) -> Result<StepPeople, InsightError> {
    let ground = Ground::of(context, query).await?;
    let funnel = Funnel::read(&ground, answered).await?;
    if funnel.actor.group_index(source)?.is_some() {
        return Err(source.wrong("paths around a funnel are those of people, not of groups").into());
    }
    let (did, did_not) = which_step(step, &funnel)?;
    let mut found = StepPeople { people: Vec::new(), are_dropped: did_not != 0, window: funnel.rules.window };
    each_person(&ground, &funnel, answered, |who, _, events| {
        let Who::Person(person) = who else { return };
        let reached = reached(&funnel.rules, events);
        if let Some(reached) = reached.filter(|reached| reached.steps & did == did && reached.steps & did_not == 0) {
            let before = bits_down(reached.steps & (did - 1)).next();
            let before = before.map(|step| reached.times[step]);
            found.people.push(AtStep { person, at: reached.times[did.ilog2() as usize], before });
        }
    })
    .await?;
    Ok(found)
}
