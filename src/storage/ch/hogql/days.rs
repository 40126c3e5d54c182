//! The day beside the time.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::super::Sql;
use super::super::days::day_number;
use super::level::Compiler;
use super::value::{Value, call};
use crate::sql::{CompareOp, Literal};

impl Compiler<'_> {
    /// What a comparison of an event's time with a plain text means for its day; the sort key has that before the time. It
    /// follows from the comparison, and changes nothing but how much is read.
    pub fn compare_days(&mut self, op: CompareOp, left: &Value, right: &Value) -> Option<Sql> {
        let (time, text, is_time_left) = match (&left.stored, &right.stored) {
            (Some(time), None) => (time, right.text_literal()?, true),
            (None, Some(time)) => (time, left.text_literal()?, false),
            _ => return None,
        };
        let is_lower_bound = match op {
            CompareOp::Greater | CompareOp::GreaterOrEqual => is_time_left,
            CompareOp::Less | CompareOp::LessOrEqual => !is_time_left,
            _ => return None,
        };
        if !time.is_keyed_by_day {
            return None;
        }
        let (first, last) = days_of(text, self.scope.zone)?;
        let day = day_number(if is_lower_bound { first } else { last })?;
        let day = call("toDate", &[&self.literal(&Literal::Whole(day.into())).sql]);
        let name = if is_lower_bound { "greaterOrEquals" } else { "lessOrEquals" };
        Some(call(name, &[&call("toDate", &[&time.sql]), &day]))
    }
}

/// The days in UTC between which the moment lies that a text names. A time without an offset is the zone's, and a day is left
/// on either side: which of two equal readings of a clock is meant, the engine decides.
fn days_of(text: &str, zone: &str) -> Option<(Date, Date)> {
    if let Ok(at) = text.parse::<Timestamp>() {
        let day = at.to_zoned(TimeZone::UTC).date();
        return Some((day, day));
    }
    let at: DateTime = text.parse().ok()?;
    let zoned = TimeZone::get(zone).ok()?.to_zoned(at).ok()?;
    let day = zoned.with_time_zone(TimeZone::UTC).date();
    Some((day.checked_sub(1.day()).ok()?, day.checked_add(1.day()).ok()?))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_time_with_its_offset_has_one_day_in_utc() {
        let day = date(2026, 9, 30);
        assert_eq!(days_of("2026-10-01T00:30:00+02:00", "UTC"), Some((day, day)));
        assert_eq!(days_of("2026-09-30T23:59:59.999999Z", "Europe/Berlin"), Some((day, day)));
    }

    #[test]
    fn a_time_of_the_zone_lies_between_the_days_around() {
        let around = Some((date(2026, 9, 29), date(2026, 10, 1)));
        assert_eq!(days_of("2026-10-01 00:30:00", "Europe/Berlin"), around);
        assert_eq!(days_of("2026-10-01", "Europe/Berlin"), around);
    }

    #[test]
    fn what_is_no_plain_time_has_no_day() {
        for text in ["", "yesterday", "1790000000", "2026-13-01", "2026"] {
            assert_eq!(days_of(text, "UTC"), None, "{text}");
        }
    }
}
