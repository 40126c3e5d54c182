//! By what a funnel is broken down, and which of a person's values decides.

use serde_json::{Value, json};

use super::rules::StepOrder;
use crate::insights::ground::{CohortPart, Ground, cleaned_path, path_rules};
use crate::insights::sql::{field, group_field, person_field, text};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{Expr, Span, parse_expr};
use crate::storage::ch::PathRule;

/// How many values are shown if that is not said, and at most.
const DEFAULT_LIMIT: u32 = 25;
const MAX_LIMIT: u32 = 1_000;
const MAX_BREAKDOWNS: usize = 3;

/// Which of a person's values decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attribution {
    /// The first that a step has.
    #[default]
    FirstTouch,
    LastTouch,
    /// Every value by itself: only events with the same value make a funnel.
    AllEvents,
    /// That of one step.
    Step(usize),
}

/// By what.
#[derive(Debug, Clone)]
pub enum By {
    /// What is read of an event: texts, empty where there is nothing.
    Values(Vec<Expr>),
    /// The people of each cohort by themselves; their value is its number.
    Cohorts(Vec<CohortPart>),
}

/// A breakdown.
#[derive(Debug, Clone)]
pub struct FunnelBreakdown {
    pub by: By,
    pub attribution: Attribution,
    /// How many values are told from others; none if all are.
    pub limit: Option<usize>,
    /// Whether all other values are left out, rather than put together.
    pub hides_other: bool,
}

impl FunnelBreakdown {
    /// Reads it; none if nothing is broken down.
    ///
    /// # Errors
    /// If a field makes no sense.
    pub fn read(
        ground: &Ground<'_>,
        filter: &Reader<'_>,
        steps: usize,
        order: StepOrder,
    ) -> Result<Option<Self>, InvalidQuery> {
        let place = ground.query.get("breakdownFilter")?;
        let one = place.get("breakdown")?;
        if let Some(cohorts) = cohorts(&place, ground)? {
            // Whoever is in a cohort is so at each of their events: no event decides.
            attribution(filter, steps, order)?;
            let is_any = !cohorts.is_empty();
            let breakdown = Self {
                by: By::Cohorts(cohorts),
                attribution: Attribution::FirstTouch,
                limit: None,
                hides_other: false,
            };
            return Ok(is_any.then_some(breakdown));
        }
        let mut kinds = Vec::new();
        let rules = match place.get("breakdown_path_cleaning")?.flag()? {
            true => path_rules(&ground.context.settings.path_cleaning_filters),
            false => Vec::new(),
        };
        let values = match place.get("breakdowns")? {
            several if !several.is_missing() => {
                let items = several.items()?;
                check_width(&several, items.len())?;
                let read = |item: &Reader<'_>| {
                    let kind = item.get("type")?.text()?.unwrap_or("event");
                    kinds.push(kind.to_owned());
                    read_value(
                        &item.get("property")?,
                        kind,
                        &item.get("group_type_index")?,
                        &item.get("normalize_url")?,
                        &rules,
                    )
                };
                items.iter().map(read).collect::<Result<Vec<_>, _>>()?
            }
            _ => {
                let kind = place.get("breakdown_type")?.text()?.unwrap_or("event");
                let group = place.get("breakdown_group_type_index")?;
                let is_url = place.get("breakdown_normalize_url")?;
                kinds.push(kind.to_owned());
                let items = match one.value() {
                    None => Vec::new(),
                    Some(Value::String(none)) if none.is_empty() => Vec::new(),
                    Some(Value::Array(_)) => one.items()?,
                    Some(_) => vec![one.clone()],
                };
                check_width(&one, items.len())?;
                items
                    .iter()
                    .map(|item| read_value(item, kind, &group, &is_url, &rules))
                    .collect::<Result<Vec<_>, _>>()?
            }
        };
        if values.is_empty() {
            return Ok(None);
        }
        let limit = place.get("breakdown_limit")?.count(1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        // Expressions are taken to have few values.
        let is_limited = kinds.iter().any(|kind| !matches!(kind.as_str(), "hogql" | "event_metadata"));
        Ok(Some(Self {
            by: By::Values(values),
            attribution: attribution(filter, steps, order)?,
            limit: is_limited.then_some(limit as usize),
            hides_other: place.get("breakdown_hide_other_aggregation")?.flag()?,
        }))
    }

    /// What is read of an event.
    #[must_use]
    pub fn values(&self) -> &[Expr] {
        match &self.by {
            By::Values(values) => values,
            By::Cohorts(_) => &[],
        }
    }

    /// The cohorts whose people are followed by themselves.
    #[must_use]
    pub fn cohorts(&self) -> &[CohortPart] {
        match &self.by {
            By::Values(_) => &[],
            By::Cohorts(cohorts) => cohorts,
        }
    }

    /// The text of an event without any value.
    #[must_use]
    pub fn no_value(&self) -> String {
        match self.values().len() {
            0 | 1 => String::new(),
            several => "0:".repeat(several),
        }
    }

    /// Whether a value is the one that a selection names by its parts.
    #[must_use]
    pub fn is_meant(&self, value: &str, said: &[String]) -> bool {
        match &self.by {
            By::Values(values) => parts(value, values.len()) == said,
            By::Cohorts(cohorts) => meant(cohorts, said).is_some_and(|cohort| cohort.number.to_string() == value),
        }
    }

    /// Leaves, of cohorts, only the one that a selection names, so that no other is asked for; all values stay. Returns
    /// whether there is anything that it may mean.
    pub fn keep_meant(&mut self, said: &[String]) -> bool {
        let By::Cohorts(cohorts) = &mut self.by else { return true };
        *cohorts = meant(cohorts, said).cloned().into_iter().collect();
        !cohorts.is_empty()
    }

    /// A value as an answer shows it, and as a selection names it.
    #[must_use]
    pub fn said(&self, value: &str) -> (Value, Value) {
        match &self.by {
            By::Values(values) => {
                let parts = json!(parts(value, values.len()));
                (parts.clone(), parts)
            }
            By::Cohorts(_) => {
                let found = self.cohort(value).map(|cohort| (cohort.label.as_str().into(), cohort.number.into()));
                found.unwrap_or_default()
            }
        }
    }

    fn cohort(&self, value: &str) -> Option<&CohortPart> {
        self.cohorts().iter().find(|cohort| cohort.number.to_string() == value)
    }
}

fn meant<'c>(cohorts: &'c [CohortPart], said: &[String]) -> Option<&'c CohortPart> {
    let [said] = said else { return None };
    CohortPart::find(cohorts, said).map(|(_, cohort)| cohort)
}

/// The values of a breakdown: one as it is, several one after another, each behind its length.
pub fn parts(value: &str, width: usize) -> Vec<String> {
    if width == 1 {
        return vec![value.to_owned()];
    }
    let mut parts = Vec::with_capacity(width);
    let mut rest = value;
    while parts.len() < width {
        let split = rest.split_once(':').and_then(|(length, after)| after.split_at_checked(length.parse().ok()?));
        let (part, after) = split.unwrap_or_default();
        parts.push(part.to_owned());
        rest = after;
    }
    parts
}

/// The cohorts that a breakdown is by, if it is by cohorts.
fn cohorts(place: &Reader<'_>, ground: &Ground<'_>) -> Result<Option<Vec<CohortPart>>, InvalidQuery> {
    let whole = place.get("breakdowns")?;
    let several = whole.items()?;
    let are_cohorts = several.iter().map(|item| Ok(item.get("type")?.text()? == Some("cohort")));
    if several.is_empty() {
        let one = place.get("breakdown")?;
        return match place.get("breakdown_type")?.text()? == Some("cohort") {
            true if one.is_missing() => Ok(Some(Vec::new())),
            true => CohortPart::read_all(&one, std::slice::from_ref(&one), ground).map(Some),
            false => Ok(None),
        };
    }
    if !are_cohorts.collect::<Result<Vec<_>, InvalidQuery>>()?.into_iter().all(|is| is) {
        return Ok(None);
    }
    let places = several.iter().map(|item| item.get("property")).collect::<Result<Vec<_>, _>>()?;
    CohortPart::read_all(&whole, &places, ground).map(Some)
}

fn check_width(place: &Reader<'_>, width: usize) -> Result<(), InvalidQuery> {
    if width > MAX_BREAKDOWNS {
        return Err(place.wrong(format!("a funnel can be broken down by at most {MAX_BREAKDOWNS} values")));
    }
    Ok(())
}

fn read_value(
    key: &Reader<'_>,
    kind: &str,
    group: &Reader<'_>,
    is_url: &Reader<'_>,
    rules: &[PathRule],
) -> Result<Expr, InvalidQuery> {
    if kind == "cohort" {
        return Err(key.wrong("a funnel broken down by cohorts cannot be broken down by something else too"));
    }
    let name = key.text()?.filter(|name| !name.is_empty()).ok_or_else(|| key.wrong("a property is needed here"))?;
    let value = match kind {
        "event" => field(&["properties", name]),
        "person" => person_field(name),
        "session" => field(&["session", name]),
        "group" => group_field(group, name)?,
        "hogql" | "event_metadata" => parse_expr(name).map_err(|error| key.wrong(error.describe(name)))?,
        other => return Err(key.wrong(format!("a funnel cannot be broken down by {other:?}"))),
    };
    let call = |name: &str, args: Vec<Expr>| Expr::call(name, args, Span::default());
    let value = cleaned_path(call("ifNull", vec![call("toString", vec![value]), text("")]), rules);
    if !is_url.flag()? {
        return Ok(value);
    }
    Ok(call("replaceRegexpOne", vec![value, text("[/?#]+$"), text("")]))
}

fn attribution(filter: &Reader<'_>, steps: usize, order: StepOrder) -> Result<Attribution, InvalidQuery> {
    let words = [
        ("first_touch", Attribution::FirstTouch),
        ("last_touch", Attribution::LastTouch),
        ("all_events", Attribution::AllEvents),
        ("step", Attribution::Step(0)),
    ];
    let said = filter.get("breakdownAttributionType")?.word(&words)?.unwrap_or_default();
    if !matches!(said, Attribution::Step(_)) {
        return Ok(said);
    }
    let place = filter.get("breakdownAttributionValue")?;
    let last = u32::try_from(steps - 1).expect("there are few steps");
    let step = place.count(0, last)?.unwrap_or(0) as usize;
    if order == StepOrder::Unordered && step != 0 {
        return Err(place.wrong("where steps have no order, only the first one's value can decide"));
    }
    Ok(Attribution::Step(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cohort_that_is_meant_is_asked_for() {
        let part = |number: i64, label: &str| CohortPart {
            id: number.into(),
            number,
            label: label.to_owned(),
            condition: None,
        };
        let all = FunnelBreakdown {
            by: By::Cohorts(vec![part(7, "3"), part(3, "paid"), part(0, "all users")]),
            attribution: Attribution::FirstTouch,
            limit: None,
            hides_other: false,
        };
        let kept = |said: &[&str]| {
            let said: Vec<String> = said.iter().map(|said| (*said).to_owned()).collect();
            let mut kept = all.clone();
            let is_any = kept.keep_meant(&said);
            (is_any, kept.cohorts().iter().map(|cohort| cohort.number).collect::<Vec<_>>())
        };
        assert_eq!(kept(&["3"]), (true, vec![3]));
        assert_eq!(kept(&["paid"]), (true, vec![3]));
        assert_eq!(kept(&["all"]), (true, vec![0]));
        assert_eq!(kept(&["none"]), (false, vec![]));
        assert_eq!(kept(&["3", "7"]), (false, vec![]));
        assert!(all.is_meant("3", &["3".to_owned()]) && !all.is_meant("7", &["3".to_owned()]));
    }
}
