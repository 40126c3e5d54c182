//! What people did, as a condition on people: `{"type": "behavioral", "value": "performed_event", …}` of a cohort.
//!
//! Only people with a profile can be in a cohort; what they did before they had one counts. Where events are counted, those
//! of each stored number are counted first and put together after merges.

use jiff::Timestamp;

use crate::insights::sql::{
    FilterTarget, PropertyTypes, call, compare, date_filter, field, filters_to_expr, joined, made, not, text,
};
use crate::model::query::{DateBound, InvalidQuery, RangeUnit, Reader};
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Query, Select, SelectItem, SourceKind, Span, parse_query};

use super::action_at;
use super::cohort::{inside, moment};

/// Longest window, in its unit, and most periods of a habit.
const MAX_TIME_VALUE: u32 = 10_000;
const MAX_PERIODS: u32 = 60;
const MAX_TIMES: u32 = 1_000_000;

const UNITS: &[(&str, RangeUnit)] = &[
    ("minute", RangeUnit::Minute),
    ("hour", RangeUnit::Hour),
    ("day", RangeUnit::Day),
    ("week", RangeUnit::Week),
    ("month", RangeUnit::Month),
    ("year", RangeUnit::Year),
];

/// What somebody must have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Did,
    DidSoOften,
    DidFirst,
    DidInSequence,
    DidRegularly,
    Stopped,
    Restarted,
}

const KINDS: &[(&str, Kind)] = &[
    ("performed_event", Kind::Did),
    ("performed_event_multiple", Kind::DidSoOften),
    ("performed_event_first_time", Kind::DidFirst),
    ("performed_event_sequence", Kind::DidInSequence),
    ("performed_event_regularly", Kind::DidRegularly),
    ("stopped_performing_event", Kind::Stopped),
    ("restarted_performing_event", Kind::Restarted),
];

const OPERATORS: &[(&str, &str)] = &[
    ("gte", ">="),
    ("lte", "<="),
    ("gt", ">"),
    ("lt", "<"),
    ("eq", "="),
    ("exact", "="),
    ("min", ">="),
    ("max", "<="),
];

/// The condition on people.
///
/// # Errors
/// If a field makes no sense; the error names it.
pub fn behaviour(place: &Reader<'_>, types: &PropertyTypes) -> Result<Expr, InvalidQuery> {
    let value = place.get("value")?;
    let kind = value.word(KINDS)?.ok_or_else(|| value.wrong("what people did is needed"))?;
    let event = event(place, "key", "event_type", "event_filters", types)?;
    let now = types.now().timestamp();
    match kind {
        Kind::Did | Kind::DidSoOften => {
            let (from, to) = window(place, types)?;
            let found = condition(&event, from, to);
            let times = match kind {
                Kind::DidSoOften => Times::read(place)?,
                _ => Times { operator: ">=", number: 1 },
            };
            let counted = [("n", call("count", Vec::new()))];
            // Nobody of whom there is no event is found; who did it never is everybody else.
            if times.is_never() {
                return Ok(not(among(who(found, &counted, "sum(d.n) >= 1")?)));
            }
            let having = format!("sum(d.n) >= 1 and sum(d.n) {} {}", times.operator, times.number);
            Ok(among(who(found, &counted, &having)?))
        }
        Kind::DidFirst => {
            let (from, to) = window(place, types)?;
            let first = [("earliest", call("min", vec![field(&["timestamp"])]))];
            let having = format!("min(d.earliest) >= '{from}' and min(d.earliest) < '{to}'");
            Ok(among(who(event, &first, &having)?))
        }
        Kind::Stopped | Kind::Restarted => {
            let start = ago(place, "time_value", "time_interval", types)?;
            let recent = ago(place, "seq_time_value", "seq_time_interval", types)?;
            if start >= recent {
                return Err(place.get("seq_time_value")?.wrong("this must be less long ago than time_value"));
            }
            let counted = [
                ("before", count_if(None, Some(start))),
                ("amid", count_if(Some(start), Some(recent))),
                ("lately", count_if(Some(recent), None)),
            ];
            let (from, having) = match kind {
                Kind::Stopped => (Some(start), "sum(d.amid) > 0 and sum(d.lately) = 0"),
                _ => (None, "sum(d.before) > 0 and sum(d.amid) = 0 and sum(d.lately) > 0"),
            };
            let found = joined(
                [Some(event), date_filter(&["timestamp"], from, Some(now))].into_iter().flatten().collect(),
                false,
            );
            Ok(among(who(found.expect("the event is said"), &counted, having)?))
        }
        Kind::DidRegularly => regularly(place, event, types),
        Kind::DidInSequence => {
            let (from, to) = window(place, types)?;
            let then = self::event(place, "seq_event", "seq_event_type", "seq_event_filters", types)?;
            let within = place.get("seq_time_value")?;
            let count = number(&within, 1, MAX_TIME_VALUE)?.ok_or_else(|| within.wrong("how long after is needed"))?;
            let unit = place.get("seq_time_interval")?.word(UNITS)?.unwrap_or(RangeUnit::Day);
            sequence(event, then, (from, to), count, unit)
        }
    }
}

struct Times {
    operator: &'static str,
    number: u32,
}

impl Times {
    fn read(place: &Reader<'_>) -> Result<Self, InvalidQuery> {
        let value = place.get("operator_value")?;
        let number = number(&value, 0, MAX_TIMES)?.ok_or_else(|| value.wrong("how often is needed"))?;
        Ok(Self { operator: place.get("operator")?.word(OPERATORS)?.unwrap_or(">="), number })
    }

    /// Whether this asks for those who did not do it at all.
    fn is_never(&self) -> bool {
        matches!((self.operator, self.number), ("=" | "<=", 0) | ("<", 0 | 1))
    }
}

/// A whole number, also as digits in a text, as forms send it.
fn number(place: &Reader<'_>, low: u32, high: u32) -> Result<Option<u32>, InvalidQuery> {
    match place.value() {
        Some(serde_json::Value::String(text)) => match text.trim().parse() {
            Ok(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(place.wrong(format!("a whole number from {low} to {high} is needed here"))),
        },
        _ => place.count(low, high),
    }
}

/// What an event of it must be.
fn event(
    place: &Reader<'_>,
    key: &str,
    event_type: &str,
    filters: &str,
    types: &PropertyTypes,
) -> Result<Expr, InvalidQuery> {
    let key = place.get(key)?;
    let is_action = place.get(event_type)?.word(&[("events", false), ("actions", true)])?.unwrap_or(false);
    let event = if is_action {
        action_at(&key, types)?.1
    } else {
        let name = key.text()?.filter(|name| !name.is_empty()).ok_or_else(|| key.wrong("an event is needed"))?;
        compare(CompareOp::Equal, field(&["event"]), text(name))
    };
    let filters = filters_to_expr(&place.get(filters)?, FilterTarget::Events, types)?;
    Ok(joined([Some(event), filters].into_iter().flatten().collect(), false).expect("the event is said"))
}

/// From when to when: `explicit_datetime` and `explicit_datetime_to`, or the last so many of a unit.
fn window(place: &Reader<'_>, types: &PropertyTypes) -> Result<(Timestamp, Timestamp), InvalidQuery> {
    let bound = |name: &str| -> Result<Option<Timestamp>, InvalidQuery> {
        let place = place.get(name)?;
        let Some(said) = place.text()?.filter(|text| !text.is_empty()) else { return Ok(None) };
        let bound: DateBound = said.parse().map_err(|error| place.wrong(format!("{error}")))?;
        match bound {
            DateBound::All => Ok(None),
            bound => types.moment(&bound).map(Some).ok_or_else(|| place.wrong("this is too long ago")),
        }
    };
    let to = bound("explicit_datetime_to")?.unwrap_or_else(|| types.now().timestamp());
    let from = match bound("explicit_datetime")? {
        Some(from) => from,
        None if !place.get("explicit_datetime")?.is_missing() => Timestamp::UNIX_EPOCH,
        None => ago(place, "time_value", "time_interval", types)?,
    };
    if from >= to {
        return Err(place.wrong("the window ends before it starts"));
    }
    Ok((from, to))
}

/// So many of a unit before now.
fn ago(place: &Reader<'_>, value: &str, unit: &str, types: &PropertyTypes) -> Result<Timestamp, InvalidQuery> {
    let value = place.get(value)?;
    let count = number(&value, 1, MAX_TIME_VALUE)?.ok_or_else(|| value.wrong("how long ago is needed"))?;
    let unit = place.get(unit)?.word(UNITS)?.unwrap_or(RangeUnit::Day);
    before(&value, types, count.cast_signed(), unit)
}

fn before(place: &Reader<'_>, types: &PropertyTypes, count: i32, unit: RangeUnit) -> Result<Timestamp, InvalidQuery> {
    let at = types.now().checked_sub(unit.span(count));
    at.map(|at| at.timestamp()).map_err(|_| place.wrong("this is too long ago"))
}

fn condition(event: &Expr, from: Timestamp, to: Timestamp) -> Expr {
    let parts = [Some(event.clone()), date_filter(&["timestamp"], Some(from), Some(to))];
    joined(parts.into_iter().flatten().collect(), false).expect("the event is said")
}

fn count_if(from: Option<Timestamp>, to: Option<Timestamp>) -> Expr {
    let within = date_filter(&["timestamp"], from, to).expect("there is a bound");
    call("countIf", vec![within])
}

/// In so many of the last periods, the event so often.
fn regularly(place: &Reader<'_>, event: Expr, types: &PropertyTypes) -> Result<Expr, InvalidQuery> {
    let total = place.get("total_periods")?;
    let periods = number(&total, 1, MAX_PERIODS)?.ok_or_else(|| total.wrong("the number of periods is needed"))?;
    let least = place.get("min_periods")?;
    let at_least = number(&least, 1, periods)?.ok_or_else(|| least.wrong("the number of periods is needed"))?;
    let value = place.get("time_value")?;
    let each = number(&value, 1, MAX_TIME_VALUE)?.ok_or_else(|| value.wrong("how long a period is is needed"))?;
    let unit = place.get("time_interval")?.word(UNITS)?.unwrap_or(RangeUnit::Day);
    let times = Times::read(place)?;
    let mut bounds = Vec::new();
    for number in 0..=periods {
        bounds.push(before(&total, types, (each * number).cast_signed(), unit)?);
    }
    let names: Vec<String> = (0..periods).map(|number| format!("n{number}")).collect();
    let counted: Vec<(&str, Expr)> = names
        .iter()
        .zip(bounds.windows(2))
        .map(|(name, edges)| (name.as_str(), count_if(Some(edges[1]), Some(edges[0]))))
        .collect();
    let held: Vec<String> =
        names.iter().map(|name| format!("if(sum(d.{name}) {} {}, 1, 0)", times.operator, times.number)).collect();
    let having = format!("{} >= {at_least}", held.join(" + "));
    let found = condition(&event, *bounds.last().expect("there is one"), bounds[0]);
    Ok(among(who(found, &counted, &having)?))
}

/// The numbers of people: of events for which a condition holds, what is counted of each stored number, put together.
fn who(condition: Expr, counted: &[(&str, Expr)], having: &str) -> Result<Query, InvalidQuery> {
    let mut events = ours("select stored_person_number as stored from events group by stored_person_number")?;
    events.filter = Some(condition);
    events
        .items
        .extend(counted.iter().map(|(name, expr)| SelectItem { expr: expr.clone(), alias: Some((*name).to_owned()) }));
    let outer = format!(
        "select w.number as number from events as d inner join person_numbers as w on w.stored = d.stored \
         group by w.number having {having}"
    );
    Ok(reading(ours(&outer)?, events))
}

/// First one event and then the other, so long after at most.
fn sequence(
    first: Expr,
    then: Expr,
    (from, to): (Timestamp, Timestamp),
    count: u32,
    unit: RangeUnit,
) -> Result<Expr, InvalidQuery> {
    let null = made(ExprKind::Literal(Literal::Null));
    let either = made(ExprKind::Or(vec![first.clone(), then.clone()]));
    let mut events = ours(
        "select person_number as number, timestamp as at, 1 as is_first, min(at) over (partition by person_number \
         order by timestamp rows between 1 following and unbounded following) as next from events",
    )?;
    events.filter =
        joined([Some(either), date_filter(&["timestamp"], Some(from), None)].into_iter().flatten().collect(), false);
    events.items[2].expr = first;
    if let ExprKind::Call { args, .. } = &mut events.items[3].expr.kind {
        *args = vec![made(ExprKind::If(Box::new(then), Box::new(field(&["timestamp"])), Box::new(null)))];
    }
    let add = match unit {
        RangeUnit::Minute => "addMinutes",
        RangeUnit::Hour => "addHours",
        RangeUnit::Day => "addDays",
        RangeUnit::Week => "addWeeks",
        RangeUnit::Month | RangeUnit::Quarter => "addMonths",
        RangeUnit::Year => "addYears",
    };
    let outer = format!(
        "select d.number as number from events as d where d.is_first and d.at < x and d.next <= {add}(d.at, {count}) \
         group by d.number"
    );
    let mut outer = ours(&outer)?;
    if let Some(Expr { kind: ExprKind::And(parts), .. }) = &mut outer.filter {
        parts[1] = compare(CompareOp::Less, field(&["d", "at"]), moment(to));
    }
    Ok(among(reading(outer, events)))
}

fn among(numbers: Query) -> Expr {
    inside(field(&["number"]), numbers)
}

/// A question of ours; its numbers and moments are values in it.
fn ours(text: &str) -> Result<Select, InvalidQuery> {
    match parse_query(text) {
        Ok(Query::Select(select)) => Ok(*select),
        Ok(Query::Set { .. }) => Err(InvalidQuery::new("filters", "a question of ours is not one")),
        Err(error) => Err(InvalidQuery::new("filters", error.describe(text))),
    }
}

/// A question over the rows of another.
fn reading(mut outer: Select, rows: Select) -> Query {
    if let Some(from) = &mut outer.from {
        from.first.kind = SourceKind::Query(Box::new(Query::Select(Box::new(rows))));
        from.first.span = Span::default();
    }
    Query::Select(Box::new(outer))
}
