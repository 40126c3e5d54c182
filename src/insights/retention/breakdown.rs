//! What retention is broken down by.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::insights::ground::{Ground, SplitReader, SplitValue};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::Expr;
use crate::storage::ch::ValueOf;

const DEFAULT_LIMIT: u32 = 25;
const MAX_LIMIT: u32 = 100;
const MAX_COHORTS: usize = 25;

/// What an answer is broken down by.
#[derive(Debug)]
pub(super) enum Breakdown {
    /// A value, and whose it is.
    Value(SplitValue, ValueOf),
    /// Cohorts by their numbers; 0 is everybody.
    Cohorts(Vec<u64>),
}

impl Breakdown {
    /// Reads a `breakdownFilter`.
    ///
    /// # Errors
    /// If it makes no sense or asks for what cannot be answered.
    pub fn read(place: &Reader<'_>, ground: &Ground<'_>) -> Result<Option<Self>, InvalidQuery> {
        let several = place.get("breakdowns")?.items()?;
        let (key, kind) = match several.first() {
            None => (place.get("breakdown")?, place.get("breakdown_type")?),
            Some(first) => (first.get("property")?, first.get("type")?),
        };
        if key.is_missing() || key.value() == Some(&json!("")) || key.value() == Some(&json!([])) {
            return Ok(None);
        }
        let rest = several.get(1..).unwrap_or_default();
        if kind.text()? == Some("cohort") {
            return cohorts(&key, rest).map(|ids| Some(Self::Cohorts(ids)));
        }
        if let Some(second) = rest.first() {
            return Err(second.wrong("retention can be broken down by one property"));
        }
        let reader = SplitReader::of(place, ground)?;
        let value = match several.first() {
            Some(item) => reader.item(item)?,
            None => match key.items() {
                Ok(items) if items.len() == 1 => reader.single(&items[0])?,
                Ok(_) => return Err(key.wrong("retention can be broken down by one property")),
                Err(_) => reader.single(&key)?,
            },
        };
        let of = if kind.text()? == Some("person") { ValueOf::Person } else { ValueOf::Event };
        Ok(Some(Self::Value(value, of)))
    }

    /// How many values are shown.
    ///
    /// # Errors
    /// If that makes no sense.
    pub fn read_limit(place: &Reader<'_>) -> Result<u32, InvalidQuery> {
        Ok(place.get("breakdown_limit")?.count(1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT))
    }
}

fn cohorts(key: &Reader<'_>, rest: &[Reader<'_>]) -> Result<Vec<u64>, InvalidQuery> {
    let mut ids = match key.value() {
        Some(Value::Array(_)) => key.items()?.iter().map(cohort).collect::<Result<Vec<_>, _>>()?,
        _ => vec![cohort(key)?],
    };
    for other in rest {
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
    Ok(ids)
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
///
/// # Errors
/// If there is no such cohort.
pub(super) fn in_cohort(id: u64, ground: &Ground<'_>) -> Result<Option<Expr>, InvalidQuery> {
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
    fn a_cohort_that_is_named_twice_is_counted_once() {
        let key = json!([3, "all", "3", 0, 5]);
        assert_eq!(cohorts(&Reader::new(&key), &[]), Ok(vec![3, 0, 5]));
        assert_eq!(cohorts(&Reader::new(&json!(["x"])), &[]).map_err(|error| error.field), Err("[0]".to_owned()));
    }
}
