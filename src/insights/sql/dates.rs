//! Dates that properties are compared with.

use jiff::Zoned;
use serde_json::Value;

use super::filters::text_of;
use crate::model::query::{DateBound, WeekStart};

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
