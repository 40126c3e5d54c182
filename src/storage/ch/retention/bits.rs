//! A bit for each interval of the calendar that somebody was there in.

use super::super::Sql;
use super::super::buckets::bucket_index;
use super::question::{Begins, RetentionQuestion};
use crate::model::ProjectId;

/// Intervals of one number.
const WORD: usize = 64;

/// `value`, `start`, `column`, `count`, `amount`.
pub(super) fn counts(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let mut sql =
        Sql::new("SELECT value, start, arrayJoin(columns) AS column, sum(people) AS count, toFloat64(0) AS amount\n");
    sql.push("FROM (\nSELECT value, start, people, ").append(&columns(question, question.is_cumulative));
    sql.push(" AS columns\nFROM (\n").append(&starts(question, "people", &alike(project, question)));
    sql.push("\n)\n)\nGROUP BY value, start, column");
    sql
}

/// A row for everybody and interval they began in: `whole`, `value`, `start`, `columns`.
pub(super) fn people(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT whole, value, start, ");
    sql.append(&columns(question, false)).push(" AS columns\nFROM (\n");
    sql.append(&starts(question, "whole", &marks(project, question))).push("\n)");
    sql
}

/// How many `people` have the same marks. Most were there in few intervals, so they are put together before intervals are
/// laid out; by numbers alone if there is no value, for a text among the keys costs more than all of them.
fn alike(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let keys = if question.begins == Begins::EachInterval { "returns, began" } else { "returns, start" };
    let (value, key) = if question.value.is_some() { ("value", ", value") } else { ("'' AS value", "") };
    let mut sql = Sql::new("SELECT ");
    sql.push(value).push(", ").push(keys).push(", count() AS people\nFROM (\n");
    sql.append(&marks(project, question)).push("\n)\nGROUP BY ").push(keys).push(key);
    sql
}

/// The columns of somebody who was there `later`.
fn columns(question: RetentionQuestion<'_>, is_cumulative: bool) -> Sql {
    let steps = match is_one_word(question) {
        true => Sql::new("arrayMap(bit -> toInt64(bit + 1), bitPositionsToArray(later))"),
        false => Sql::new("later"),
    };
    let mut sql = Sql::new(if is_cumulative { "range(toInt64(0), arrayMax(" } else { "" });
    sql.push("arrayPushFront(").append(&question.columns(&steps)).push(", toInt64(0))");
    sql.push(if is_cumulative { ") + 1)" } else { "" });
    sql
}

/// A row for each of `marks` and interval they began in: what it is of, `value`, `start`, and `later`, the steps after it that
/// they were there in: a bit for each or, if one number does not hold all intervals, a list.
fn starts(question: RetentionQuestion<'_>, of: &'static str, marks: &Sql) -> Sql {
    let mut sql = Sql::new("SELECT ");
    sql.push(of).push(", value, start, ");
    if is_one_word(question) {
        sql.push("bitAnd(bitShiftRight(bitShiftRight(returns, toUInt8(start)), 1), ");
        sql.param("UInt64", 1_u64.checked_shl(question.lookahead - 1).map_or(u64::MAX, |bit| bit - 1))
            .push(") AS later\n");
    } else {
        sql.push("arrayFilter(step -> step > 0 AND step < ").param("Int64", i64::from(question.lookahead));
        sql.push(", arrayMap(at -> at - start, ").append(&places(question, "returns")).push(")) AS later\n");
    }
    if question.begins != Begins::EachInterval {
        sql.push("FROM (\n").append(marks).push("\n)");
        return sql;
    }
    sql.push("FROM (\nSELECT ").push(of).push(", value, returns, arrayJoin(").append(&places(question, "began"));
    sql.push(") AS start\nFROM (\n").append(marks).push("\n)\n)");
    sql
}

fn is_one_word(question: RetentionQuestion<'_>) -> bool {
    question.range.buckets.len() <= WORD
}

/// A row for each person (and value of the breakdown): `whole`, `value`, the bits `returns`, and `began` or `start`.
fn marks(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT whole, ");
    sql.push(question.value_of_person()).push(", ").append(&bits(question, "seen.returns")).push(" AS returns, ");
    if question.begins == Begins::EachInterval {
        sql.append(&bits(question, "seen.begins")).push(" AS began").append(&question.seen_by_person(project));
        return sql;
    }
    sql.push("minOrNullIf(seen.at, seen.begins) AS first_at, assumeNotNull(first_at) AS moment, ");
    sql.append(&bucket_index(question.range, "moment")).push(" AS start").append(&question.seen_by_person(project));
    sql.push("\nHAVING first_at IS NOT NULL AND start >= 0");
    let is_ever = question.begins == Begins::FirstEver;
    sql.push(if is_ever { " AND first_at = minOrNullIf(seen.at, seen.fits)" } else { "" });
    sql
}

/// The bits of the intervals in which an event was so.
fn bits(question: RetentionQuestion<'_>, is_so: &'static str) -> Sql {
    let words = question.range.buckets.len().div_ceil(WORD);
    let mut sql = Sql::new(if words > 1 { "[" } else { "" });
    for word in 0..words {
        sql.push(if word > 0 { ", " } else { "" }).push("groupBitOr(bitShiftLeft(toUInt64(").push(is_so);
        if words > 1 {
            sql.push(" AND intDiv(bucket, 64) = ").number(word as u64);
        }
        sql.push(" AND bucket >= 0), toUInt8(bitAnd(bucket, 63))))");
    }
    sql.push(if words > 1 { "]" } else { "" });
    sql
}

/// The places of the bits that are set.
fn places(question: RetentionQuestion<'_>, bits: &'static str) -> Sql {
    let mut sql = Sql::default();
    if !is_one_word(question) {
        sql.push(
            "arrayFlatten(arrayMap((word, at) -> arrayMap(bit -> toInt64(bit) + 64 * at, bitPositionsToArray(word)), ",
        );
        sql.push(bits).push(", arrayMap(at -> toInt64(at - 1), arrayEnumerate(").push(bits).push("))))");
    } else {
        sql.push("arrayMap(bit -> toInt64(bit), bitPositionsToArray(").push(bits).push("))");
    }
    sql
}
