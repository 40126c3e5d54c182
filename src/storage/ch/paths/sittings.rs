//! The steps of each sitting, and whose they are.

use super::super::Sql;
use super::super::merges::after_merges;
use super::question::{PathKeys, PathsQuestion, items};
use crate::model::ProjectId;

/// As long as nothing happens in this time, a sitting is over.
const SITTING_MICROS: i64 = 30 * 60 * 1_000_000;

/// Those whose paths go by these keys: one column.
#[must_use]
pub fn paths_people_sql(project: ProjectId, question: PathsQuestion<'_>, keys: &PathKeys) -> Sql {
    let mut sql = Sql::new("SELECT DISTINCT whole FROM (\n");
    sql.append(&paths(project, question)).push("\n)\nWHERE notEmpty(path)");
    if let Some((step, item)) = &keys.dropoff {
        sql.push(" AND length(path) = ").param("UInt32", *step);
        sql.push(" AND toUInt64(path[-1]) = cityHash64(").param("String", item).push(")");
        return sql;
    }
    sql.push(" AND arrayExists((at, before, one) -> true");
    if let Some((step, item)) = &keys.from {
        sql.push(" AND at = ").param("UInt32", *step).push(" + 1 AND at > 1 AND toUInt64(before) = cityHash64(");
        sql.param("String", item).push(")");
    }
    if let Some((step, item)) = &keys.to {
        sql.push(" AND at = ").param("UInt32", *step).push(" AND toUInt64(one) = cityHash64(");
        sql.param("String", item).push(")");
    }
    sql.push(", arrayEnumerate(path), arrayPushFront(arrayPopBack(path), toUInt128(0)), path)");
    sql
}

/// A row for each path: `whole`, and `path`, a list of steps as [`sittings`] has them.
pub(super) fn paths(project: ProjectId, question: PathsQuestion<'_>) -> Sql {
    let most = i64::from(question.steps);
    let place = |sql: &mut Sql, item: &str, name: &'static str, of: &Sql| {
        sql.push("SELECT whole, steps, arrayFirstIndex(one -> toUInt64(one) = cityHash64(").param("String", item);
        sql.push("), steps) AS ").push(name).push("\nFROM (\n").append(of).push("\n)");
    };
    let all = sittings(project, question);
    let mut sql = Sql::default();
    match (&question.ends.start, &question.ends.end) {
        (None, None) => {
            sql.push("SELECT whole, arraySlice(steps, 1, ").param("Int64", most).push(") AS path\nFROM (\n");
            sql.append(&all).push("\n)");
        }
        (Some(start), None) => {
            sql.push("SELECT whole, arraySlice(steps, first, ").param("Int64", most).push(") AS path\nFROM (\n");
            place(&mut sql, start, "first", &all);
            sql.push("\n)\nWHERE first > 0");
        }
        (None, Some(end)) => {
            sql.push("SELECT whole, arraySlice(steps, greatest(1, toInt64(last) + 1 - ").param("Int64", most);
            sql.push("), least(toInt64(last), ").param("Int64", most).push(")) AS path\nFROM (\n");
            place(&mut sql, end, "last", &all);
            sql.push("\n)\nWHERE last > 0");
        }
        (Some(start), Some(end)) => {
            // Of a path that is too long the middle is left out.
            let half = u64::from(question.steps / 2);
            sql.push("SELECT whole, if(length(between) > ").param("Int64", most);
            sql.push(", arrayConcat(arraySlice(between, 1, ")
                .number(half)
                .push("), [bitOr(bitShiftLeft(bitShiftRight(between[");
            sql.number(half + 1)
                .push("], 64), 64), toUInt128(cityHash64('...')))], arraySlice(between, length(between) + 1 - ");
            sql.number(half).push(", ").number(half).push(")), between) AS path\nFROM (\n");
            sql.push("SELECT whole, arraySlice(steps, 1, last) AS between\nFROM (\n");
            let mut begun = Sql::new("SELECT whole, arraySlice(begun.steps, begun.first) AS steps\nFROM (\n");
            place(&mut begun, start, "first", &all);
            begun.push("\n) AS begun\nWHERE first > 0");
            place(&mut sql, end, "last", &begun);
            sql.push("\n)\nWHERE last > 0\n)");
        }
    }
    sql
}

/// A row for each sitting: `whole`, and `steps`, each of another item than the one before it. Of what is repeated the last
/// moment counts.
///
/// A step is one number: the upper half its moment in microseconds, the lower the hash of its item. Numbers are gathered and
/// sorted several times faster than moments with texts, and take less room.
fn sittings(project: ProjectId, question: PathsQuestion<'_>) -> Sql {
    let mut sql = Sql::new(
        "SELECT whole, arrayFilter((one, next) -> toUInt64(one) != toUInt64(next) OR next = 0, sitting, \
         arrayShiftLeft(sitting, 1)) AS steps\nFROM (\n\
         SELECT whole, arrayJoin(arraySplit((one, pause) -> pause >= ",
    );
    sql.param("Int64", SITTING_MICROS);
    sql.push(", done, arrayDifference(arrayMap(one -> toInt64(bitShiftRight(one, 64)), done)))) AS sitting\nFROM (\n");
    let mut found = Sql::new(
        "SELECT actor, bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Micro(at)), 64), toUInt128(cityHash64(item))) AS one\n\
         FROM (\n",
    );
    found.append(&items(question)).push("\n)");
    let mut lived = Sql::new("SELECT whole, arraySort(groupArray(one)) AS done\nFROM (\n");
    lived.append(&after_merges(project, question.counted, "one", &found)).push("\n)\nGROUP BY whole");
    if let Some(around) = question.around {
        sql.push(
            "SELECT lived.whole AS whole, arrayFilter(one -> toInt64(bitShiftRight(one, 64)) >= span.since \
            AND toInt64(bitShiftRight(one, 64)) <= span.until, lived.done) AS done\nFROM (\n",
        );
        sql.append(&lived).push("\n) AS lived\nINNER JOIN (\n").append(around);
        sql.push("\n) AS span ON span.person = lived.whole");
    } else {
        sql.append(&lived);
    }
    sql.push("\n)\n)");
    sql
}
