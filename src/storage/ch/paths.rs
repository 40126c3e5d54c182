//! Paths: what people do one after another.
//!
//! What each did is kept in one list. The list is cut into sittings, repetitions are one, and what is left are steps.

use clickhouse::Row;
use serde::Deserialize;

use super::merges::after_merges;
use super::{ChError, ClickHouse, Cost, Counted, Sql};
use crate::model::ProjectId;

/// As long as nothing happens in this time, a sitting is over.
const SITTING_MICROS: i64 = 30 * 60 * 1_000_000;

/// How often one item followed another at a step.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct PathEdge {
    /// The number of the step and its item: `1_/pricing`.
    pub source: String,
    pub target: String,
    pub value: u64,
    /// Mean time from one to the other, in milliseconds.
    pub average_ms: f64,
}

/// Where paths begin and end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathEnds {
    pub start: Option<String>,
    pub end: Option<String>,
}

/// What items are made alike by, before they are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathNames {
    /// Regular expressions and what takes their places, in this order.
    pub replacements: Vec<(String, String)>,
    /// Regular expressions of items, and what those are called instead; the first that fits.
    pub groups: Vec<(String, String)>,
    /// Items that do not count, called as they are then.
    pub excluded: Vec<String>,
}

/// What paths are made of.
#[derive(Debug, Clone, Copy)]
pub struct PathsQuestion<'a> {
    pub counted: Counted,
    pub ends: &'a PathEnds,
    pub names: &'a PathNames,
    /// Most steps of a path.
    pub steps: u32,
    /// Events as `actor`, `at` and `item`; an item that is null or empty is passed over.
    pub events: &'a Sql,
    /// Whose paths, and from when to when, as [`spans_sql`] writes it; none if everybody's.
    pub around: Option<&'a Sql>,
}

/// From when to when somebody's paths are asked for, both in microseconds and included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanOfPerson {
    /// Their number after merges.
    pub person: u64,
    pub since: i64,
    pub until: i64,
}

/// Which edges an answer shows.
#[derive(Debug, Clone, Copy)]
pub struct EdgesShown {
    pub most: u32,
    pub least_value: Option<u32>,
    pub most_value: Option<u32>,
}

/// Whose paths are asked for; with nothing said everybody's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathKeys {
    /// Who went on from this step and item.
    pub from: Option<(u32, String)>,
    /// Who came to this; with the other, from there.
    pub to: Option<(u32, String)>,
    /// Whose path ends with this.
    pub dropoff: Option<(u32, String)>,
}

impl ClickHouse {
    /// Answers paths.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses: a pattern that is no regular expression.
    pub async fn paths(&self, sql: &Sql) -> Result<(Vec<PathEdge>, Cost), ChError> {
        self.rows(sql).await
    }
}

/// The statement that counts: rows are [`PathEdge`]s, those that most went first.
#[must_use]
pub fn paths_sql(project: ProjectId, question: PathsQuestion<'_>, shown: EdgesShown) -> Sql {
    let mut sql = Sql::new(
        "SELECT concat(toString(step), '_', anyIf(name, NOT is_target)) AS source,\n  \
         concat(toString(step + 1), '_', anyIf(name, is_target)) AS target, any(passed) AS value, any(mean) AS average_ms\n\
         FROM (\nSELECT step, from_item, to_item, passed, mean, arrayJoin([false, true]) AS is_target, \
         if(is_target, to_item, from_item) AS hash\nFROM (\n\
         SELECT edge.1 AS step, edge.2 AS from_item, edge.3 AS to_item, count() AS passed, avg(edge.4) / 1000 AS mean\nFROM (\n\
         SELECT arrayJoin(arrayMap((at, one, next) -> (at, toUInt64(one), toUInt64(next), \
         toInt64(bitShiftRight(next, 64)) - toInt64(bitShiftRight(one, 64))), \
         arrayEnumerate(arrayPopFront(path)), arrayPopBack(path), arrayPopFront(path))) AS edge\nFROM (\n",
    );
    sql.append(&paths(project, question)).push("\n)\n)\nGROUP BY step, from_item, to_item\nHAVING passed >= ");
    sql.param("UInt32", shown.least_value.unwrap_or(0)).push(" AND passed <= ");
    // Names are given to those alone that may be shown; those that as many went are ordered by theirs.
    sql.param("UInt32", shown.most_value.unwrap_or(u32::MAX)).push("\nORDER BY passed DESC\nLIMIT ");
    sql.param("UInt32", shown.most).push(" WITH TIES\n)\n) AS edges\nINNER JOIN (\n");
    sql.push("SELECT hash, any(item) AS name\nFROM (\nSELECT cityHash64(item) AS hash, item FROM (\n")
        .append(&items(question));
    sql.push("\n)\nUNION ALL\nSELECT cityHash64('...') AS hash, '...' AS item\n)\nGROUP BY hash\n) AS names ON names.hash = edges.hash\n");
    sql.push("GROUP BY step, from_item, to_item\nORDER BY value DESC, source, target\nLIMIT ")
        .param("UInt32", shown.most);
    sql
}

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
fn paths(project: ProjectId, question: PathsQuestion<'_>) -> Sql {
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

/// These people with their spans: `person`, `since`, `until`.
///
/// Each number is told by how much more it is than the one before: people are near each other, and so are moments.
#[must_use]
pub fn spans_sql(mut spans: Vec<SpanOfPerson>) -> Sql {
    if spans.is_empty() {
        return Sql::new("SELECT toUInt64(0) AS person, toInt64(0) AS since, toInt64(0) AS until WHERE false");
    }
    spans.sort_unstable_by_key(|span| span.person);
    let list = |of: fn(&SpanOfPerson) -> i128| {
        let mut before = 0;
        let mut steps = String::new();
        for span in &spans {
            let separator = if steps.is_empty() { "" } else { "_" };
            steps.extend([separator, &(of(span) - before).to_string()]);
            before = of(span);
        }
        steps
    };
    let mut sql = Sql::new("SELECT one.1 AS person, one.2 AS since, one.3 AS until\nFROM (\n");
    sql.push("SELECT arrayJoin(arrayZip(arrayCumSum(arrayMap(x -> toUInt64(x), splitByChar('_', ");
    sql.text_literal(&list(|span| span.person.into()));
    sql.push("))), arrayCumSum(arrayMap(x -> toInt64(x), splitByChar('_', ")
        .text_literal(&list(|span| span.since.into()));
    sql.push("))), arrayCumSum(arrayMap(x -> toInt64(x), splitByChar('_', ")
        .text_literal(&list(|span| span.until.into()));
    sql.push("))))) AS one\n)");
    sql
}

/// Events with their items as they are called: `actor`, `at`, `item`.
fn items(question: PathsQuestion<'_>) -> Sql {
    let PathNames { replacements, groups, excluded } = question.names;
    let mut sql = Sql::new("SELECT actor, at, ifNull(toString(item), '') AS item FROM (");
    sql.append(question.events).push(")");
    for (pattern, alias) in replacements {
        let mut outer = Sql::new("SELECT actor, at, replaceRegexpAll(item, ");
        outer.param("String", pattern).push(", ").param("String", alias).push(") AS item\nFROM (\n").append(&sql);
        sql = outer;
        // Worked out before any row is read: a pattern that is none is refused without rows too.
        sql.push("\n)\nWHERE match('', ").param("String", pattern).push(") >= 0");
    }
    if !groups.is_empty() {
        let mut outer = Sql::new("SELECT actor, at, multiIf(");
        for (pattern, name) in groups {
            outer.push("match(item, ").param("String", pattern).push("), ").param("String", name).push(", ");
        }
        outer.push("item) AS item\nFROM (\n").append(&sql).push("\n)");
        sql = outer;
    }
    if !replacements.is_empty() || !groups.is_empty() {
        let mut outer = Sql::new("SELECT actor, at, item\nFROM (\n");
        outer.append(&sql).push("\n)");
        sql = outer;
    }
    sql.push("\nWHERE item != ''");
    if !excluded.is_empty() {
        sql.push(" AND item NOT IN ").texts(excluded.iter().map(String::as_str));
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_by_their_distances() {
        let span = |person, since, until| SpanOfPerson { person, since, until };
        let sql = spans_sql(vec![span(9, 1_000, 1_200), span(4, 1_500, 1_700)]);
        for list in ["'4_5'", "'1500_-500'", "'1700_-500'"] {
            assert!(sql.text().contains(list), "{}", sql.text());
        }
        assert!(spans_sql(Vec::new()).text().ends_with("WHERE false"));
    }
}
