//! The range that a question compares with.

use super::Ground;
use crate::model::query::{DateBound, DateRange, InvalidQuery, RangeUnit, ResolvedRange};

/// The range that `compareFilter` asks to compare with: the one just before, or so long ago as `compare_to` says; none if it
/// asks for none. With `match_weekday`, which is ours, it is moved to where each day stands beside one of the same weekday:
/// by whole weeks, as many as the range just before needs to end before this one starts, or as are nearest to what was said.
///
/// # Errors
/// If a field makes no sense, or there is no such time.
pub fn previous_range(
    ground: &Ground<'_>,
    dates: &DateRange,
    range: &ResolvedRange,
) -> Result<Option<ResolvedRange>, InvalidQuery> {
    let compare = ground.query.get("compareFilter")?;
    if !compare.get("compare")?.flag()? {
        return Ok(None);
    }
    let now = ground.context.clock.now();
    let place = compare.get("compare_to")?;
    let matches_weekday = compare.get("match_weekday")?.flag()?;
    let said = place.text()?.filter(|text| !text.is_empty());
    let previous = match said {
        None => dates.resolve_previous(range, now)?,
        Some(said) => {
            let wrong = || place.wrong(format!("{said:?} is no time before; -1w, -1m and -1y are"));
            match said.parse().map_err(|_| wrong())? {
                DateBound::Relative { back, unit, edge: None } if back > 0 => range.moved_back(back, unit, now)?,
                _ => return Err(wrong()),
            }
        }
    };
    if !matches_weekday {
        return Ok(Some(previous));
    }
    let rules = range.zone.rules();
    let date = |range: &ResolvedRange| range.from.to_zoned(rules.clone()).date();
    let days = (date(range) - date(&previous)).get_days();
    let weeks = if said.is_some() { (days + 3) / 7 } else { (days + 6) / 7 };
    range.moved_back(weeks.max(1), RangeUnit::Week, now).map(Some)
}
