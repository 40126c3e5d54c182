//! The JSON of a `RetentionQuery` as what it asks.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::entity::Entity;
use super::range::range;
use crate::insights::InsightError;
use crate::insights::ground::{Actor, EventRows, Ground};
use crate::insights::sql::{date_filter, field, group_field, joined, made, person_field, text};
use crate::model::query::{Interval, InvalidQuery, Reader, ResolvedRange};
use crate::sql::{Expr, ExprKind, Literal, Span, parse_expr};
use crate::storage::ch::{Begins, RetentionQuestion, Sql, ValueOf};

const DEFAULT_INTERVALS: u32 = 8;
const MAX_INTERVALS: u32 = 366;
const MAX_BRACKETS: usize = 60;
const MAX_BREAKDOWN: u32 = 100;
const MAX_COHORTS: usize = 25;
const MAX_MINIMUM: u32 = 1_000_000;
const PERIODS: [(&str, Interval); 4] =
    [("Hour", Interval::Hour), ("Day", Interval::Day), ("Week", Interval::Week), ("Month", Interval::Month)];

/// What is summed of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Summed {
    Whole,
    /// For each person who was there.
    Average,
}

/// What an answer is broken down by.
#[derive(Debug)]
enum Breakdown {
    /// A value as text, and whose it is.
    Value(Expr, ValueOf),
    /// Cohorts by their numbers; 0 is everybody.
    Cohorts(Vec<u64>),
}

/// A retention with its statement's parts.
#[derive(Debug)]
pub(super) struct Retention {
    pub actor: Actor,
    pub unit: &'static str,
    pub range: ResolvedRange,
    pub summed: Option<Summed>,
    /// How many values are shown, if there is a breakdown.
    pub shown: Option<u32>,
    /// Events, for each cohort if it is broken down by those; then with the cohort's number.
    pub parts: Vec<(Option<String>, Sql)>,
    begins: Begins,
    is_from_moment: bool,
    is_cumulative: bool,
    minimum: u32,
    lookahead: u32,
    /// The last interval of each column after the first.
    brackets: Vec<u32>,
    /// The names of the columns.
    pub columns: Vec<String>,
    begins_with_return: bool,
    value: Option<ValueOf>,
}

impl Retention {
    /// Reads it.
    pub async fn read(ground: &Ground<'_>) -> Result<Self, InsightError> {
        let filter = ground.query.get("retentionFilter")?;
        let types = [
            ("retention_recurring", Begins::EachInterval),
            ("retention_first_time", Begins::FirstFitting),
            ("retention_first_ever_occurrence", Begins::FirstEver),
        ];
        let begins = filter.get("retentionType")?.word(&types)?.unwrap_or(Begins::EachInterval);
        let windows = [("strict_calendar_dates", false), ("24_hour_windows", true)];
        let is_from_moment = filter.get("timeWindowMode")?.word(&windows)?.unwrap_or(false);
        let cumulative = filter.get("cumulative")?;
        let is_cumulative = cumulative.flag()?;
        let (summed, amount) = summed(&filter)?;
        if is_cumulative && (is_from_moment || summed.is_some()) {
            let other = if is_from_moment { "24-hour windows" } else { "a sum or average" };
            return Err(cumulative.wrong(format!("cumulative retention cannot be asked for with {other}")).into());
        }
        let period = filter.get("period")?.word(&PERIODS)?.unwrap_or(Interval::Day);
        let unit = PERIODS.iter().find(|(_, interval)| *interval == period).map_or("Day", |(word, _)| word);
        let said = filter.get("totalIntervals")?.count(1, MAX_INTERVALS)?.unwrap_or(DEFAULT_INTERVALS);
        let widths = brackets(&filter.get("retentionCustomBrackets")?)?;
        let (brackets, columns) = columns(unit, said, &widths);
        let range = range(ground, period, said).await?;
        let target = Entity::read(&filter, "targetEntity", ground)?;
        let returning = Entity::read(&filter, "returningEntity", ground)?;
        let actor = Actor::read(&ground.query.get("aggregation_group_type_index")?)?;
        let place = ground.query.get("breakdownFilter")?;
        let breakdown = breakdown(&place)?;
        let shown = breakdown.as_ref().map(|_| place.get("breakdown_limit")?.count(1, MAX_BREAKDOWN)).transpose()?;

        let mut rows = actor.of(EventRows::of(ground), ground).column("at", field(&["timestamp"]));
        let mut value_of = None;
        if let Some(Breakdown::Value(value, of)) = &breakdown {
            rows = rows.column("value", value.clone());
            value_of = Some(*of);
        }
        if let Some(amount) = amount {
            rows = rows.column("amount", amount);
        }
        rows = rows.column("returns", returning.with_filters.clone());
        let in_range = date_filter(&["timestamp"], Some(range.from), None);
        let (start, since) = match begins {
            Begins::EachInterval => (target.with_filters.clone(), Some(range.from)),
            Begins::FirstFitting => (target.with_filters.clone(), None),
            Begins::FirstEver => {
                rows = rows.column("fits", target.with_filters.clone());
                (target.alone.clone(), None)
            }
        };
        rows = rows.column("begins", start.clone());
        // The first time of somebody may lie before the range; returns do not.
        let back = match since {
            None => joined(in_range.into_iter().chain([returning.with_filters.clone()]).collect(), false),
            Some(_) => Some(returning.with_filters.clone()),
        };
        rows = rows.only(date_filter(&["timestamp"], since, Some(range.to)));
        rows = rows.only(joined(back.into_iter().chain([start]).collect(), true));
        let parts = match breakdown {
            Some(Breakdown::Cohorts(cohorts)) => {
                let part =
                    |id: &u64| Ok((Some(id.to_string()), rows.clone().only(in_cohort(*id, ground)?).sql(ground)?));
                cohorts.iter().map(part).collect::<Result<_, InvalidQuery>>()?
            }
            _ => vec![(None, rows.sql(ground)?)],
        };
        Ok(Self {
            actor,
            unit,
            summed,
            shown: shown.map(|limit| limit.unwrap_or(25)),
            parts,
            begins,
            is_from_moment,
            is_cumulative,
            minimum: filter.get("minimumOccurrences")?.count(1, MAX_MINIMUM)?.unwrap_or(1),
            lookahead: brackets.last().map_or(said, |last| last + 1),
            brackets,
            columns,
            begins_with_return: target.is_same(&returning),
            value: value_of,
            range,
        })
    }

    /// What the store is asked of these events.
    pub fn question<'q>(&'q self, events: &'q Sql) -> RetentionQuestion<'q> {
        RetentionQuestion {
            counted: self.actor.counted(),
            range: &self.range,
            begins: self.begins,
            lookahead: self.lookahead,
            is_from_moment: self.is_from_moment,
            is_cumulative: self.is_cumulative,
            minimum: self.minimum,
            brackets: &self.brackets,
            summed: self.summed.map(|_| self.begins_with_return),
            value: self.value,
            events,
        }
    }
}

/// What is summed, and the number that an event adds.
fn summed(filter: &Reader<'_>) -> Result<(Option<Summed>, Option<Expr>), InvalidQuery> {
    let words = [("count", None), ("sum", Some(Summed::Whole)), ("avg", Some(Summed::Average))];
    let Some(summed) = filter.get("aggregationType")?.word(&words)?.flatten() else { return Ok((None, None)) };
    let place = filter.get("aggregationProperty")?;
    let key = place.text()?.filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| place.wrong("the property that is summed is needed"))?;
    let of_person =
        filter.get("aggregationPropertyType")?.word(&[("event", false), ("person", true)])?.unwrap_or(false);
    let property = if of_person { person_field(key) } else { field(&["properties", key]) };
    let number = Expr::call("toFloat", vec![property], Span::default());
    let zero = made(ExprKind::Literal(Literal::Number(0.0)));
    Ok((Some(summed), Some(made(ExprKind::Coalesce(Box::new(number), Box::new(zero))))))
}

/// How many intervals each column after the first is wide.
fn brackets(place: &Reader<'_>) -> Result<Vec<u32>, InvalidQuery> {
    let items = place.items()?;
    if items.len() > MAX_BRACKETS {
        return Err(place.wrong(format!("at most {MAX_BRACKETS} brackets can be asked for")));
    }
    let widths: Vec<u32> = items
        .iter()
        .map(|item| item.count(1, MAX_INTERVALS)?.ok_or_else(|| item.wrong("a number is needed here")))
        .collect::<Result<_, _>>()?;
    if widths.iter().sum::<u32>() > MAX_INTERVALS {
        return Err(place.wrong(format!("at most {MAX_INTERVALS} intervals can be looked at")));
    }
    Ok(widths)
}

/// The last interval of each column if columns are wider than one, and the names of all.
fn columns(unit: &str, said: u32, widths: &[u32]) -> (Vec<u32>, Vec<String>) {
    if widths.is_empty() {
        return (Vec::new(), (0..said).map(|at| format!("{unit} {at}")).collect());
    }
    let mut last = 0;
    let mut ends = Vec::new();
    let mut names = vec![format!("{unit} 0")];
    for width in widths {
        let first = last + 1;
        last += width;
        ends.push(last);
        names.push(if *width == 1 { format!("{unit} {first}") } else { format!("{unit} {first}-{last}") });
    }
    (ends, names)
}

fn breakdown(place: &Reader<'_>) -> Result<Option<Breakdown>, InvalidQuery> {
    let several = place.get("breakdowns")?;
    let items = several.items()?;
    let (key, kind, group, several) = match items.as_slice() {
        [] => (
            place.get("breakdown")?,
            place.get("breakdown_type")?,
            place.get("breakdown_group_type_index")?,
            Vec::new(),
        ),
        [one, rest @ ..] => (one.get("property")?, one.get("type")?, one.get("group_type_index")?, rest.to_vec()),
    };
    if key.is_missing() {
        return Ok(None);
    }
    if kind.text()? == Some("cohort") {
        let mut ids = match key.value() {
            Some(Value::Array(_)) => key.items()?.iter().map(cohort).collect::<Result<Vec<_>, _>>()?,
            _ => vec![cohort(&key)?],
        };
        for other in &several {
            if other.get("type")?.text()? != Some("cohort") {
                return Err(other.get("type")?.wrong("cohorts cannot be broken down by something else too"));
            }
            ids.push(cohort(&other.get("property")?)?);
        }
        if ids.len() > MAX_COHORTS {
            return Err(key.wrong(format!("at most {MAX_COHORTS} cohorts can be compared")));
        }
        // One that is named twice is one.
        let mut known = HashSet::new();
        ids.retain(|id| known.insert(*id));
        return Ok(Some(Breakdown::Cohorts(ids)));
    }
    if let Some(second) = several.first() {
        return Err(second.wrong("retention can be broken down by one property"));
    }
    let name = match key.value() {
        Some(Value::Array(_)) => match key.items()?.as_slice() {
            [one] => one.text()?,
            _ => return Err(key.wrong("retention can be broken down by one property")),
        },
        _ => key.text()?,
    };
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| key.wrong("the property's key is needed"))?;
    let value = match kind.text()? {
        None | Some("event") => field(&["properties", name]),
        Some("person") => person_field(name),
        Some("session") => field(&["session", name]),
        Some("group") => group_field(&group, name)?,
        Some("event_metadata") => field(&[name]),
        Some("hogql") => parse_expr(name).map_err(|error| key.wrong(error.describe(name)))?,
        Some(other) => return Err(kind.wrong(format!("retention cannot be broken down by {other} yet"))),
    };
    let of = if kind.text()? == Some("person") { ValueOf::Person } else { ValueOf::Event };
    let shown = Expr::call("toString", vec![value], Span::default());
    Ok(Some(Breakdown::Value(made(ExprKind::Coalesce(Box::new(shown), Box::new(text("")))), of)))
}

fn cohort(place: &Reader<'_>) -> Result<u64, InvalidQuery> {
    match place.value() {
        Some(Value::Number(id)) => id.as_u64(),
        Some(Value::String(id)) if id == "all" => Some(0),
        Some(Value::String(id)) => id.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| place.wrong("the number of a cohort is needed, or \"all\""))
}

/// The condition that somebody is in a cohort; none for everybody.
fn in_cohort(id: u64, ground: &Ground<'_>) -> Result<Option<Expr>, InvalidQuery> {
    if id == 0 {
        return Ok(None);
    }
    let filters = json!([{ "type": "cohort", "key": "id", "value": id }]);
    let found = ground.filters(&Reader::new(&filters));
    found.map_err(|error| InvalidQuery::new("breakdownFilter", error.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_named_by_the_intervals_they_hold() {
        let (ends, names) = columns("Week", 8, &[1, 3, 2]);
        assert_eq!(ends, [1, 4, 6]);
        assert_eq!(names, ["Week 0", "Week 1", "Week 2-4", "Week 5-6"]);
        assert_eq!(columns("Day", 2, &[]), (vec![], vec!["Day 0".to_owned(), "Day 1".to_owned()]));
    }

    #[test]
    fn what_cannot_be_broken_down_by_is_refused_by_its_field() {
        let refused = |value: Value| breakdown(&Reader::new(&value)).map(|_| ()).map_err(|error| error.field);
        assert_eq!(refused(json!({})), Ok(()));
        assert_eq!(refused(json!({ "breakdown": 5 })), Err("breakdown".to_owned()));
        assert_eq!(refused(json!({ "breakdown": "a", "breakdown_type": "x" })), Err("breakdown_type".to_owned()));
        assert_eq!(
            refused(json!({ "breakdowns": [{ "property": "a" }, { "property": "b" }] })),
            Err("breakdowns[1]".to_owned())
        );
        assert_eq!(refused(json!({ "breakdown": ["x"], "breakdown_type": "cohort" })), Err("breakdown[0]".to_owned()));
        assert_eq!(refused(json!({ "breakdown": ["all", 3], "breakdown_type": "cohort" })), Ok(()));
    }

    #[test]
    fn a_cohort_that_is_named_twice_is_counted_once() {
        let query = json!({ "breakdown": [3, "all", "3", 0, 5], "breakdown_type": "cohort" });
        let Ok(Some(Breakdown::Cohorts(ids))) = breakdown(&Reader::new(&query)) else { panic!("cohorts") };
        assert_eq!(ids, [3, 0, 5]);
    }
}
