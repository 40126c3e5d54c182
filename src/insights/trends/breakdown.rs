//! By which values a trend is split.

use serde_json::{Value, json};

use super::measure::{number, without_name};
use crate::insights::ground::{CohortPart, Ground, cleaned_path, path_rules};
use crate::insights::sql::{compare, field, group_field, made, person_field, text};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Span};
use crate::storage::ch::PathRule;

/// What is shown as the values beyond the limit.
pub const OTHER: &str = "$$_posthog_breakdown_other_$$";

const DEFAULT_LIMIT: u32 = 25;
/// Of countries nobody wants "other".
const MAP_LIMIT: u32 = 300;
const MAX_LIMIT: u32 = 1_000;
const MAX_COLUMNS: usize = 3;
const MAX_BINS: u32 = 100;

/// How a trend is split.
#[derive(Debug, Clone)]
pub enum Breakdown {
    Values(ByValues),
    Cohorts(Vec<CohortPart>),
}

/// By one to three values of each event.
#[derive(Debug, Clone)]
pub struct ByValues {
    pub columns: Vec<Column>,
    /// Whether it was asked for as a list, which is answered with lists.
    pub is_list: bool,
    pub limit: u32,
    pub hides_others: bool,
}

/// A value that events are split by.
#[derive(Debug, Clone)]
pub struct Column {
    expr: Expr,
    /// Into how many bins of equal width its numbers are laid.
    pub bins: Option<u32>,
    is_address: bool,
    /// Those events of people of this cohort alone; its id is the value.
    pub cohort: Option<CohortPart>,
}

impl Breakdown {
    /// Reads `breakdownFilter`.
    ///
    /// # Errors
    /// If it makes no sense or asks for what cannot be answered.
    pub fn read(place: &Reader<'_>, ground: &Ground<'_>, is_map: bool) -> Result<Option<Self>, InvalidQuery> {
        let list = place.get("breakdowns")?;
        let items = list.items()?;
        if items.len() > MAX_COLUMNS {
            return Err(list.wrong(format!("at most {MAX_COLUMNS} breakdowns can be asked for")));
        }
        let limit_place = place.get("breakdown_limit")?;
        let limit = limit_place.count(1, MAX_LIMIT)?.unwrap_or(if is_map { MAP_LIMIT } else { DEFAULT_LIMIT });
        let hides_others = place.get("breakdown_hide_other_aggregation")?.flag()?;
        let rules = match place.get("breakdown_path_cleaning")?.flag()? {
            true => path_rules(&ground.context.settings.path_cleaning_filters),
            false => Vec::new(),
        };
        if !items.is_empty() {
            let columns = items.iter().map(|item| {
                if item.get("type")?.text()? == Some("cohort") {
                    return CohortPart::read(&item.get("property")?, ground).map(Column::of_cohort);
                }
                let key = item.get("property")?;
                let bins = item.get("histogram_bin_count")?;
                Column::read(
                    &key,
                    &item.get("type")?,
                    &item.get("group_type_index")?,
                    &bins,
                    &item.get("normalize_url")?,
                )
                .map(|column| column.cleaned(&rules))
            });
            let columns = columns.collect::<Result<Vec<_>, InvalidQuery>>()?;
            return Ok(Some(Self::Values(ByValues { columns, is_list: true, limit, hides_others })));
        }
        let key = place.get("breakdown")?;
        let kind = place.get("breakdown_type")?;
        if key.is_missing() || key.value() == Some(&json!("")) || key.value() == Some(&json!([])) {
            return Ok(None);
        }
        if kind.text()? == Some("cohort") {
            let parts = CohortPart::read_all(&key, std::slice::from_ref(&key), ground)?;
            return Ok(Some(Self::Cohorts(parts)));
        }
        // What is now a list of breakdowns was once a list of keys.
        let key = match key.items() {
            Ok(items) if items.len() == 1 => items[0].clone(),
            _ => key,
        };
        let column = Column::read(
            &key,
            &kind,
            &place.get("breakdown_group_type_index")?,
            &place.get("breakdown_histogram_bin_count")?,
            &place.get("breakdown_normalize_url")?,
        )?;
        let columns = vec![column.cleaned(&rules)];
        Ok(Some(Self::Values(ByValues { columns, is_list: false, limit, hides_others })))
    }
}

impl ByValues {
    /// What an event must be to have all these values at all.
    pub fn conditions(&self) -> impl Iterator<Item = Expr> + '_ {
        self.columns.iter().filter_map(|column| column.cohort.as_ref()?.condition.clone())
    }

    /// A value as the query API writes it, by its place.
    #[must_use]
    pub fn shown(&self, at: usize, name: &str) -> Value {
        let cohort = self.columns.get(at).and_then(|column| column.cohort.as_ref());
        cohort.map_or_else(|| name.into(), |cohort| cohort.id.clone())
    }

    /// What a legend calls these values.
    #[must_use]
    pub fn label(&self, names: &[String]) -> String {
        let cohort = |at: usize| self.columns.get(at).and_then(|column| column.cohort.as_ref());
        let names = names.iter().enumerate().map(|(at, name)| cohort(at).map_or(name.as_str(), |cohort| &cohort.label));
        names.collect::<Vec<_>>().join("::")
    }
}

impl Column {
    fn of_cohort(cohort: CohortPart) -> Self {
        let id = cohort.id.as_str().map_or_else(|| cohort.id.to_string(), str::to_owned);
        Self { expr: text(id), bins: None, is_address: false, cohort: Some(cohort) }
    }

    fn read(
        key: &Reader<'_>,
        kind: &Reader<'_>,
        group: &Reader<'_>,
        bins: &Reader<'_>,
        is_address: &Reader<'_>,
    ) -> Result<Self, InvalidQuery> {
        let name = match key.value() {
            Some(Value::Number(number)) => number.to_string(),
            _ => key.text()?.unwrap_or_default().to_owned(),
        };
        if name.is_empty() {
            return Err(key.wrong("the property to split by is needed"));
        }
        let name = name.as_str();
        let expr = match kind.text()?.unwrap_or("event") {
            "event" | "feature" => field(&["properties", name]),
            "person" => person_field(name),
            "session" => field(&["session", name]),
            "event_metadata" => field(&[name]),
            "hogql" => without_name(name, key)?,
            "group" => group_field(group, name)?,
            other => {
                let known = "event, person, session, group, cohort, hogql and event_metadata can be";
                return Err(kind.wrong(format!("{other:?} cannot be split by here; {known}")));
            }
        };
        Ok(Self { expr, bins: bins.count(1, MAX_BINS)?, is_address: is_address.flag()?, cohort: None })
    }

    /// With the project's rules for paths applied, if it is not laid into bins.
    fn cleaned(self, rules: &[PathRule]) -> Self {
        if self.bins.is_some() { self } else { Self { expr: cleaned_path(self.expr, rules), ..self } }
    }

    /// It as a number.
    #[must_use]
    pub fn number(&self) -> Expr {
        number(self.expr.clone())
    }

    /// It as a text, null where there is none; of binned numbers, by the edges between `least` and `most`.
    #[must_use]
    pub fn text(&self, extremes: Option<(f64, f64)>) -> Expr {
        let call = |name: &str, args| Expr::call(name, args, Span::default());
        let null = || made(ExprKind::Literal(Literal::Null));
        if let Some(count) = self.bins {
            let Some((least, most)) = extremes else {
                return call("nullIf", vec![call("toString", vec![null()]), text("")]);
            };
            let mut args = Vec::new();
            for bin in bins(least, most, count).iter().rev() {
                args.push(compare(CompareOp::GreaterOrEqual, self.number(), literal(bin.from)));
                args.push(text(bin.label.as_str()));
            }
            args.push(null());
            return call("multiIf", args);
        }
        let value = call("nullIf", vec![call("toString", vec![self.expr.clone()]), text("")]);
        if !self.is_address {
            return value;
        }
        let trimmed = || call("trimRight", vec![value.clone(), text("/?#")]);
        call("if", vec![call("empty", vec![trimmed()]), text("/"), trimmed()])
    }
}

fn literal(number: f64) -> Expr {
    let positive = made(ExprKind::Literal(Literal::Number(number.abs())));
    if number < 0.0 { made(ExprKind::Negate(Box::new(positive))) } else { positive }
}

/// Numbers from one on, up to where the next begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Bin {
    pub from: f64,
    /// `[10,17.5]`.
    pub label: String,
}

/// So many bins of equal width, edges rounded down to two digits; the last reaches a little further, so that the most is in
/// it. Fewer where edges come to the same.
#[must_use]
pub fn bins(least: f64, most: f64, count: u32) -> Vec<Bin> {
    let width = (most - least) / f64::from(count);
    // What is a little less than two digits by the way numbers are kept is those two digits.
    let down = |edge: f64| (edge * 100.0 + 1e-6).floor() / 100.0;
    let mut edges: Vec<f64> = (0..=count).map(|at| down(least + width * f64::from(at))).collect();
    edges.dedup();
    let last = edges.last().copied().unwrap_or(least);
    let last = ((last + 0.01) * 100.0).round() / 100.0;
    if edges.len() > 1 {
        edges.pop();
    }
    let mut found = Vec::new();
    for (at, from) in edges.iter().enumerate() {
        let to = edges.get(at + 1).copied().unwrap_or(last);
        found.push(Bin { from: *from, label: format!("[{from},{to}]") });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(least: f64, most: f64, count: u32) -> Vec<String> {
        bins(least, most, count).into_iter().map(|bin| bin.label).collect()
    }

    #[test]
    fn bins_are_of_equal_width_and_the_last_holds_the_most() {
        assert_eq!(labels(10.0, 40.0, 4), ["[10,17.5]", "[17.5,25]", "[25,32.5]", "[32.5,40.01]"]);
        assert_eq!(labels(4.0, 128.0, 5), ["[4,28.8]", "[28.8,53.6]", "[53.6,78.4]", "[78.4,103.2]", "[103.2,128.01]"]);
        assert_eq!(labels(4.0, 4.0, 10), ["[4,4.01]"]);
        assert_eq!(labels(-1.0, 1.0, 2), ["[-1,0]", "[0,1.01]"]);
        assert_eq!(labels(0.0, 0.02, 8), ["[0,0.01]", "[0.01,0.03]"]);
    }
}
