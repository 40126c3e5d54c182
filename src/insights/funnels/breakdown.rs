//! By what a funnel is broken down, and which of a person's values decides.

use serde_json::{Value, json};

use super::attribution::Attribution;
use super::rules::StepOrder;
use crate::insights::InsightError;
use crate::insights::ground::{Answered, CohortPart, EventRows, Extremes, Ground, SplitReader, SplitValue, extremes};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::Expr;

/// How many values are shown if that is not said, and at most.
const DEFAULT_LIMIT: u32 = 25;
const MAX_LIMIT: u32 = 1_000;
const MAX_BREAKDOWNS: usize = 3;

/// By what.
#[derive(Debug, Clone)]
pub enum By {
    /// What is read of an event, and between which numbers it lies where it is laid into bins.
    Values(Vec<(SplitValue, Extremes)>),
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
            Attribution::read(filter, steps, order)?;
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
        let reader = SplitReader::of(&place, ground)?;
        let values = match place.get("breakdowns")? {
            several if !several.is_missing() => {
                let items = several.items()?;
                check_width(&several, items.len())?;
                let read = |item: &Reader<'_>| {
                    let kind = item.get("type")?.text()?.unwrap_or("event");
                    kinds.push(kind.to_owned());
                    if kind == "cohort" {
                        let reason = "a funnel broken down by cohorts cannot be broken down by something else too";
                        return Err(item.get("property")?.wrong(reason));
                    }
                    reader.item(item)
                };
                items.iter().map(read).collect::<Result<Vec<_>, _>>()?
            }
            _ => {
                kinds.push(place.get("breakdown_type")?.text()?.unwrap_or("event").to_owned());
                let items = match one.value() {
                    None => Vec::new(),
                    Some(Value::String(none)) if none.is_empty() => Vec::new(),
                    Some(Value::Array(_)) => one.items()?,
                    Some(_) => vec![one.clone()],
                };
                check_width(&one, items.len())?;
                items.iter().map(|item| reader.single(item)).collect::<Result<Vec<_>, _>>()?
            }
        };
        if values.is_empty() {
            return Ok(None);
        }
        let limit = place.get("breakdown_limit")?.count(1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        // Expressions are taken to have few values.
        let is_limited = kinds.iter().any(|kind| !matches!(kind.as_str(), "hogql" | "event_metadata"));
        Ok(Some(Self {
            by: By::Values(values.into_iter().map(|value| (value, None)).collect()),
            attribution: Attribution::read(filter, steps, order)?,
            limit: is_limited.then_some(limit as usize),
            hides_other: place.get("breakdown_hide_other_aggregation")?.flag()?,
        }))
    }

    /// Looks between which numbers those values of these events lie that are laid into bins.
    ///
    /// # Errors
    /// If a filter names what there is not, or the store does not answer.
    pub async fn find_extremes(
        &mut self,
        ground: &Ground<'_>,
        events: &EventRows,
        answered: &mut Answered,
    ) -> Result<(), InsightError> {
        let By::Values(values) = &mut self.by else { return Ok(()) };
        let asked: Vec<_> = values.iter().map(|(value, _)| value).collect();
        let found = extremes(ground, &asked, events, answered).await?;
        values.iter_mut().zip(found).for_each(|((_, extremes), found)| *extremes = found);
        Ok(())
    }

    /// What is read of an event: texts, empty where there is nothing.
    #[must_use]
    pub fn values(&self) -> Vec<Expr> {
        match &self.by {
            By::Values(values) => values.iter().map(|(value, extremes)| value.text_or_empty(*extremes)).collect(),
            By::Cohorts(_) => Vec::new(),
        }
    }

    fn width(&self) -> usize {
        match &self.by {
            By::Values(values) => values.len(),
            By::Cohorts(_) => 0,
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
        match self.width() {
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
