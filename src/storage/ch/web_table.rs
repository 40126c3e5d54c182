//! Web analytics by page, source, device, place: a row for each value, with numbers of a range and of one before it.
//!
//! Steps: events put together by visit and value → persons after merges → what the session says → a row for each value →
//! numbers of pages that are counted apart (bounces of those who entered there, scrolling, time) → order and page of rows.

use clickhouse::Row;
use serde::Deserialize;

use super::sessions_sql::sessions_sql;
use super::web::{Stretches, visitors};
use super::web_keys::{PathRule, WebKeys, WebNones, cleaned_page};
use super::web_pages::{PageParts, with_pages};
use super::{ChError, ClickHouse, Cost, Sql};
use crate::model::ProjectId;

/// A number of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebMetric {
    Visitors,
    Views,
    /// How often the goal was reached.
    Conversions,
    /// How many people reached it.
    Converted,
    /// Of the visitors, the part who reached it.
    ConversionRate,
    /// Of the sessions, the part that bounced.
    BounceRate,
    /// How far a page was scrolled, from 0 to 1.
    ScrollDepth,
    /// Of the views, the part in which more than four fifths of the content were seen.
    DeepScroll,
    /// Seconds; nine in ten stayed no longer.
    TimeOnPage,
    RageClicks,
    DeadClicks,
    Errors,
}

impl WebMetric {
    /// In the rows of [`counted`], for those of which a flag holds.
    fn push(self, sql: &mut Sql, flag: &'static str) {
        let (before, after) = match self {
            Self::Visitors => ("uniqExactIf(visitor, ", ")"),
            Self::Views => ("sumIf(views, ", ")"),
            Self::Conversions => ("sumIf(goals, ", ")"),
            Self::Converted => ("uniqExactIf(visitor, goals > 0 AND ", ")"),
            Self::ConversionRate => {
                sql.push("uniqExactIf(visitor, goals > 0 AND ").push(flag);
                ("/ nullIf(uniqExactIf(visitor, ", "), 0)")
            }
            Self::BounceRate => ("avgOrNullIf(toUInt8(is_bounce), ", ")"),
            Self::RageClicks => ("sumIf(rage_clicks, ", ")"),
            Self::DeadClicks => ("sumIf(dead_clicks, ", ")"),
            Self::Errors => ("sumIf(errors, ", ")"),
            Self::ScrollDepth | Self::DeepScroll | Self::TimeOnPage => ("anyOrNullIf(NULL, ", ")"),
        };
        sql.push(if self == Self::ConversionRate { ") " } else { "" }).push(before).push(flag).push(after);
    }
}

/// A table, ready to be asked.
#[derive(Debug, Clone, Copy)]
pub struct WebTable<'a> {
    /// Events as `visit` (empty if of none), `actor`, `at`, `event`, `is_goal` and the columns of `keys`.
    pub events: &'a Sql,
    pub keys: WebKeys,
    /// How the values are made alike, if they are paths.
    pub rules: &'a [PathRule],
    /// Whether the values are paths behind hosts: rules are for the paths.
    pub has_hosts: bool,
    /// Of [`WebSessionKey::ExitClick`]: clicks as `visit`, `at` and `url`.
    pub clicks: Option<&'a Sql>,
    pub nones: WebNones,
    /// Whether some of the values are addresses elsewhere, which stay as they are.
    pub has_addresses: bool,
    /// Whether the value is a language: rows are made of the part before the dash, and the most frequent one after it is
    /// told beside.
    pub is_language: bool,
    pub stretches: Stretches,
    /// Whether only sessions count that began in the range; else all that have events in it.
    pub must_begin_within: bool,
    pub metrics: &'a [WebMetric],
    /// For paths.
    pub pages: Option<PageParts<'a>>,
    /// By which of the metrics rows are sorted, and whether the most comes first; by value where all are equal.
    pub order: &'a [(usize, bool)],
    /// The metric that is also told as its part of all rows' sum, or as it is if it is a part already.
    pub fill: usize,
    /// Only rows of which one of the metrics is not zero.
    pub only_counted: bool,
    pub limit: u32,
    pub offset: u32,
}

/// A row of the answer.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct WebRow {
    /// The value, of one or more parts.
    pub keys: Vec<Option<String>>,
    /// What is told beside the value.
    pub beside: String,
    /// Each metric of the range and of the one before.
    pub cells: Vec<(Option<f64>, Option<f64>)>,
    pub fill: Option<f64>,
}

impl ClickHouse {
    /// Answers a table.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn web_table(&self, sql: &Sql) -> Result<(Vec<WebRow>, Cost), ChError> {
        self.rows(sql).await
    }
}

/// The statement that counts: rows are [`WebRow`]s, one more than the limit if there are.
#[must_use]
pub fn web_table_sql(project: ProjectId, table: WebTable<'_>) -> Sql {
    let width = table.width();
    let mut sql = Sql::new("SELECT CAST([");
    for at in 0..width {
        sql.push(if at > 0 { ", toString(" } else { "toString(" }).name("key", at).push(")");
    }
    sql.push("], 'Array(Nullable(String))') AS keys, beside, [");
    for at in 0..table.metrics.len() {
        sql.push(if at > 0 { ", (" } else { "(" }).name("m", at).push(", ").name("n", at).push(")");
    }
    sql.push("] AS cells, ").name("m", table.fill);
    if !table.metrics[table.fill].is_part() {
        sql.push(" / nullIf(sum(").name("m", table.fill).push(") OVER (), 0)");
    }
    sql.push(" AS fill\nFROM (\n").append(&with_pages(project, table)).push("\n)");
    let has_value = table.nones.condition();
    if let Some(has_value) = has_value {
        sql.push("\nWHERE ").push(has_value);
    }
    if table.only_counted {
        sql.push(if has_value.is_some() { " AND (" } else { "\nWHERE (" });
        for at in 0..table.metrics.len() {
            sql.push(if at > 0 { " OR " } else { "" }).name("m", at).push(" > 0 OR ifNull(");
            sql.name("n", at).push(", 0) > 0");
        }
        sql.push(")");
    }
    sql.push("\nORDER BY ");
    for (at, is_descending) in table.order {
        let way = if *is_descending { " DESC NULLS LAST, " } else { " ASC NULLS LAST, " };
        sql.name("m", *at).push(way).name("n", *at).push(way);
    }
    for at in 0..width {
        sql.push(if at > 0 { ", " } else { "" }).name("key", at);
    }
    sql.push("\nLIMIT ").number(u64::from(table.limit) + 1).push(" OFFSET ").number(table.offset.into());
    sql
}

impl WebMetric {
    /// Whether it is a part of something, from 0 to 1.
    #[must_use]
    pub fn is_part(self) -> bool {
        matches!(self, Self::ConversionRate | Self::BounceRate | Self::ScrollDepth | Self::DeepScroll)
    }
}

impl WebTable<'_> {
    /// A page as the table tells it.
    pub(super) fn cleaned(&self, page: &Sql) -> Sql {
        cleaned_page(self.rules, self.has_hosts, page)
    }

    fn width(&self) -> usize {
        match self.keys {
            WebKeys::Event(width) => width,
            WebKeys::Session(_) => 1,
        }
    }

    /// Whether anything of the session is asked for.
    fn needs_sessions(&self) -> bool {
        self.must_begin_within
            || matches!(self.keys, WebKeys::Session(_))
            || self.pages.is_none() && self.metrics.contains(&WebMetric::BounceRate)
    }

    pub(super) fn sessions(&self, project: ProjectId) -> Sql {
        sessions_sql(
            project,
            &match self.must_begin_within {
                true => self.stretches.begun_within(),
                false => self.stretches.active_within(),
            },
        )
    }
}

/// A row for each value: `key0` …, `beside`, and each metric as `m` of the range and `n` of the one before.
pub(super) fn by_value(project: ProjectId, table: WebTable<'_>) -> Sql {
    let mut sql = Sql::new("SELECT ");
    if table.is_language {
        sql.push("if(isNull(raw0), NULL, splitByChar('-', ifNull(raw0, ''))[1]) AS key0, ");
        sql.push("ifNull(topK(1)(splitByChar('-', ifNull(raw0, ''))[2])[1], '') AS beside");
    } else {
        for at in 0..table.width() {
            sql.name("raw", at).push(" AS ").name("key", at).push(", ");
        }
        sql.push("'' AS beside");
    }
    for (at, metric) in table.metrics.iter().enumerate() {
        metric.push(sql.push(", CAST("), "is_current");
        sql.push(", 'Nullable(Float64)') AS ").name("m", at).push(", CAST(");
        match table.stretches.previous {
            Some(_) => metric.push(&mut sql, "is_previous"),
            None => {
                sql.push("NULL");
            }
        }
        sql.push(", 'Nullable(Float64)') AS ").name("n", at);
    }
    sql.push("\nFROM (\n").append(&counted(project, table)).push("\n)\nGROUP BY ");
    for at in 0..table.width() {
        sql.push(if at > 0 { ", " } else { "" }).name("key", at);
    }
    sql
}

const COUNTS: &str = "seen.visitor AS visitor, seen.views AS views, seen.goals AS goals, seen.rage_clicks AS rage_clicks, \
                      seen.dead_clicks AS dead_clicks, seen.errors AS errors";

/// A row for each visit and value: `raw0` …, `visitor`, counts, and what the session says.
fn counted(project: ProjectId, table: WebTable<'_>) -> Sql {
    let found = visitors(
        project,
        match table.keys {
            WebKeys::Session(_) => "visit, views, goals, rage_clicks, dead_clicks, errors",
            WebKeys::Event(1) => "raw0, visit, views, goals, rage_clicks, dead_clicks, errors",
            WebKeys::Event(2) => "raw0, raw1, visit, views, goals, rage_clicks, dead_clicks, errors",
            WebKeys::Event(_) => "raw0, raw1, raw2, visit, views, goals, rage_clicks, dead_clicks, errors",
        },
        &by_visit(table),
    );
    let mut sql = Sql::new("SELECT ");
    match table.keys {
        WebKeys::Session(key) => {
            let plain = Sql::new(if table.has_hosts { key.with_host() } else { key.sql() });
            let value = if key.is_path() { table.cleaned(&plain) } else { plain };
            sql.append(&value).push(" AS raw0, ");
        }
        WebKeys::Event(width) => {
            for at in 0..width {
                sql.push("seen.").name("raw", at).push(" AS ").name("raw", at).push(", ");
            }
        }
    }
    sql.push(COUNTS);
    if !table.needs_sessions() {
        sql.push(", true AS is_current, false AS is_previous\nFROM (\n").append(&found).push("\n) AS seen");
        return sql;
    }
    sql.push(", session.is_bounce AS is_bounce, ");
    if table.must_begin_within {
        table.stretches.push_flags(&mut sql, "session.start_at");
    } else {
        sql.push("true AS is_current, false AS is_previous");
    }
    sql.push("\nFROM (\n").append(&found).push("\n) AS seen\nINNER JOIN (\n").append(&table.sessions(project));
    sql.push("\n) AS session ON session.session_id = seen.visit");
    if let Some(clicks) = table.clicks {
        sql.push("\nLEFT JOIN (\nSELECT visit, argMax(away.url, away.at) AS url\nFROM (").append(clicks);
        sql.push(") AS away\nGROUP BY visit\n) AS click ON click.visit = seen.visit");
    }
    sql
}

/// A row for each visit and value of events: `visit`, `raw0` …, `actor`, counts. Events of no session are put together by
/// person.
fn by_visit(table: WebTable<'_>) -> Sql {
    let width = if let WebKeys::Event(width) = table.keys { width } else { 0 };
    let names = |sql: &mut Sql, letters: &'static str| {
        for at in 0..width {
            sql.push(", ").name(letters, at);
        }
    };
    let mut found = Sql::new("SELECT visit, if(visit = '', event.actor, 0) AS lone");
    names(&mut found, "key");
    found.push(
        ", argMin(event.actor, event.at) AS who, min(event.at) AS since, count() AS n, countIf(is_goal) AS n_goals, \
         countIf(event.event = '$rageclick') AS n_rage, countIf(event.event = '$dead_click') AS n_dead, \
         countIf(event.event = '$exception') AS n_errors\nFROM (",
    );
    found.append(table.events).push(") AS event\nGROUP BY visit, lone");
    names(&mut found, "key");
    let mut sql = Sql::new("SELECT visit");
    if table.rules.is_empty() || width == 0 {
        for at in 0..width {
            sql.push(", ").name("key", at).push(" AS ").name("raw", at);
        }
        sql.push(", who AS actor, n AS views, n_goals AS goals, n_rage AS rage_clicks, n_dead AS dead_clicks, ");
        sql.push("n_errors AS errors\nFROM (\n").append(&found).push("\n)");
        return sql;
    }
    // Patterns are tried once for each value of a visit.
    sql.push(if table.has_addresses { ", if(NOT startsWith(ifNull(key0, ''), '/'), key0, " } else { ", (" });
    sql.append(&table.cleaned(&Sql::new("key0")))
        .push(") AS raw0, argMin(who, since) AS actor, sum(n) AS views, sum(n_goals) AS goals, ");
    sql.push("sum(n_rage) AS rage_clicks, sum(n_dead) AS dead_clicks, sum(n_errors) AS errors\nFROM (\n");
    sql.append(&found).push("\n)\nGROUP BY visit, lone, raw0");
    sql
}
