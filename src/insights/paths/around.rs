//! Paths around a step of a funnel: before it, after it, or from the one before to it.

use crate::insights::InsightError;
use crate::insights::funnels::{AtStep, step_people};
use crate::insights::ground::{Actor, Answered, Ground};
use crate::model::query::ResolvedRange;
use crate::storage::ch::{SpanOfPerson, Sql, spans_sql};

/// Which part of what people did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Before,
    Between,
    After,
}

const PARTS: [(&str, Part); 3] = [
    ("funnel_path_before_step", Part::Before),
    ("funnel_path_between_steps", Part::Between),
    ("funnel_path_after_step", Part::After),
];
/// More do not fit into a statement.
const MAX_PEOPLE: usize = 500_000;

/// Whose paths are asked for and from when to when, as [`spans_sql`] writes it; none if everybody's are.
///
/// # Errors
/// If `funnelPathsFilter` makes no sense, too many people are at the step, or a store does not answer.
pub(super) async fn around(
    ground: &Ground<'_>,
    actor: Actor,
    range: &ResolvedRange,
    answered: &mut Answered,
) -> Result<Option<Sql>, InsightError> {
    let filter = ground.query.get("funnelPathsFilter")?;
    if filter.is_missing() {
        return Ok(None);
    }
    if actor != Actor::Person {
        return Err(filter.wrong("paths around a funnel are those of people, not of groups").into());
    }
    let part = filter.get("funnelPathType")?.word(&PARTS)?;
    let source = filter.get("funnelSource")?;
    if source.get("kind")?.text()? != Some("FunnelsQuery") {
        return Err(source.wrong("a FunnelsQuery is needed here").into());
    }
    let step = filter.get("funnelStep")?;
    if part == Some(Part::Between) && matches!(step.value().and_then(serde_json::Value::as_i64), Some(1 | -2)) {
        return Err(step.wrong("there is no step before the first").into());
    }
    let found = step_people(ground.context, &source, &step, answered).await?;
    if found.people.len() > MAX_PEOPLE {
        return Err(InsightError::TooLarge);
    }
    let (first, last) = (range.from.as_microsecond(), range.to.as_microsecond());
    // Who drops off has done so when the time for the next step is over.
    let more = if found.are_dropped { found.window } else { 0 };
    let span = |one: &AtStep| {
        let (since, until) = match part {
            None => (first, last),
            Some(Part::Before) => (first, one.at.saturating_add(more)),
            Some(Part::Between) => (one.before.unwrap_or(one.at), one.at),
            Some(Part::After) => (one.at, last),
        };
        SpanOfPerson { person: one.person, since, until }
    };
    Ok(Some(spans_sql(found.people.iter().map(span).collect())))
}
