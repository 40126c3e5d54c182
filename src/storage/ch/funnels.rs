//! Funnels: the events of each person in one row, for being followed in this process.
//!
//! The store puts together and this process follows. What a funnel counts is decided by the order of one person's events, and
//! the store has nothing for that which is both exact and quick: `windowFunnel` knows no time of a step, no exclusion and no
//! step that is reached twice in one instant, and a fold in the store walks all of a block's people in step, as long as the
//! longest of them. So a person is one row here, with one number for each event: when, and what it is to the funnel.

use clickhouse::Row;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Counted, Sql};
use crate::model::ProjectId;

/// Which value of a breakdown comes with a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunnelValues {
    /// None: nothing is broken down.
    None,
    /// The first that one of the person's steps has.
    First,
    /// The last.
    Last,
    /// That of each event.
    Each,
}

/// What a person's row is made of.
#[derive(Debug, Clone, Copy)]
pub struct FunnelQuestion<'a> {
    pub counted: Counted,
    /// From when to when the events are; times are told from its beginning.
    pub range: (Timestamp, Timestamp),
    /// Events as `actor`, `at`, a `mark0` … for each of `marks`, and a `value0` … for each value of a breakdown.
    pub events: &'a Sql,
    /// The bit that each mark sets.
    pub marks: &'a [u32],
    /// Bits of the marks that are steps.
    pub steps: u64,
    /// Events ever, as `actor` and `at`, of which the first of each actor has this bit.
    pub firsts: &'a [(u32, Sql)],
    pub values: FunnelValues,
    /// How many values a breakdown has.
    pub width: usize,
}

/// A statement that gives people with their events, and how its rows are read.
#[derive(Debug, Clone)]
pub struct FunnelSql {
    pub sql: Sql,
    /// By how many bits times are shifted, to have the marks below them; none if both do not fit into one number.
    pub(super) shift: Option<u32>,
}

/// A person as one number for each event.
#[derive(Debug, Row, Deserialize)]
pub(super) struct PackedRow {
    pub person: u64,
    pub is_shared: bool,
    pub touch_at: u64,
    pub touch: String,
    pub events: Vec<u64>,
}

/// A person with what each event is to the funnel, in full.
#[derive(Debug, Row, Deserialize)]
pub(super) struct FullRow {
    pub person: u64,
    pub is_shared: bool,
    pub touch_at: u64,
    pub touch: String,
    pub events: Vec<(u64, u64, String)>,
}

/// The statement that puts people's events together.
#[must_use]
pub fn funnel_sql(project: ProjectId, question: FunnelQuestion<'_>) -> FunnelSql {
    let shift = shift(question).filter(|_| question.values != FunnelValues::Each);
    let mut sql = Sql::new("SELECT ");
    let people = question.counted == Counted::People;
    sql.push(if people {
        "if(merge.from_id = 0, actor, merge.into_id) AS person, merge.from_id != 0 AS is_shared"
    } else {
        "toUInt64(0) AS person, false AS is_shared"
    });
    sql.push(", touch_at, touch, events\nFROM (\nSELECT actor, ");
    push_touch(&mut sql, question);
    sql.push(if shift.is_some() {
        "groupArray(packed) AS events"
    } else {
        "groupArray((time, marks, value)) AS events"
    });
    if !question.firsts.is_empty() {
        sql.push(", max(is_event) AS any_event");
    }
    sql.push("\nFROM (\n").append(&found(question, shift));
    for (bit, firsts) in question.firsts {
        sql.push("\nUNION ALL\n").append(&first(question, *bit, firsts, shift));
    }
    sql.push("\n)\nGROUP BY actor\n) AS found");
    if people {
        push_shared(&mut sql, project);
    }
    if !question.firsts.is_empty() {
        sql.push("\nWHERE any_event").push(if people { " OR is_shared" } else { "" });
    }
    FunnelSql { sql, shift }
}

/// How far times are shifted so that all marks are below; none if that is too far.
fn shift(question: FunnelQuestion<'_>) -> Option<u32> {
    let marks = question.marks.iter().copied().chain(question.firsts.iter().map(|(bit, _)| *bit));
    let shift = marks.max().map_or(0, |bit| bit + 1);
    let longest = question.range.1.as_microsecond().abs_diff(question.range.0.as_microsecond()) + 2;
    (shift <= longest.leading_zeros()).then_some(shift)
}

/// Which value a person has, and when.
fn push_touch(sql: &mut Sql, question: FunnelQuestion<'_>) {
    let (value, time) = match question.values {
        FunnelValues::None | FunnelValues::Each => {
            sql.push("toUInt64(0) AS touch_at, '' AS touch, ");
            return;
        }
        FunnelValues::First => ("argMinIf(", "minIf("),
        FunnelValues::Last => ("argMaxIf(", "maxIf("),
    };
    let mut condition = Sql::new("bitAnd(marks, ");
    condition.param("UInt64", question.steps).push(") != 0 AND value != ").param("String", no_value(question.width));
    sql.push(time).push("time, ").append(&condition).push(") AS touch_at, ");
    sql.push(value).push("value, time, ").append(&condition).push(") AS touch, ");
}

/// The text for values that are all empty.
fn no_value(width: usize) -> String {
    if width == 1 { String::new() } else { "0:".repeat(width) }
}

/// A row for each event.
fn found(question: FunnelQuestion<'_>, shift: Option<u32>) -> Sql {
    let mut sql = Sql::new("SELECT actor, toUInt64(toUnixTimestamp64Micro(at) - ");
    sql.param("Int64", question.range.0.as_microsecond()).push(" + 1) AS time, ");
    for (at, bit) in question.marks.iter().enumerate() {
        sql.push(if at > 0 { " + " } else { "" }).push("bitShiftLeft(toUInt64(").name("mark", at).push("), ");
        sql.number(u64::from(*bit)).push(")");
    }
    if question.marks.is_empty() {
        sql.push("toUInt64(0)");
    }
    sql.push(" AS marks");
    push_value(&mut sql, question, shift);
    if !question.firsts.is_empty() {
        sql.push(", 1 AS is_event");
    }
    sql.push("\nFROM (").append(question.events).push(")");
    sql
}

/// A row for the first event of each actor. Whatever was before the range was at time 0.
fn first(question: FunnelQuestion<'_>, bit: u32, events: &Sql, shift: Option<u32>) -> Sql {
    let mut sql = Sql::new("SELECT actor, toUInt64(greatest(toUnixTimestamp64Micro(min(at)) - ");
    sql.param("Int64", question.range.0.as_microsecond()).push(" + 1, 0)) AS time, bitShiftLeft(toUInt64(1), ");
    sql.number(u64::from(bit)).push(") AS marks");
    if shift.is_some() {
        push_packed(&mut sql, shift);
    }
    if question.values != FunnelValues::None {
        sql.push(", ").param("String", no_value(question.width)).push(" AS value");
    } else if shift.is_none() {
        sql.push(", '' AS value");
    }
    sql.push(", 0 AS is_event\nFROM (").append(events).push(")\nGROUP BY actor");
    sql
}

fn push_packed(sql: &mut Sql, shift: Option<u32>) {
    if let Some(shift) = shift {
        sql.push(", bitShiftLeft(time, ").number(u64::from(shift)).push(") + marks AS packed");
    }
}

/// The event's number, and its value: several are written one after another, each behind its length.
fn push_value(sql: &mut Sql, question: FunnelQuestion<'_>, shift: Option<u32>) {
    push_packed(sql, shift);
    match (question.values, question.width) {
        (FunnelValues::None, _) if shift.is_some() => {}
        (FunnelValues::None, _) => drop(sql.push(", '' AS value")),
        (_, 1) => drop(sql.push(", value0 AS value")),
        (_, width) => {
            sql.push(", concat(");
            for at in 0..width {
                sql.push(if at > 0 { ", " } else { "" }).push("toString(length(").name("value", at).push(")), ':', ");
                sql.name("value", at);
            }
            sql.push(") AS value");
        }
    }
}

/// Joins who somebody is after merges, to those who were merged and to those into whom.
fn push_shared(sql: &mut Sql, project: ProjectId) {
    sql.push("\nANY LEFT JOIN (\n  SELECT DISTINCT pair.1 AS from_id, pair.2 AS into_id FROM (\n");
    sql.push("    SELECT arrayJoin([(from_id, into_id), (into_id, into_id)]) AS pair FROM (\n");
    sql.push(
        "      SELECT from_id, argMax(into_id, version) AS into_id FROM person_overrides\n      WHERE project_id = ",
    );
    sql.param("UInt32", project)
        .push("\n      GROUP BY from_id\n    )\n  )\n) AS merge ON merge.from_id = found.actor");
}

/// These people: a statement with one column.
#[must_use]
pub fn numbers_sql(numbers: &mut Vec<u64>) -> Sql {
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() {
        return Sql::new("SELECT toUInt64(0) WHERE false");
    }
    // How much each is more than the one before: their numbers are near each other, and there may be a million.
    let mut steps = String::new();
    let mut before = 0;
    for (at, number) in numbers.iter().enumerate() {
        if at > 0 {
            steps.push('-');
        }
        steps.push_str(&(number - before).to_string());
        before = *number;
    }
    let mut sql = Sql::new("SELECT arrayJoin(arrayCumSum(arrayMap(x -> toUInt64(x), splitByChar('-', ");
    sql.text_literal(&steps).push("))))");
    sql
}
