//! The JSON of a `RetentionQuery` as what it asks.

use super::breakdown::{Breakdown, in_cohort};
use super::entity::Entity;
use super::range::range;
use crate::insights::InsightError;
use crate::insights::ground::{Actor, Answered, EventRows, Ground, extremes};
use crate::insights::sql::{date_filter, field, joined, made, number, person_field};
use crate::model::query::{Interval, InvalidQuery, Reader, ResolvedRange};
use crate::sql::{Expr, ExprKind, Literal};
use crate::storage::ch::{Begins, RetentionQuestion, Sql, ValueOf};

const DEFAULT_INTERVALS: u32 = 8;
const MAX_INTERVALS: u32 = 366;
const MAX_BRACKETS: usize = 60;
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

/// A retention with its statement's parts.
#[derive(Debug)]
pub(super) struct Retention {
    pub actor: Actor,
    pub unit: &'static str,
    pub range: ResolvedRange,
    pub summed: Option<Summed>,
    /// How many values are shown, if there is a breakdown.
    pub shown: Option<u32>,
    /// Whether all other values are left out, rather than put together.
    pub hides_others: bool,
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
    ///
    /// # Errors
    /// If a field makes no sense, or a store does not answer.
    pub async fn read(ground: &Ground<'_>, answered: &mut Answered) -> Result<Self, InsightError> {
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
        let (start, since, fits) = match begins {
            Begins::EachInterval => (target.with_filters.clone(), Some(range.from), None),
            Begins::FirstFitting => (target.with_filters.clone(), None, None),
            Begins::FirstEver => (target.alone.clone(), None, Some(target.with_filters.clone())),
        };
        let place = ground.query.get("breakdownFilter")?;
        let breakdown = Breakdown::read(&place, ground)?;
        let value = match &breakdown {
            Some(Breakdown::Value(value, _)) => {
                let counted = joined(vec![start.clone(), returning.with_filters.clone()], true);
                let counted = EventRows::of(ground).only(counted).within(range.from, range.to);
                let found = extremes(ground, &[value], &counted, answered).await?;
                Some(value.text_or_empty(found.into_iter().next().flatten()))
            }
            _ => None,
        };

        let mut rows = actor.of(EventRows::of(ground), ground).column("at", field(&["timestamp"]));
        for (name, column) in [("value", value), ("amount", amount), ("returns", Some(returning.with_filters.clone()))]
        {
            rows = column.into_iter().fold(rows, |rows, column| rows.column(name, column));
        }
        rows = fits.into_iter().fold(rows, |rows, fits| rows.column("fits", fits));
        rows = rows.column("begins", start.clone());
        let in_range = date_filter(&["timestamp"], Some(range.from), None);
        // The first time of somebody may lie before the range; returns do not.
        let back = match since {
            None => joined(in_range.into_iter().chain([returning.with_filters.clone()]).collect(), false),
            Some(_) => Some(returning.with_filters.clone()),
        };
        rows = rows.only(date_filter(&["timestamp"], since, Some(range.to)));
        rows = rows.only(joined(back.into_iter().chain([start]).collect(), true));
        let parts = match &breakdown {
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
            shown: breakdown.as_ref().map(|_| Breakdown::read_limit(&place)).transpose()?,
            hides_others: place.get("breakdown_hide_other_aggregation")?.flag()?,
            parts,
            begins,
            is_from_moment,
            is_cumulative,
            minimum: filter.get("minimumOccurrences")?.count(1, MAX_MINIMUM)?.unwrap_or(1),
            lookahead: brackets.last().map_or(said, |last| last + 1),
            brackets,
            columns,
            begins_with_return: target.is_same(&returning),
            value: match breakdown {
                Some(Breakdown::Value(_, of)) => Some(of),
                _ => None,
            },
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
    let zero = made(ExprKind::Literal(Literal::Number(0.0)));
    Ok((Some(summed), Some(made(ExprKind::Coalesce(Box::new(number(property)), Box::new(zero))))))
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
}
