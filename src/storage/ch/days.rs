//! Conditions on when an event happened.
//!
//! The sort key of events has an event's day before its person and its time only after: a condition on the time alone leaves out
//! whole months and nothing else. So the day is said too. It follows from the time, and changes nothing but how much is read.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use super::Sql;
use super::events_read::push_moment;

/// The first and the last day that ClickHouse's type for days has.
const DAYS: (Date, Date) = (date(1970, 1, 1), date(2149, 6, 6));

/// Pushes ` AND …`: not before this moment.
pub(super) fn push_from(sql: &mut Sql, from: Timestamp) {
    push_moment(sql.push("\n  AND timestamp >= "), from);
    push_day(sql, "\n  AND toDate(timestamp) >= ", from);
}

/// Pushes ` AND …`: before this moment.
pub(super) fn push_before(sql: &mut Sql, until: Timestamp) {
    push_moment(sql.push("\n  AND timestamp < "), until);
    push_day(sql, "\n  AND toDate(timestamp) <= ", until);
}

/// Pushes ` AND …`: not after this moment.
pub(super) fn push_up_to(sql: &mut Sql, last: Timestamp) {
    push_moment(sql.push("\n  AND timestamp <= "), last);
    push_day(sql, "\n  AND toDate(timestamp) <= ", last);
}

fn push_day(sql: &mut Sql, condition: &'static str, at: Timestamp) {
    if let Some(day) = day_number(at.to_zoned(TimeZone::UTC).date()) {
        sql.push(condition).push("toDate(").param("UInt16", day).push(")");
    }
}

/// Days since 1970; none for a day that ClickHouse cannot say: it would take another one for it. Events are never from before.
pub(super) fn day_number(day: Date) -> Option<u32> {
    if !(DAYS.0..=DAYS.1).contains(&day) {
        return None;
    }
    u32::try_from(day.since(DAYS.0).ok()?.get_days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::ch::Param;

    fn days(at: &str) -> Vec<Param> {
        let mut sql = Sql::default();
        push_from(&mut sql, at.parse().expect("a time"));
        sql.params()[1..].to_vec()
    }

    #[test]
    fn the_day_is_that_of_the_moment_in_utc() {
        assert_eq!(days("1970-01-01T00:00:00Z"), [Param::Unsigned(0)]);
        assert_eq!(days("2026-11-21T23:59:59.999999Z"), [Param::Unsigned(20_778)]);
        assert_eq!(days("2026-11-22T00:30:00+01:00"), [Param::Unsigned(20_778)]);
        assert_eq!(days("2149-06-06T12:00:00Z"), [Param::Unsigned(65_535)]);
    }

    #[test]
    fn a_day_beyond_the_type_is_not_said() {
        assert_eq!(days("1969-12-31T23:59:59Z"), []);
        assert_eq!(days("2149-06-07T00:00:00Z"), []);
    }
}
