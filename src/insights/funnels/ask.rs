//! A funnel's statements, and everybody whom they give, ready to be followed.

use super::attribution::Attribution;
use super::breakdown::FunnelBreakdown;
use super::lives::{Dealt, Event, Life, Lives, Who};
use super::read::Funnel;
use super::rules::{Rules, Seen, StepOrder, bits_up};
use crate::insights::InsightError;
use crate::insights::ground::{Answered, CohortPart, EventRows, Ground};
use crate::insights::sql::{date_filter, field, insight_error, joined, made};
use crate::model::query::InvalidQuery;
use crate::sql::{Expr, ExprKind, Literal};
use crate::storage::ch::{Counted, FunnelBlock, FunnelQuestion, Sql, funnel_firsts_sql, funnel_sql};

/// Most values of one person that are followed by themselves where one step's value decides: each needs all of the person's
/// events once more.
const MAX_VALUES_EACH: usize = 1_000;
/// If all events do not fit into memory, people are taken in so many parts, and the events read as often.
const PARTS: u64 = 8;
/// After so many people, others who wait for this thread get their turn.
const PEOPLE_AT_ONCE: usize = 2_000;

/// Hands out everybody's events in order, once for each value they are counted under: who, the value, the events.
///
/// # Errors
/// If a condition names what there is not, there is too much to be held, or the store does not answer.
pub async fn each_person(
    ground: &Ground<'_>,
    funnel: &Funnel<'_>,
    answered: &mut Answered,
    mut each: impl FnMut(Who<'_>, &str, &[Seen]) + Send,
) -> Result<(), InsightError> {
    let merges = match funnel.actor.counted() {
        Counted::People => ground.context.ch.merged_people(ground.context.project.id).await?,
        Counted::Groups => Vec::new(),
    };
    let cohorts = funnel.breakdown.as_ref().map_or(&[][..], FunnelBreakdown::cohorts);
    if cohorts.is_empty() {
        return each_of(ground, funnel, &merges, None, answered, &mut each).await;
    }
    for cohort in cohorts {
        each_of(ground, funnel, &merges, Some(cohort), answered, &mut each).await?;
    }
    Ok(())
}

/// The same for the people of a cohort.
async fn each_of(
    ground: &Ground<'_>,
    funnel: &Funnel<'_>,
    merges: &[(u64, u64)],
    cohort: Option<&CohortPart>,
    answered: &mut Answered,
    each: &mut (impl FnMut(Who<'_>, &str, &[Seen]) + Send),
) -> Result<(), InsightError> {
    let asked = Statements::of(ground, funnel, cohort)?;
    let attribution = funnel.breakdown.as_ref().map_or(Attribution::FirstTouch, |breakdown| breakdown.attribution);
    let needed = match funnel.rules.order {
        StepOrder::Unordered => funnel.rules.all_steps(),
        // Without the first step there is no other.
        StepOrder::Ordered | StepOrder::Strict => 1,
    };
    let mut parts = 1;
    let mut part = 0;
    let mut seen = Vec::new();
    while part < parts {
        let Some(dealt) = asked.read(ground, merges, (part, parts), answered).await? else {
            if parts > 1 {
                return Err(InsightError::TooLarge);
            }
            parts = PARTS;
            continue;
        };
        for first in (0..dealt.count()).step_by(PEOPLE_AT_ONCE) {
            dealt.each(first..dealt.count().min(first + PEOPLE_AT_ONCE), needed, |mut life| {
                settle_firsts(&funnel.rules, &asked.first_steps, &mut life);
                widen(&asked.bits, life.events);
                by_value(&funnel.rules, attribution, &dealt, &life, &mut seen, each);
            });
            tokio::task::yield_now().await;
        }
        part += 1;
    }
    Ok(())
}

/// What is asked of the store.
struct Statements {
    events: Sql,
    /// The value of an event without one of its own.
    no_value: String,
    /// The bits that the marks of events stand for; none if the first stands for bit 0, and so on.
    bits: Vec<u32>,
    firsts: Vec<Sql>,
    /// The steps that `firsts` are about.
    first_steps: Vec<usize>,
}

impl Statements {
    fn of(ground: &Ground<'_>, funnel: &Funnel<'_>, cohort: Option<&CohortPart>) -> Result<Self, InvalidQuery> {
        let is_actor_text = funnel.actor.counted() != Counted::People;
        let marks = marks(funnel);
        let mut rows = funnel.actor.of(EventRows::of(ground), ground).column("at", field(&["timestamp"]));
        for (at, (_, condition)) in marks.iter().enumerate() {
            rows = rows.column(("mark", at), flag(condition.clone()));
        }
        let values = funnel.breakdown.as_ref().map(FunnelBreakdown::values).unwrap_or_default();
        let width = values.len();
        for (at, value) in values.into_iter().enumerate() {
            rows = rows.column(("value", at), value);
        }
        // Where nothing may lie in between, everything counts.
        let conditions: Option<Vec<Expr>> = match funnel.rules.order {
            StepOrder::Strict => None,
            StepOrder::Ordered | StepOrder::Unordered => marks.iter().map(|(_, condition)| condition.clone()).collect(),
        };
        let rows = rows.only(conditions.and_then(|conditions| joined(conditions, true)));
        let rows = rows.only(cohort.and_then(|cohort| cohort.condition.clone()));
        let events = rows.within(funnel.range.from, funnel.range.to).sql(ground)?;
        let question = FunnelQuestion { events: &events, marks: marks.len(), values: width, is_actor_text };
        let no_value = match cohort {
            Some(cohort) => cohort.number.to_string(),
            None => funnel.breakdown.as_ref().map(FunnelBreakdown::no_value).unwrap_or_default(),
        };
        let mut statements = Self {
            events: funnel_sql(question),
            no_value,
            bits: Vec::new(),
            firsts: Vec::new(),
            first_steps: Vec::new(),
        };
        if marks.iter().zip(0..).any(|((bit, _), place)| *bit != place) {
            statements.bits = marks.iter().map(|(bit, _)| *bit).collect();
        }
        for (at, step) in funnel.steps.iter().enumerate() {
            let Some(condition) = &step.first_of else { continue };
            let rows = funnel.actor.of(EventRows::all(), ground).column("at", field(&["timestamp"]));
            let rows = rows.only(condition.clone()).only(date_filter(&["timestamp"], None, Some(funnel.range.to)));
            statements.firsts.push(funnel_firsts_sql(&rows.sql(ground)?, is_actor_text));
            statements.first_steps.push(at);
        }
        Ok(statements)
    }

    /// Reads the events of a part of all people; none if they are too many.
    async fn read(
        &self,
        ground: &Ground<'_>,
        merges: &[(u64, u64)],
        part: (u64, u64),
        answered: &mut Answered,
    ) -> Result<Option<Dealt>, InsightError> {
        let ch = ground.context.ch;
        let mut lives = Lives::new(merges, part, &self.no_value, self.firsts.len());
        let mut is_whole = true;
        let take = |block: FunnelBlock<'_>| {
            is_whole = lives.add(block);
            is_whole
        };
        let cost = ch.funnel_rows(&self.events, take).await.map_err(insight_error)?;
        answered.add(&self.events, cost);
        if !is_whole {
            return Ok(None);
        }
        for (which, sql) in self.firsts.iter().enumerate() {
            let asked = ch.funnel_rows(sql, |block| lives.add_firsts(which, block)).await;
            answered.add(sql, asked.map_err(insight_error)?);
        }
        Ok(Some(lives.deal()))
    }
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

/// Moves marks to the bits they stand for.
fn widen(bits: &[u32], events: &mut [Event]) {
    if bits.is_empty() {
        return;
    }
    for event in events {
        event.marks = bits_up(event.marks).fold(0, |marks, place| marks | (1 << bits[place]));
    }
}

/// Steps that only count the first time are taken from all events but that one.
fn settle_firsts(rules: &Rules, steps: &[usize], life: &mut Life<'_>) {
    for (step, first) in steps.iter().zip(life.firsts) {
        let mut left = Some(*first);
        for event in life.events.iter_mut().filter(|event| event.marks & (1 << step) != 0) {
            if left.take_if(|first| *first == event.at).is_none() {
                event.marks &= !(1 << step);
            }
        }
    }
    if !steps.is_empty() && rules.order != StepOrder::Strict {
        life.events.retain(|event| event.marks != 0);
    }
}

fn by_value(
    rules: &Rules,
    attribution: Attribution,
    dealt: &Dealt,
    life: &Life<'_>,
    seen: &mut Vec<Seen>,
    each: &mut impl FnMut(Who<'_>, &str, &[Seen]),
) {
    let is_step = |event: &&Event| event.marks & rules.all_steps() != 0;
    let mut give = |value: u32, events: &mut dyn Iterator<Item = Seen>| {
        seen.clear();
        seen.extend(events);
        each(life.who, dealt.value(value), seen);
    };
    let plain = |event: &Event| Seen { at: event.at, marks: event.marks, is_other: false };
    match attribution {
        Attribution::FirstTouch | Attribution::LastTouch => {
            let mut touches = life.events.iter().filter(is_step).map(|event| event.value).filter(|value| *value != 0);
            let touch = if attribution == Attribution::FirstTouch { touches.next() } else { touches.next_back() };
            give(touch.unwrap_or(0), &mut life.events.iter().map(plain));
        }
        Attribution::AllEvents => {
            let mut values: Vec<(u32, &Event)> = life.events.iter().map(|event| (event.value, event)).collect();
            // Stable: events of one value stay in order.
            values.sort_by_key(|(value, _)| *value);
            for events in values.chunk_by(|a, b| a.0 == b.0) {
                give(events[0].0, &mut events.iter().map(|(_, event)| plain(event)));
            }
        }
        Attribution::Step(step) => {
            let decides = |event: &&Event| match rules.order {
                StepOrder::Unordered => is_step(event),
                StepOrder::Ordered | StepOrder::Strict => event.marks & (1 << step) != 0,
            };
            let mut values: Vec<u32> = life.events.iter().filter(decides).map(|event| event.value).collect();
            values.sort_unstable();
            values.dedup();
            for value in values.into_iter().take(MAX_VALUES_EACH) {
                give(
                    value,
                    &mut life.events.iter().map(|event| Seen { is_other: event.value != value, ..plain(event) }),
                );
            }
        }
    }
}
