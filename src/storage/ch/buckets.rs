//! The bucket of time that an event falls into.

use super::Sql;
use crate::model::query::{Interval, ResolvedRange, WeekStart};

/// The key of the [`Bucket`](crate::model::query::Bucket) that the moment in a column of ours falls into.
#[must_use]
pub fn bucket_key(range: &ResolvedRange, column: &'static str) -> Sql {
    let (before, after) = match range.interval {
        Interval::Minute => ("toInt64(toUnixTimestamp(toStartOfMinute(", ")))"),
        Interval::Hour => ("toInt64(toUnixTimestamp(toStartOfHour(", ")))"),
        Interval::Day => ("toInt64(toInt32(toDate32(", ")))"),
        Interval::Week => ("toInt64(toStartOfWeek(", "))"),
        Interval::Month => ("toInt64(toStartOfMonth(", "))"),
    };
    let mut sql = Sql::new(before);
    sql.push(column).push(match (range.interval, range.week_start) {
        (Interval::Week, WeekStart::Sunday) => ", 0, ",
        (Interval::Week, WeekStart::Monday) => ", 1, ",
        _ => ", ",
    });
    sql.param("String", range.zone.as_str()).push(after);
    sql
}
