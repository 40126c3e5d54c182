//! Dates that properties are compared with, and ranges of them.

use jiff::Timestamp;
use serde_json::Value;

use super::PropertyTypes;
use super::filters::{compare, field, joined, text};
use super::operators::text_of;
use crate::insights::QueryContext;
use crate::model::query::{DateBound, DateRange};
use crate::sql::{CompareOp, Expr};

impl PropertyTypes {
    /// The moment that a date names when the question is asked, in the project's zone and by the day its weeks begin with:
    /// so long before now, or the start of a day or unit of time. None for `all`, and for what lies before all time.
    #[must_use]
    pub fn moment(&self, bound: &DateBound) -> Option<Timestamp> {
        match bound {
            DateBound::Relative { back, unit, edge: None } => {
                self.now().checked_sub(unit.span(*back)).map(|at| at.timestamp()).ok()
            }
            bound => bound.start(self.now(), self.week_start()),
        }
    }
}

/// A moment to compare with: a date or a time as it was written, or so long before now.
pub(super) fn moment_of(value: &Value, types: &PropertyTypes) -> Result<String, String> {
    let said = text_of(value);
    let said = said.trim();
    let wrong = || format!("{said:?} is no date; 2026-11-01, 2026-11-01T10:00:00Z and -7d are");
    match said.parse().map_err(|_| wrong())? {
        DateBound::All => Err(wrong()),
        bound @ DateBound::Relative { .. } => types.moment(&bound).map(|at| at.to_string()).ok_or_else(wrong),
        DateBound::Day(_) | DateBound::Wall(_) | DateBound::Instant(_) => Ok(said.to_owned()),
    }
}

/// `from <= time < to`, by the bounds that there are.
pub fn date_filter(column: &[&str], from: Option<Timestamp>, to: Option<Timestamp>) -> Option<Expr> {
    let bounds = [(CompareOp::GreaterOrEqual, from), (CompareOp::Less, to)];
    let bounds = bounds.into_iter().filter_map(|(op, at)| Some(compare(op, field(column), text(at?.to_string()))));
    joined(bounds.collect(), false)
}

/// A date range as its instants: the ends it names.
pub(super) fn bounds(range: &DateRange, context: QueryContext<'_>) -> (Option<Timestamp>, Option<Timestamp>) {
    let now = context.clock.now().to_zoned(context.project.time_zone.rules());
    let week_start = context.settings.week_start;
    let from = range.from.as_ref().and_then(|from| from.start(&now, week_start));
    let to = range.to.as_ref().map(|to| to.end(&now, week_start, !range.is_explicit));
    (from, to)
}
