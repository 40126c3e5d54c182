//! The moments of each person, where the intervals of the calendar do not tell enough.

use super::super::Sql;
use super::super::buckets::bucket_index;
use super::question::{Begins, RetentionQuestion};
use crate::model::ProjectId;
use crate::model::query::Interval;

/// `value`, `start`, `column`, `count`, `amount`.
pub(super) fn counts(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT value, start, column, count() AS count, sum(amount) AS amount\nFROM (\n");
    let columns = columns(project, question);
    if question.is_cumulative {
        sql.push("SELECT whole, value, start, arrayJoin(range(toInt64(0), max(column) + 1)) AS column, toFloat64(0) AS amount\nFROM (\n");
        sql.append(&columns).push("\n)\nGROUP BY whole, value, start");
    } else {
        sql.append(&columns);
    }
    sql.push("\n)\nGROUP BY value, start, column");
    sql
}

/// A row for everybody and interval they began in: `whole`, `value`, `start`, `columns`.
pub(super) fn people(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT whole, value, start, groupUniqArray(column) AS columns\nFROM (\n");
    sql.append(&columns(project, question)).push("\n)\nGROUP BY whole, value, start");
    sql
}

/// A row for each column that somebody who began in an interval was there in: `whole`, `value`, `start`, `column`, `amount`.
fn columns(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT whole, value, start, ");
    sql.append(&question.column("step")).push(" AS column, sum(amount) AS amount\nFROM (\n");
    sql.append(&steps(project, question)).push("\n)\nGROUP BY whole, value, start, column");
    sql
}

/// A row for each interval after: `whole`, `value`, `start`, `step`, `amount`.
fn steps(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let mut step = Sql::default();
    if question.is_from_moment {
        step.push("intDiv(toUnixTimestamp64Micro(one.2) - toUnixTimestamp64Micro(moment), ");
        step.param("Int64", width_micros(question.range.interval)).push(")");
    } else {
        step.push("one.1 - start");
    }
    // In the interval somebody began in, events count where a property is summed: all of them if that is what begins,
    // else those after it.
    let which = match (question.is_from_moment, question.summed) {
        (false, None) => "one.1 > start",
        (false, Some(true)) => "one.1 >= start",
        (false, Some(false)) => "one.1 > start OR (one.1 = start AND one.2 > moment)",
        (true, Some(true)) => "one.2 >= moment",
        (true, _) => "one.2 > moment",
    };
    let mut sql =
        Sql::new("SELECT whole, value, start, later.1 AS step, count() AS events, sum(later.2) AS amount\nFROM (\n");
    sql.push("SELECT whole, value, start, arrayJoin(arrayPushFront(arrayFilter(one -> one.1 < ");
    sql.param("Int64", i64::from(question.lookahead)).push(", arrayMap(one -> (").append(&step);
    sql.push(", one.3), arrayFilter(one -> ").push(which);
    sql.push(", returned))), (toInt64(0), toFloat64(0)))) AS later\nFROM (\n").append(&starts(project, question));
    sql.push("\n)\n)\nGROUP BY whole, value, start, step\nHAVING step = 0 OR events >= ");
    sql.param("UInt32", question.minimum);
    sql
}

/// A row for everybody and interval they began in: `whole`, `value`, `start`, `moment` and what they `returned` with.
fn starts(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let mut sql = Sql::default();
    match (question.begins, question.is_from_moment) {
        (Begins::EachInterval, false) => {
            sql.push("SELECT whole, value, returned, start, arrayMin(arrayMap(one -> one.2, arrayFilter(one -> one.1 = start, began))) AS moment\n");
            sql.push("FROM (\nSELECT whole, value, returned, began, arrayJoin(arrayDistinct(arrayMap(one -> one.1, began))) AS start\nFROM (\n");
            sql.append(&kept(project, question)).push("\n)\n)");
        }
        (Begins::EachInterval, true) => {
            sql.push("SELECT whole, value, returned, arrayMin(arrayMap(one -> one.2, began)) AS moment, ");
            sql.append(&bucket_index(question.range, "moment")).push(" AS start\nFROM (\n");
            sql.append(&kept(project, question)).push("\n)\nWHERE notEmpty(began)");
        }
        (begins, _) => {
            sql.push("SELECT whole, value, returned, assumeNotNull(first_at) AS moment, ");
            sql.append(&bucket_index(question.range, "moment")).push(" AS start\nFROM (\n");
            sql.append(&kept(project, question)).push("\n)\nWHERE first_at IS NOT NULL AND start >= 0");
            sql.push(if begins == Begins::FirstEver { " AND first_at = first_fitting" } else { "" });
        }
    }
    sql
}

/// A row for each person (and value of the breakdown): `whole`, `value`, `returned`, and `began` or `first_at`.
fn kept(project: ProjectId, question: RetentionQuestion<'_>) -> Sql {
    let mut sql = Sql::new("SELECT whole, ");
    sql.push(question.value_of_person()).push(", groupArrayIf((bucket, at, ");
    sql.push(if question.summed.is_some() { "amount" } else { "toFloat64(0)" });
    sql.push("), seen.returns AND bucket >= 0) AS returned, ");
    sql.push(match question.begins {
        Begins::EachInterval => "groupArrayIf((bucket, at), seen.begins AND bucket >= 0) AS began",
        Begins::FirstFitting => "minOrNullIf(at, seen.begins) AS first_at",
        Begins::FirstEver => "minOrNullIf(at, seen.begins) AS first_at, minOrNullIf(at, seen.fits) AS first_fitting",
    });
    sql.append(&question.seen_by_person(project));
    sql
}

/// How long an interval is that does not keep to the calendar.
fn width_micros(interval: Interval) -> i64 {
    let seconds = match interval {
        Interval::Minute => 60,
        Interval::Hour => 3_600,
        Interval::Day => 86_400,
        Interval::Week => 7 * 86_400,
        Interval::Month => 30 * 86_400,
    };
    seconds * 1_000_000
}
