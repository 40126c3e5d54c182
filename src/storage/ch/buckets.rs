//! The bucket of time that an event falls into.

use super::Sql;
use crate::model::query::{Interval, ResolvedRange, WeekStart};

/// No key is less: seconds of the year 1900, which the engine's times begin with.
const EARLIEST_KEY: i64 = -2_300_000_000;

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

/// The place in the range of the bucket that the moment in a column of ours falls into, from 0 on; no place of the range
/// outside of it.
#[must_use]
pub fn bucket_index(range: &ResolvedRange, column: &'static str) -> Sql {
    let first = range.buckets.first().map_or(0, |bucket| bucket.key);
    let step = match range.interval {
        Interval::Minute => Some(60),
        Interval::Hour => Some(3_600),
        Interval::Day => Some(1),
        Interval::Week => Some(7),
        Interval::Month => None,
    };
    // A zone may skip a day, or move its clocks by half an hour.
    let step = step.filter(|step| range.buckets.windows(2).all(|pair| pair[1].key - pair[0].key == *step));
    let mut sql = Sql::default();
    if step == Some(1) {
        sql.push("(").append(&bucket_key(range, column)).push(" - ").param("Int64", first).push(")");
    } else if let Some(step) = step {
        // Counted from before all that the engine's times can be, so that whole numbers divide as they should.
        let earlier = (first - EARLIEST_KEY).div_euclid(step) + 1;
        sql.push("(intDiv(").append(&bucket_key(range, column)).push(" - ").param("Int64", first - earlier * step);
        sql.push(", ").param("Int64", step).push(") - ").param("Int64", earlier).push(")");
    } else {
        sql.push("(toInt64(indexOf([");
        for (at, bucket) in range.buckets.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).number(bucket.key.abs_diff(first));
        }
        sql.push("], ").append(&bucket_key(range, column)).push(" - ").param("Int64", first).push(")) - 1)");
    }
    sql
}
