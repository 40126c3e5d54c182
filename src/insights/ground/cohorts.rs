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
    /// Reads what stands at each of some places: an id or a list of them; `"all"` and 0 are everybody. One that is named
    /// twice is one.
    ///
    /// # Errors
    /// If there are too many, about `whole`; or there is no such cohort.
    pub fn read_all(whole: &Reader<'_>, places: &[Reader<'_>], ground: &Ground<'_>) -> Result<Vec<Self>, InvalidQuery> {
        let mut items = Vec::new();
        for place in places {
            match place.value() {
                Some(Value::Array(_)) => items.extend(place.items()?),
                _ => items.push(place.clone()),
            }
        }
        if items.len() > MAX_COHORTS {
            return Err(whole.wrong(format!("at most {MAX_COHORTS} cohorts can be asked for")));
        }
        let mut parts: Vec<Self> = Vec::new();
        for item in &items {
            let part = Self::read(item, ground)?;
            if parts.iter().all(|known| known.number != part.number) {
                parts.push(part);
            }
        }
        Ok(parts)
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

    /// The one that a selection means, and its place: by its number, however written, else by its name.
    #[must_use]
    pub fn find<'p>(parts: &'p [Self], said: &str) -> Option<(usize, &'p Self)> {
        let number = if said == "all" { "0" } else { said };
        let by = |is_it: &dyn Fn(&Self) -> bool| parts.iter().enumerate().find(|(_, part)| is_it(part));
        by(&|part| part.number.to_string() == number).or_else(|| by(&|part| part.label == said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cohort_is_meant_by_its_number_before_its_name() {
        let part = |number: i64, label: &str| CohortPart {
            id: number.into(),
            number,
            label: label.to_owned(),
            condition: None,
        };
        let parts = [part(7, "3"), part(3, "paid"), part(0, EVERYBODY), part(9, "all")];
        let found = |said: &str| CohortPart::find(&parts, said).map(|(at, part)| (at, part.number));
        assert_eq!(found("3"), Some((1, 3)));
        assert_eq!(found("7"), Some((0, 7)));
        assert_eq!((found("all"), found("0"), found(EVERYBODY)), (Some((2, 0)), Some((2, 0)), Some((2, 0))));
        assert_eq!((found("paid"), found("unpaid"), found("")), (Some((1, 3)), None, None));
    }
}
