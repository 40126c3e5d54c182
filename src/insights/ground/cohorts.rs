//! A question broken down by cohorts: each is asked of by itself.

use serde_json::{Value, json};

use super::Ground;
use crate::insights::definitions::cohort_at;
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::Expr;

const MAX_COHORTS: usize = 20;
/// What everybody together is called.
const EVERYBODY: &str = "all users";

/// Those events that are of people of a cohort.
#[derive(Debug, Clone)]
pub struct CohortPart {
    /// As it was asked for.
    pub id: Value,
    /// Its number; 0 is everybody.
    pub number: i64,
    pub label: String,
    /// What an event must be; none if any is.
    pub condition: Option<Expr>,
}

impl CohortPart {
    /// Reads an id, or a list of them; `"all"` and 0 are everybody.
    ///
    /// # Errors
    /// If there are too many, or there is no such cohort.
    pub fn read_all(place: &Reader<'_>, ground: &Ground<'_>) -> Result<Vec<Self>, InvalidQuery> {
        let items = if matches!(place.value(), Some(Value::Array(_))) { place.items()? } else { vec![place.clone()] };
        if items.len() > MAX_COHORTS {
            return Err(place.wrong(format!("at most {MAX_COHORTS} cohorts can be asked for")));
        }
        items.iter().map(|item| Self::read(item, ground)).collect()
    }

    /// Reads one id.
    ///
    /// # Errors
    /// If there is no such cohort.
    pub fn read(place: &Reader<'_>, ground: &Ground<'_>) -> Result<Self, InvalidQuery> {
        let id = place.value().cloned().unwrap_or_default();
        if id == json!("all") || id == json!(0) {
            return Ok(Self { id, number: 0, label: EVERYBODY.to_owned(), condition: None });
        }
        let cohort = cohort_at(place, &ground.types)?;
        let filter = json!([{ "key": "id", "type": "cohort", "value": id }]);
        let condition = ground.filters(&Reader::new(&filter)).map_err(|error| place.wrong(error.reason))?;
        Ok(Self { number: cohort.id.get(), label: cohort.name.clone(), id, condition })
    }

    /// Whether a value of a selection means it: its number, however written, or its name.
    #[must_use]
    pub fn is_meant(&self, said: &str) -> bool {
        said == self.label || said == self.number.to_string() || (self.number == 0 && said == "all")
    }
}
