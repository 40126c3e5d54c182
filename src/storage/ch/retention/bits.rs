//! A bit for each interval of the calendar that somebody was there in.

use super::super::Sql;
use super::super::buckets::bucket_index;
use super::super::merges::after_merges;
use super::question::{Begins, RetentionQuestion};
use crate::model::ProjectId;

/// Intervals of one number.
const WORD: usize = 64;

/// `value`, `start`, `column`, `count`, `amount`.
pub(super) fn counts(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let is_each = question.begins == Begins::EachInterval;
    let mut sql = Sql::new(
        "SELECT value, start, arrayJoin(columns) AS column, sum(people) AS count, toFloat64(0) AS amount\nFROM (\n",
    );
    sql.push("SELECT value, start, people, ")
        .append(&columns(question, question.is_cumulative))
        .push(" AS columns\nFROM (\n");
    sql.push("SELECT value, returned, people, ");
    sql.push(if is_each { "arrayJoin(starts)" } else { "start" }).push(" AS start\nFROM (\n");
    // Many were there in the same intervals: they are put together as long as those are numbers.
    sql.push("SELECT value, ");
    if is_each {
        sql.append(&places(question, "began")).push(" AS starts, ");
    } else {
        sql.push("start, ");
    }
    sql.append(&places(question, "returns")).push(" AS returned, count() AS people\nFROM (\n");
    sql.append(&marks(project, question)).push("\n)\nGROUP BY value, ");
    sql.push(if is_each { "began" } else { "start" }).push(", returns\n)\n)\n)\nGROUP BY value, start, column");
    sql
}

/// A row for everybody and interval they began in: `whole`, `value`, `start`, `columns`.
pub(super) fn people(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT whole, value, start, ");
    sql.append(&columns(question, false)).push(" AS columns\nFROM (\nSELECT whole, value, ");
    sql.append(&places(question, "returns")).push(" AS returned, ");
    match question.begins {
        Begins::EachInterval => sql.push("arrayJoin(").append(&places(question, "began")).push(") AS start"),
        _ => sql.push("start"),
    };
    sql.push("\nFROM (\n").append(&marks(project, question)).push("\n)\n)");
    sql
}

/// The columns of who began at `start` and was there at the places `returned`.
fn columns(question: RetentionQuestion<'_>, is_cumulative: bool) -> Sql {
    let mut steps = Sql::new("arrayFilter(step -> step > 0 AND step < ");
    steps.param("Int64", i64::from(question.lookahead)).push(", arrayMap(at -> at - start, returned))");
    let mut sql = Sql::default();
    if is_cumulative {
        sql.push("range(toInt64(0), arrayMax(arrayPushFront(")
            .append(&question.columns(&steps))
            .push(", toInt64(0))) + 1)");
    } else {
        sql.push("arrayPushFront(").append(&question.columns(&steps)).push(", toInt64(0))");
    }
    sql
}

/// A row for each person (and value of the breakdown): `whole`, `value`, the bits `returns`, and `began` or `start`.
fn marks(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let is_each = question.begins == Begins::EachInterval;
    let is_ever = question.begins == Begins::FirstEver;
    let mut found = Sql::new("SELECT ");
    found.append(&question.keys("actor")).push(", ").append(&bits(question, "returns")).push(" AS returned, ");
    if is_each {
        found.append(&bits(question, "begins")).push(" AS began");
    } else {
        found.push("minOrNullIf(at, begins) AS first_at");
        if is_ever {
            found.push(", minOrNullIf(at, fits) AS first_fitting");
            found.push(if question.has_value { ", argMinIf(value, at, begins) AS first_value" } else { "" });
        }
    }
    found.push("\nFROM (\nSELECT *, ").append(&bucket_index(question.range, "at")).push(" AS bucket FROM (");
    found.append(question.events).push(")\n)\nGROUP BY ").append(&question.keys("actor"));

    let of_all = if question.range.buckets.len() > WORD { "groupBitOrForEach(" } else { "groupBitOr(" };
    let columns = match (question.begins, question.has_value) {
        (Begins::EachInterval, true) => "value, returned, began",
        (Begins::EachInterval, false) => "returned, began",
        (Begins::FirstFitting, true) => "value, returned, first_at",
        (Begins::FirstFitting, false) => "returned, first_at",
        (Begins::FirstEver, true) => "returned, first_at, first_fitting, first_value",
        (Begins::FirstEver, false) => "returned, first_at, first_fitting",
    };
    let merged = after_merges(project, question.counted, columns, &found);
    let value = match (question.has_value, is_ever) {
        (false, _) => "'' AS value",
        (true, false) => "value",
        (true, true) => "ifNull(argMin(merged.first_value, merged.first_at), '') AS value",
    };
    let mut sql = Sql::new("SELECT whole, ");
    sql.push(value).push(", ").push(of_all).push("merged.returned) AS returns, ");
    if is_each {
        sql.push(of_all).push("merged.began) AS began\nFROM (\n").append(&merged);
        sql.push("\n) AS merged\nGROUP BY ").append(&question.keys("whole"));
        return sql;
    }
    sql.push("assumeNotNull(min(merged.first_at)) AS moment, ").append(&bucket_index(question.range, "moment"));
    sql.push(" AS start\nFROM (\n").append(&merged).push("\n) AS merged\nGROUP BY ").append(&question.keys("whole"));
    sql.push("\nHAVING min(merged.first_at) IS NOT NULL AND start >= 0");
    sql.push(if is_ever { " AND min(merged.first_at) = min(merged.first_fitting)" } else { "" });
    sql
}

/// The bits of the intervals in which an event was so.
fn bits(question: RetentionQuestion<'_>, is_so: &'static str) -> Sql {
    let words = question.range.buckets.len().div_ceil(WORD);
    let mut sql = Sql::new(if words > 1 { "[" } else { "" });
    for word in 0..words {
        sql.push(if word > 0 { ", " } else { "" }).push("groupBitOr(if(").push(is_so);
        if words > 1 {
            sql.push(" AND intDiv(bucket, 64) = ").number(word as u64);
        }
        sql.push(" AND bucket >= 0, bitShiftLeft(toUInt64(1), toUInt8(bucket % 64)), 0))");
    }
    sql.push(if words > 1 { "]" } else { "" });
    sql
}

/// The places of the bits that are set.
fn places(question: RetentionQuestion<'_>, bits: &'static str) -> Sql {
    let mut sql = Sql::default();
    if question.range.buckets.len() > WORD {
        sql.push(
            "arrayFlatten(arrayMap((word, at) -> arrayMap(bit -> toInt64(bit) + 64 * at, bitPositionsToArray(word)), ",
        );
        sql.push(bits).push(", arrayMap(at -> toInt64(at - 1), arrayEnumerate(").push(bits).push("))))");
    } else {
        sql.push("arrayMap(bit -> toInt64(bit), bitPositionsToArray(").push(bits).push("))");
    }
    sql
}
