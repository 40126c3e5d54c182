//! Who is in a cohort: a condition on people, and what follows for events and sessions.

use crate::insights::sql::{
    FilterTarget, PropertyTypes, compare, field, filters_to_expr, from_table, joined, made, not, text,
};
use crate::model::CohortId;
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Query, Select, SelectItem};

use super::{Cohort, Definition, MAX_WITHIN, id_at};

/// Most cohorts that one filter names.
const MAX_VALUES: usize = 100;

impl Cohort {
    /// The condition on people.
    ///
    /// # Errors
    /// If it makes no sense any more, because what it names is gone or it stands in itself; the error is about `place`.
    pub fn of_people(&self, place: &Reader<'_>, types: &PropertyTypes) -> Result<Expr, InvalidQuery> {
        let types = types.inside(Definition::Cohort(self.id), MAX_WITHIN);
        let types = types.ok_or_else(|| place.wrong(format!("the cohort {:?} stands in itself", self.name)))?;
        if self.is_static {
            return Ok(static_members(self.id));
        }
        filters_condition(&Reader::new(&self.filters), &types)
            .map_err(|error| place.wrong(format!("the cohort {:?} cannot be read: {error}", self.name)))
    }

    /// The same as a condition on the rows of a table.
    ///
    /// # Errors
    /// As [`Self::of_people`].
    pub fn of(&self, target: FilterTarget, place: &Reader<'_>, types: &PropertyTypes) -> Result<Expr, InvalidQuery> {
        let people = self.of_people(place, types)?;
        Ok(match target {
            FilterTarget::Persons => people,
            FilterTarget::Groups => return Err(place.wrong("cohorts are of people, not of groups")),
            // The numbers on events are looked up, not merges for every event.
            FilterTarget::Events => {
                let number = inside(field(&["number"]), chosen("number", "persons", people));
                inside(field(&["stored_person_number"]), chosen("stored", "person_numbers", number))
            }
            FilterTarget::Sessions => {
                let number = inside(field(&["person", "number"]), chosen("number", "persons", people));
                inside(field(&["distinct_id"]), chosen("distinct_id", "person_distinct_ids", number))
            }
        })
    }
}

/// The condition on people of a cohort's `filters`: `properties` holds groups of filters.
///
/// # Errors
/// If there are none or one makes no sense; the error names it.
pub fn filters_condition(filters: &Reader<'_>, types: &PropertyTypes) -> Result<Expr, InvalidQuery> {
    let place = filters.get("properties")?;
    let condition = filters_to_expr(&place, FilterTarget::Persons, types)?;
    condition.ok_or_else(|| place.wrong("a cohort needs at least one filter"))
}

/// A filter that names cohorts: whoever is in any of them, or in none.
///
/// # Errors
/// If there is no such cohort, or it makes no sense any more.
pub fn in_cohort(place: &Reader<'_>, target: FilterTarget, types: &PropertyTypes) -> Result<Expr, InvalidQuery> {
    let operators = [("in", false), ("exact", false), ("not_in", true), ("is_not", true)];
    let is_negated = place.get("operator")?.word(&operators)?.unwrap_or(false);
    let value = place.get("value")?;
    let ids = match value.value() {
        Some(serde_json::Value::Array(_)) => value.items()?,
        _ => vec![value.clone()],
    };
    if ids.is_empty() || ids.len() > MAX_VALUES {
        return Err(value.wrong(format!("1 to {MAX_VALUES} cohorts are needed")));
    }
    let any = ids.iter().map(|id| cohort_at(id, types)?.of(target, id, types)).collect::<Result<Vec<_>, _>>()?;
    let any = joined(any, true).expect("there is at least one");
    Ok(if is_negated { not(any) } else { any })
}

/// The cohort whose id stands here.
///
/// # Errors
/// If there is no such cohort.
pub fn cohort_at<'t>(place: &Reader<'_>, types: &'t PropertyTypes) -> Result<&'t Cohort, InvalidQuery> {
    let id = CohortId::new(id_at(place)?);
    types.definitions().cohort(id).ok_or_else(|| place.wrong(format!("there is no cohort {id} in this project")))
}

/// The ids of the people for whom a condition holds, as the API shows them: a question.
#[must_use]
pub fn ids_of_people(condition: Expr) -> Query {
    chosen("id", "persons", condition)
}

fn static_members(id: CohortId) -> Expr {
    let whole = made(ExprKind::Literal(Literal::Whole(id.get().unsigned_abs())));
    let members = chosen("stored", "static_cohort_members", compare(CompareOp::Equal, field(&["cohort_id"]), whole));
    let numbers = chosen("number", "person_numbers", inside(field(&["stored"]), members));
    inside(field(&["number"]), numbers)
}

/// `SELECT column FROM table WHERE condition`.
fn chosen(column: &str, table: &str, condition: Expr) -> Query {
    let items = vec![SelectItem { expr: field(&[column]), alias: None }];
    from_table(Select { items, filter: Some(condition), ..Select::default() }, table)
}

/// Whether a value is among those that a question gives.
pub(super) fn inside(value: Expr, of: Query) -> Expr {
    compare(CompareOp::In, value, made(ExprKind::Query(Box::new(of))))
}

/// A moment as the language reads it.
pub(super) fn moment(at: jiff::Timestamp) -> Expr {
    text(at.to_string())
}
