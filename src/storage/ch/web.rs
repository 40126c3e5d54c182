//! Web analytics: visits, which are sessions, of a range and maybe of one before it.
//!
//! Events are put together by session first. Merges of people and what a session is (when it began, how long it was,
//! whether it bounced) are looked up once for each, and not for each event.

use clickhouse::Row;
use jiff::Timestamp;
use serde::Deserialize;

use super::events_read::push_moment;
use super::merges::after_merges;
use super::sessions_sql::{SessionScope, sessions_sql};
use super::{ChError, ClickHouse, Cost, Counted, Sql};
use crate::model::ProjectId;

/// From when to when: `to` is the first moment after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// A range, and the one that it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretches {
    pub current: Stretch,
    pub previous: Option<Stretch>,
}

impl Stretches {
    fn first(self) -> Timestamp {
        self.previous.map_or(self.current.from, |previous| previous.from.min(self.current.from))
    }

    fn last(self) -> Timestamp {
        self.previous.map_or(self.current.to, |previous| previous.to.max(self.current.to))
    }

    /// The sessions that began in one of them.
    pub(super) fn begun_within(self) -> SessionScope {
        SessionScope { from: Some(self.first()), until: Some(self.last()), ..SessionScope::default() }
    }

    /// The sessions that have an event in one of them, whenever they began.
    pub(super) fn active_within(self) -> SessionScope {
        SessionScope { active_from: Some(self.first()), until: Some(self.last()), ..SessionScope::default() }
    }

    /// `… AS is_current, … AS is_previous` of the moment in a column of ours.
    pub(super) fn push_flags(self, sql: &mut Sql, column: &'static str) {
        push_inside(sql, column, Some(self.current));
        sql.push(" AS is_current, ");
        push_inside(sql, column, self.previous);
        sql.push(" AS is_previous");
    }
}

/// Whether the moment in a column of ours lies in a stretch; in none, if there is none.
pub(super) fn push_inside(sql: &mut Sql, column: &'static str, stretch: Option<Stretch>) {
    let Some(Stretch { from, to }) = stretch else {
        sql.push("false");
        return;
    };
    push_moment(sql.push("(").push(column).push(" >= "), from);
    push_moment(sql.push(" AND ").push(column).push(" < "), to);
    sql.push(")");
}

/// What an overview is counted from.
#[derive(Debug, Clone, Copy)]
pub struct WebVisits<'a> {
    /// Events of sessions as `visit`, `actor`, `at`, `is_view`, `is_goal`.
    pub events: &'a Sql,
    pub stretches: Stretches,
}

/// The numbers of an overview; `…_before` of the range that is compared with. No average of nothing.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct WebNumbers {
    pub visitors: u64,
    pub visitors_before: u64,
    pub views: u64,
    pub views_before: u64,
    pub sessions: u64,
    pub sessions_before: u64,
    /// How often the goal was reached.
    pub conversions: u64,
    pub conversions_before: u64,
    /// How many people reached it.
    pub converted: u64,
    pub converted_before: u64,
    /// In seconds.
    pub duration: Option<f64>,
    pub duration_before: Option<f64>,
    /// The part of the sessions with any view that bounced, from 0 to 1.
    pub bounces: Option<f64>,
    pub bounces_before: Option<f64>,
}

impl ClickHouse {
    /// Answers an overview.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn web_overview(&self, sql: &Sql) -> Result<(WebNumbers, Cost), ChError> {
        let (rows, cost) = self.rows(sql).await?;
        let row = rows.into_iter().next();
        Ok((row.ok_or_else(|| ChError::Custom("an aggregate over everything gave no row".to_owned()))?, cost))
    }
}

/// The statement that counts: one row, [`WebNumbers`].
#[must_use]
pub fn web_overview_sql(project: ProjectId, visits: WebVisits<'_>) -> Sql {
    let mut sql = Sql::new("SELECT ");
    let mut first = true;
    for (before, after, name) in [
        ("uniqExactIf(visitor, ", ")", "visitors"),
        ("sumIf(n_views, ", ")", "views"),
        ("countIf(", ")", "sessions"),
        ("sumIf(n_goals, ", ")", "conversions"),
        ("uniqExactIf(visitor, n_goals > 0 AND ", ")", "converted"),
        ("avgOrNullIf(seconds, ", ")", "duration"),
        ("avgOrNullIf(toUInt8(is_bounce), ", ")", "bounces"),
    ] {
        for (flag, more) in [("is_current", ""), ("is_previous", "_before")] {
            sql.push(if first { "" } else { ", " }).push(before).push(flag).push(after);
            sql.push(" AS ").push(name).push(more);
            first = false;
        }
    }
    let mut found = Sql::new(
        "SELECT visit, argMin(event.actor, event.at) AS actor, countIf(is_view) AS views, countIf(is_goal) AS goals\nFROM (",
    );
    found.append(visits.events).push(") AS event\nGROUP BY visit");
    sql.push("\nFROM (\nSELECT seen.visitor AS visitor, seen.views AS n_views, seen.goals AS n_goals, ");
    sql.push("session.duration AS seconds, session.is_bounce AS is_bounce, ");
    visits.stretches.push_flags(&mut sql, "session.start_at");
    sql.push("\nFROM (\n").append(&visitors(project, "visit, views, goals", &found));
    sql.push("\n) AS seen\nINNER JOIN (\n").append(&sessions_sql(project, &visits.stretches.begun_within()));
    sql.push("\n) AS session ON session.session_id = seen.visit\n)");
    sql
}

/// The rows of `found` with these of its columns, and `visitor`: who its `actor` is after merges.
pub(super) fn visitors(project: ProjectId, columns: &'static str, found: &Sql) -> Sql {
    let mut sql = Sql::new("SELECT * EXCEPT (whole), whole AS visitor\nFROM (\n");
    sql.append(&after_merges(project, Counted::People, columns, found)).push("\n)");
    sql
}
