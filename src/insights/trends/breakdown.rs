//! By which values a trend is split.

use serde_json::{Value, json};

use crate::insights::ground::{CohortPart, Extremes, Ground, SplitReader, SplitValue};
use crate::insights::sql::text;
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::Expr;

/// What is shown as the values beyond the limit.
pub const OTHER: &str = "$$_posthog_breakdown_other_$$";

const DEFAULT_LIMIT: u32 = 25;
/// Of countries nobody wants "other".
const MAP_LIMIT: u32 = 300;
const MAX_LIMIT: u32 = 1_000;
const MAX_COLUMNS: usize = 3;

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
    pub value: SplitValue,
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
        let reader = SplitReader::of(place, ground)?;
        if !items.is_empty() {
            let columns = items.iter().map(|item| {
                if item.get("type")?.text()? == Some("cohort") {
                    return CohortPart::read(&item.get("property")?, ground).map(Column::of_cohort);
                }
                Ok(Column { value: reader.item(item)?, cohort: None })
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
        let columns = vec![Column { value: reader.single(&key)?, cohort: None }];
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
        Self { value: SplitValue::fixed(text(id)), cohort: Some(cohort) }
    }

    /// It as a text, null where there is none.
    #[must_use]
    pub fn text(&self, extremes: Extremes) -> Expr {
        self.value.text(extremes)
    }
}
