//! A value of each event that an insight is broken down by: every kind reads it here.

use serde_json::Value;

use super::bins::{Extremes, binned};
use super::{Answered, EventRows, Ground, cleaned_path, path_rules};
use crate::insights::InsightError;
use crate::insights::sql::{call, field, group_field, insight_error, number, person_field, text, without_name};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::Expr;
use crate::storage::ch::{PathRule, extremes_sql};

const MAX_BINS: u32 = 100;

/// A value that events are split by.
#[derive(Debug, Clone)]
pub struct SplitValue {
    expr: Expr,
    /// Into how many bins of equal width its numbers are laid.
    bins: Option<u32>,
    is_address: bool,
}

/// Reads the values of a `breakdownFilter`.
#[derive(Debug)]
pub struct SplitReader<'a> {
    filter: Reader<'a>,
    rules: Vec<PathRule>,
}

impl<'a> SplitReader<'a> {
    /// Reads what holds for all its values.
    ///
    /// # Errors
    /// If a field makes no sense.
    pub fn of(filter: &Reader<'a>, ground: &Ground<'_>) -> Result<Self, InvalidQuery> {
        let rules = match filter.get("breakdown_path_cleaning")?.flag()? {
            true => path_rules(&ground.context.settings.path_cleaning_filters),
            false => Vec::new(),
        };
        Ok(Self { filter: filter.clone(), rules })
    }

    /// An item of `breakdowns`.
    ///
    /// # Errors
    /// If it makes no sense or asks for what events cannot be split by.
    pub fn item(&self, item: &Reader<'_>) -> Result<SplitValue, InvalidQuery> {
        let value = value(&item.get("property")?, &item.get("type")?, &item.get("group_type_index")?)?;
        self.whole(value, &item.get("histogram_bin_count")?, &item.get("normalize_url")?)
    }

    /// What stands at `breakdown` or in it, with the fields beside it.
    ///
    /// # Errors
    /// If it makes no sense or asks for what events cannot be split by.
    pub fn single(&self, key: &Reader<'_>) -> Result<SplitValue, InvalidQuery> {
        let beside = |name: &str| self.filter.get(name);
        let value = value(key, &beside("breakdown_type")?, &beside("breakdown_group_type_index")?)?;
        self.whole(value, &beside("breakdown_histogram_bin_count")?, &beside("breakdown_normalize_url")?)
    }

    fn whole(&self, expr: Expr, bins: &Reader<'_>, is_address: &Reader<'_>) -> Result<SplitValue, InvalidQuery> {
        let bins = bins.count(1, MAX_BINS)?;
        let expr = if bins.is_some() { expr } else { cleaned_path(expr, &self.rules) };
        Ok(SplitValue { expr, bins, is_address: is_address.flag()? })
    }
}

fn value(key: &Reader<'_>, kind: &Reader<'_>, group: &Reader<'_>) -> Result<Expr, InvalidQuery> {
    let name = match key.value() {
        Some(Value::Number(number)) => number.to_string(),
        _ => key.text()?.unwrap_or_default().to_owned(),
    };
    if name.is_empty() {
        return Err(key.wrong("the property to split by is needed"));
    }
    let name = name.as_str();
    match kind.text()?.unwrap_or("event") {
        "event" | "feature" => Ok(field(&["properties", name])),
        "person" => Ok(person_field(name)),
        "session" => Ok(field(&["session", name])),
        "event_metadata" | "hogql" => without_name(name, key),
        "group" => group_field(group, name),
        other => {
            let known = "event, person, session, group, cohort, hogql and event_metadata can be";
            Err(kind.wrong(format!("{other:?} cannot be split by here; {known}")))
        }
    }
}

impl SplitValue {
    /// The same for all events.
    #[must_use]
    pub fn fixed(expr: Expr) -> Self {
        Self { expr, bins: None, is_address: false }
    }

    /// As a text, null where there is none; laid into bins, by the edges between the extremes.
    #[must_use]
    pub fn text(&self, extremes: Extremes) -> Expr {
        if let Some(count) = self.bins {
            return binned(&number(self.expr.clone()), count, extremes);
        }
        let value = call("nullIf", vec![call("toString", vec![self.expr.clone()]), text("")]);
        if !self.is_address {
            return value;
        }
        let trimmed = || call("trimRight", vec![value.clone(), text("/?#")]);
        call("if", vec![call("empty", vec![trimmed()]), text("/"), trimmed()])
    }

    /// The same, empty where there is none.
    #[must_use]
    pub fn text_or_empty(&self, extremes: Extremes) -> Expr {
        let is_plain = self.bins.is_none() && !self.is_address;
        let value = if is_plain { call("toString", vec![self.expr.clone()]) } else { self.text(extremes) };
        call("ifNull", vec![value, text("")])
    }
}

/// Between which numbers of these events each value lies that is laid into bins; none for any other.
///
/// # Errors
/// If a filter names what there is not, or the store does not answer.
pub async fn extremes(
    ground: &Ground<'_>,
    values: &[&SplitValue],
    events: &EventRows,
    answered: &mut Answered,
) -> Result<Vec<Extremes>, InsightError> {
    let mut found = Vec::new();
    for value in values {
        if value.bins.is_none() {
            found.push(None);
            continue;
        }
        let rows = events.clone().column("value", number(value.expr.clone()));
        let sql = extremes_sql(&rows.sql(ground)?);
        let (rows, cost) = ground.context.ch.extremes(&sql).await.map_err(insight_error)?;
        answered.add(&sql, cost);
        found.push(rows.first().and_then(|row| Some((row.least?, row.most?))));
    }
    Ok(found)
}
