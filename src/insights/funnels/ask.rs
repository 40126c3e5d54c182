//! A funnel's statement, and everybody whom it gives, ready to be followed.

use super::breakdown::Attribution;
use super::read::Funnel;
use super::rules::{Rules, Seen, StepOrder, bits_up};
use crate::insights::InsightError;
use crate::insights::ground::{EventRows, Ground};
use crate::insights::sql::{date_filter, field, joined, made, sql_error};
use crate::model::query::InvalidQuery;
use crate::sql::{Expr, ExprKind, Literal};
use crate::storage::ch::{Cost, FunnelEvent, FunnelPerson, FunnelQuestion, FunnelSql, FunnelValues, funnel_sql};

/// Most values of one person that are followed by themselves where one step's value decides: each needs all of the person's
/// events once more.
const MAX_VALUES_EACH: usize = 1_000;

/// Hands out everybody's events in order, once for each value they are counted under: their number, the value, the events.
/// Gives the statement and what it cost.
///
/// # Errors
/// If a condition names what there is not, or the store does not answer.
pub async fn each_person(
    ground: &Ground<'_>,
    funnel: &Funnel<'_>,
    mut each: impl FnMut(u64, &str, &[Seen]) + Send,
) -> Result<(FunnelSql, Cost), InsightError> {
    let sql = statement(ground, funnel)?;
    let values = funnel.breakdown.as_ref().map_or(FunnelValues::None, |breakdown| breakdown.brings());
    let attribution = funnel.breakdown.as_ref().map_or(Attribution::FirstTouch, |breakdown| breakdown.attribution);
    let mut seen = Vec::new();
    let cost = ground
        .context
        .ch
        .funnel_people(&sql, values, |mut person| {
            settle_firsts(&funnel.rules, &mut person.events);
            let number = person.number;
            let mut give = |value: &str, events: &[Seen]| each(number, value, events);
            by_value(&funnel.rules, attribution, &mut person, &mut seen, &mut give);
        })
        .await
        .map_err(|error| sql_error(error, "query"))?;
    Ok((sql, cost))
}

/// The statement that puts everybody's events together.
fn statement(ground: &Ground<'_>, funnel: &Funnel<'_>) -> Result<FunnelSql, InvalidQuery> {
    let marks = marks(funnel);
    let mut rows = funnel.actor.of(EventRows::of(ground), ground).column("at", field(&["timestamp"]));
    for (at, (_, condition)) in marks.iter().enumerate() {
        rows = rows.column(("mark", at), flag(condition.clone()));
    }
    let values = funnel.breakdown.as_ref().map_or(&[][..], |breakdown| &breakdown.values);
    for (at, value) in values.iter().enumerate() {
        rows = rows.column(("value", at), value.clone());
    }
    // Where nothing may lie in between, everything counts.
    let conditions: Option<Vec<Expr>> = match funnel.rules.order {
        StepOrder::Strict => None,
        StepOrder::Ordered | StepOrder::Unordered => marks.iter().map(|(_, condition)| condition.clone()).collect(),
    };
    let events = rows
        .only(conditions.and_then(|conditions| joined(conditions, true)))
        .within(funnel.range.from, funnel.range.to)
        .sql(ground)?;
    let mut firsts = Vec::new();
    for (at, step) in funnel.steps.iter().enumerate() {
        let Some(condition) = &step.first_of else { continue };
        let rows = funnel.actor.of(EventRows::all(), ground).column("at", field(&["timestamp"]));
        let rows = rows.only(condition.clone()).only(date_filter(&["timestamp"], None, Some(funnel.range.to)));
        firsts.push((funnel.rules.first_bit(at), rows.sql(ground)?));
    }
    let question = FunnelQuestion {
        counted: funnel.actor.counted(),
        range: (funnel.range.from, funnel.range.to),
        events: &events,
        marks: &marks.iter().map(|(bit, _)| *bit).collect::<Vec<_>>(),
        steps: funnel.rules.all_steps(),
        firsts: &firsts,
        values: funnel.breakdown.as_ref().map_or(FunnelValues::None, |breakdown| breakdown.brings()),
        width: values.len(),
    };
    Ok(funnel_sql(ground.context.project.id, question))
}

/// The bits that an event may set, and when it does; none if it always does.
fn marks(funnel: &Funnel<'_>) -> Vec<(u32, Option<Expr>)> {
    let mut marks = Vec::new();
    for (at, step) in funnel.steps.iter().enumerate() {
        marks.push((u32::try_from(at).expect("there are few steps"), step.node.condition.clone()));
    }
    for step in 1..funnel.steps.len() {
        let here = funnel.exclusions.iter().filter(|exclusion| exclusion.from_step < step && step <= exclusion.to_step);
        let conditions: Vec<Option<Expr>> = here.map(|exclusion| exclusion.condition.clone()).collect();
        if !conditions.is_empty() {
            let any =
                conditions.into_iter().collect::<Option<Vec<_>>>().and_then(|conditions| joined(conditions, true));
            marks.push((funnel.rules.exclusion_bit(step), any));
        }
    }
    marks
}

fn flag(condition: Option<Expr>) -> Expr {
    let whole = |n| made(ExprKind::Literal(Literal::Whole(n)));
    match condition {
        None => whole(1),
        Some(condition) => made(ExprKind::If(Box::new(condition), Box::new(whole(1)), Box::new(whole(0)))),
    }
}

/// Steps that only count the first time are taken from all events but that one; what said when it was goes.
fn settle_firsts(rules: &Rules, events: &mut Vec<FunnelEvent>) {
    if rules.first_time == 0 {
        return;
    }
    let says = |step: usize| 1_u64 << rules.first_bit(step);
    let mut firsts: Vec<(usize, Option<u64>)> = bits_up(rules.first_time)
        .map(|step| (step, events.iter().filter(|event| event.marks & says(step) != 0).map(|event| event.time).min()))
        .collect();
    let all_says = bits_up(rules.first_time).fold(0, |bits, step| bits | says(step));
    events.retain(|event| event.marks & all_says == 0);
    for event in events.iter_mut() {
        for (step, first) in &mut firsts {
            let bit = 1 << *step;
            if event.marks & bit != 0 && first.take_if(|first| *first == event.time).is_none() {
                event.marks &= !bit;
            }
        }
    }
    if rules.order != StepOrder::Strict {
        events.retain(|event| event.marks != 0);
    }
}

fn by_value(
    rules: &Rules,
    attribution: Attribution,
    person: &mut FunnelPerson,
    seen: &mut Vec<Seen>,
    give: &mut impl FnMut(&str, &[Seen]),
) {
    let at = |event: &FunnelEvent| i64::try_from(event.time).unwrap_or(i64::MAX);
    let plain = |event: &FunnelEvent| Seen { at: at(event), marks: event.marks, is_other: false };
    let is_step = |event: &FunnelEvent| event.marks & rules.all_steps() != 0;
    match attribution {
        Attribution::FirstTouch | Attribution::LastTouch => {
            seen.clear();
            seen.extend(person.events.iter().map(plain));
            give(&person.touch.1, seen);
        }
        Attribution::AllEvents => {
            person.events.sort_by(|a, b| a.value.cmp(&b.value));
            for events in person.events.chunk_by(|a, b| a.value == b.value) {
                seen.clear();
                seen.extend(events.iter().map(plain));
                give(&events[0].value, seen);
            }
        }
        Attribution::Step(step) => {
            let decides = |event: &&FunnelEvent| match rules.order {
                StepOrder::Unordered => is_step(event),
                StepOrder::Ordered | StepOrder::Strict => event.marks & (1 << step) != 0,
            };
            let mut values: Vec<&str> = person.events.iter().filter(decides).map(|event| &*event.value).collect();
            values.sort_unstable();
            values.dedup();
            for value in values.into_iter().take(MAX_VALUES_EACH) {
                seen.clear();
                seen.extend(person.events.iter().map(|event| Seen { is_other: event.value != value, ..plain(event) }));
                give(value, seen);
            }
        }
    }
}
