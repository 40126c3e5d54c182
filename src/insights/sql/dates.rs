//! Dates that properties are compared with, and ranges of them.

use jiff::{Timestamp, Zoned};
use serde_json::Value;

use super::filters::{compare, field, joined, text};
use super::operators::text_of;
use crate::insights::QueryContext;
use crate::model::query::{DateBound, DateRange, WeekStart};
use crate::sql::{CompareOp, Expr};

/// A moment to compare with: a date or a time as it was written, or so long before now.
pub(super) fn moment_of(value: &Value, now: &Zoned) -> Result<String, String> {
    let said = text_of(value);
    let wrong = || format!("{said:?} is no date; 2026-11-01, 2026-11-01T10:00:00Z and -7d are");
    match said.trim().parse() {
        Ok(DateBound::Relative { back, unit, edge: None }) => {
            now.checked_sub(unit.span(back)).map(|at| at.timestamp().to_string()).map_err(|_| wrong())
        }
        Ok(bound @ DateBound::Relative { .. }) => {
            bound.start(now, WeekStart::default()).map(|at| at.to_string()).ok_or_else(wrong)
        }
        Ok(DateBound::All) | Err(_) => Err(wrong()),
        Ok(_) => Ok(said),
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
