//! What a series counts: its `math`.

use crate::insights::ground::{Actor, Entity, EventRows, Ground, SeriesNode};
use crate::insights::sql::{PropertyTypes, field, joined, made, number, person_field, without_name};
use crate::model::query::{Interval, InvalidQuery, Reader};
use crate::sql::{Expr, ExprKind, Literal, Span};
use crate::storage::ch::hogql::{PropertyType, has_aggregate};
use crate::storage::ch::{Counted, Statistic, TrendCount};

/// What a series counts, and of what.
#[derive(Debug, Clone)]
pub struct Measure {
    pub count: TrendCount,
    whom: Whom,
    /// The number of an event, or of many by an expression that the sender wrote.
    pub value: Option<Expr>,
    /// Of [`TrendCount::First`], which of them must fit; none if all do.
    fits: Option<Expr>,
    /// Of [`TrendCount::Active`], how many days its window has.
    pub days: u32,
    /// What its numbers are multiplied by.
    pub multiplier: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Nobody,
    Actor(Actor),
    Session,
}

const STATISTICS: [(&str, Statistic); 9] = [
    ("sum", Statistic::Sum),
    ("avg", Statistic::Average),
    ("min", Statistic::Least),
    ("max", Statistic::Most),
    ("median", Statistic::Median),
    ("p75", Statistic::P75),
    ("p90", Statistic::P90),
    ("p95", Statistic::P95),
    ("p99", Statistic::P99),
];

impl Measure {
    /// Reads `math` and what belongs to it.
    ///
    /// # Errors
    /// If it is not known, or what it needs is missing.
    pub fn read(node: &SeriesNode<'_>, ground: &Ground<'_>, interval: Interval) -> Result<Self, InvalidQuery> {
        let place = node.place.get("math")?;
        let group = node.place.get("math_group_type_index")?;
        let actor = Actor::of_series(&node.place, &ground.query)?;
        let of = |count, whom| Self { count, whom, value: None, fits: None, days: 0, multiplier: 1.0 };
        let active = |days| {
            let parts = match interval {
                Interval::Minute => 24 * 60,
                Interval::Hour => 24,
                Interval::Day | Interval::Week | Interval::Month => 1,
            };
            Self { days, ..of(TrendCount::Active(days * parts), Whom::Actor(actor)) }
        };
        let word = place.text()?.unwrap_or("total");
        let mut measure = match word {
            "total" => of(TrendCount::Rows, Whom::Nobody),
            "dau" => of(TrendCount::Actors, Whom::Actor(actor)),
            "weekly_active" if interval == Interval::Week => of(TrendCount::Actors, Whom::Actor(actor)),
            "monthly_active" if interval == Interval::Month => of(TrendCount::Actors, Whom::Actor(actor)),
            "weekly_active" => active(7),
            "monthly_active" => active(30),
            "unique_session" => of(TrendCount::Actors, Whom::Session),
            "unique_group" if actor == Actor::Person => return Err(group.wrong("the type of the groups is needed")),
            "unique_group" => of(TrendCount::Actors, Whom::Actor(actor)),
            "first_time_for_user" => {
                let mut fits = ground.conditions.clone();
                if matches!(node.entity, Entity::Several(_)) {
                    // Each of them has filters of its own.
                    fits.extend(node.condition.clone());
                } else {
                    for name in ["properties", "fixedProperties"] {
                        fits.extend(ground.filters(&node.place.get(name)?)?);
                    }
                }
                Self { fits: joined(fits, false), ..of(TrendCount::First, Whom::Actor(actor)) }
            }
            "first_matching_event_for_user" => of(TrendCount::First, Whom::Actor(actor)),
            "hogql" => {
                let place = node.place.get("math_hogql")?;
                let said = place.text()?.ok_or_else(|| place.wrong("an expression is needed here"))?;
                let expr = without_name(said, &place)?;
                if !has_aggregate(&expr) {
                    return Err(
                        place.wrong("an expression over all events is needed, such as count() or sum(properties.x)")
                    );
                }
                Self { value: Some(number(expr)), ..of(TrendCount::Given, Whom::Nobody) }
            }
            other => match other.strip_suffix("_count_per_actor").map_or((other, false), |word| (word, true)) {
                (word, true) if word != "sum" => match statistic(word) {
                    Some(statistic) => of(TrendCount::PerActor(statistic), Whom::Actor(actor)),
                    None => return Err(unknown(&place, other)),
                },
                (word, false) => match statistic(word) {
                    Some(statistic) => of_property(statistic, node, &ground.types)?,
                    None => return Err(unknown(&place, other)),
                },
                _ => return Err(unknown(&place, other)),
            },
        };
        let place = node.place.get("math_multiplier")?;
        if let Some(value) = place.value() {
            let multiplier = value.as_f64().filter(|number| number.is_finite() && *number != 0.0);
            measure.multiplier = multiplier.ok_or_else(|| place.wrong("a number other than 0 is needed here"))?;
        }
        let currency = node.place.get("math_property_revenue_currency")?;
        if !currency.is_missing() {
            return Err(currency.wrong("currencies cannot be converted here"));
        }
        Ok(measure)
    }

    /// What the store is told of [`TrendCount`]'s actors.
    #[must_use]
    pub fn counted(&self) -> Counted {
        match self.whom {
            Whom::Actor(actor) => actor.counted(),
            Whom::Session | Whom::Nobody => Counted::Groups,
        }
    }

    /// Whether it counts people or groups, each once a bucket: where buckets add up, each once at all.
    #[must_use]
    pub fn counts_actors(&self) -> bool {
        self.count == TrendCount::Actors && matches!(self.whom, Whom::Actor(_))
    }

    /// The events it counts, with what it needs of them; conditions of the question are in there already.
    #[must_use]
    pub fn rows(&self, node: &SeriesNode<'_>, ground: &Ground<'_>) -> EventRows {
        let session = || field(&["$session_id"]);
        let rows = if self.fits.is_some() {
            let one = |n| made(ExprKind::Literal(Literal::Whole(n)));
            let fits = self
                .fits
                .clone()
                .map_or_else(|| one(1), |fits| Expr::call("if", vec![fits, one(1), one(0)], Span::default()));
            EventRows::all().only(node.is_it.clone()).column("fits", fits)
        } else {
            let rows = EventRows::of(ground).only(node.condition.clone());
            if self.count == TrendCount::First {
                rows.column("fits", made(ExprKind::Literal(Literal::Whole(1))))
            } else {
                rows
            }
        };
        let rows = match self.whom {
            Whom::Actor(actor) => actor.of(rows, ground),
            Whom::Session => rows.column("actor", session()).only([is_in_session()]),
            Whom::Nobody => rows,
        };
        match (self.count, &self.value) {
            (TrendCount::Numbers(_), Some(value)) => rows.column("value", value.clone()),
            (TrendCount::SessionNumbers(_), Some(value)) => {
                rows.column("value", value.clone()).column("session", session()).only([is_in_session()])
            }
            _ => rows,
        }
    }

    /// The events of a number as those of who is behind it: groups if it counts them, else people.
    #[must_use]
    pub fn people(&self, node: &SeriesNode<'_>, ground: &Ground<'_>) -> EventRows {
        if let Whom::Actor(_) = self.whom {
            return self.rows(node, ground);
        }
        let rows = EventRows::of(ground).only(node.condition.clone());
        let rows = rows.column("actor", field(&["stored_person_number"]));
        let is_session = matches!(self.count, TrendCount::SessionNumbers(_)) || self.whom == Whom::Session;
        rows.only(is_session.then(is_in_session))
    }

    /// What the store is told of those behind a number.
    #[must_use]
    pub fn people_counted(&self) -> Counted {
        if self.group_index().is_some() { Counted::Groups } else { Counted::People }
    }

    /// The type of the groups that it counts, if it counts groups.
    #[must_use]
    pub fn group_index(&self) -> Option<usize> {
        match self.whom {
            Whom::Actor(actor) => actor.group_index(),
            Whom::Session | Whom::Nobody => None,
        }
    }
}

fn statistic(word: &str) -> Option<Statistic> {
    STATISTICS.iter().find(|(known, _)| *known == word).map(|(_, statistic)| *statistic)
}

fn unknown(place: &Reader<'_>, word: &str) -> InvalidQuery {
    place.wrong(format!(
        "{word:?} is not known here; total, dau, weekly_active, monthly_active, unique_session, unique_group, \
         first_time_for_user, first_matching_event_for_user, hogql, sum, avg, min, max, median, p75, p90, p95, p99 and the \
         same with _count_per_actor are"
    ))
}

fn of_property(statistic: Statistic, node: &SeriesNode<'_>, types: &PropertyTypes) -> Result<Measure, InvalidQuery> {
    let place = node.place.get("math_property")?;
    let key = place.text()?.filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| place.wrong("the property whose values are counted is needed"))?;
    let kind = node.place.get("math_property_type")?;
    let said =
        kind.text()?.unwrap_or(if key == "$session_duration" { "session_properties" } else { "event_properties" });
    let is_number = |ty: Option<PropertyType>| ty == Some(PropertyType::Numeric);
    let plain = |expr, is_number| if is_number { expr } else { number(expr) };
    let (count, value) = match said {
        "event_properties" | "numerical_event_properties" if key == "$session_duration" => {
            (TrendCount::SessionNumbers(statistic), number(field(&["session", key])))
        }
        "event_properties" | "numerical_event_properties" => {
            (TrendCount::Numbers(statistic), plain(field(&["properties", key]), is_number(types.event(key))))
        }
        "person_properties" => {
            let value = person_field(key);
            (TrendCount::Numbers(statistic), plain(value, is_number(types.person(key))))
        }
        "session_properties" => (TrendCount::SessionNumbers(statistic), number(field(&["session", key]))),
        other => {
            return Err(kind.wrong(format!(
                "{other:?} cannot be counted here; event_properties, person_properties and session_properties can"
            )));
        }
    };
    Ok(Measure { count, whom: Whom::Nobody, value: Some(value), fits: None, days: 0, multiplier: 1.0 })
}

/// Whether an event belongs to a session: without one, its id is null or empty.
fn is_in_session() -> Expr {
    Expr::call("notEmpty", vec![field(&["$session_id"])], Span::default())
}
