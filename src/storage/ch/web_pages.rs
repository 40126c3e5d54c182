//! What a table of pages counts apart from views, each joined by the path.

use super::Sql;
use super::web::push_inside;
use super::web_keys::ENTRY_PAGE;
use super::web_table::{WebMetric, WebTable, by_value};
use crate::model::ProjectId;

/// Longer times on a page are counted as this.
const MAX_PAGE_SECONDS: u32 = 86_400;

/// What is counted of pages apart from their views.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageParts<'a> {
    /// Events of views as `visit`: bounces of the sessions that entered on the page.
    pub bounces: Option<&'a Sql>,
    /// Events that say how far the page before was scrolled, as `visit`, `key0`, `scrolled`, `seen`.
    pub scrolls: Option<&'a Sql>,
    /// Events that say how long the page before was open, as `at`, `key0`, `seconds`.
    pub times: Option<&'a Sql>,
}

/// The rows of [`by_value`], with what is counted of pages apart.
pub(super) fn with_pages(project: ProjectId, table: WebTable<'_>) -> Sql {
    let Some(pages) = table.pages else { return by_value(project, table) };
    let mut sql = Sql::new("SELECT counted.key0 AS key0, counted.beside AS beside");
    for (at, metric) in table.metrics.iter().enumerate() {
        let (now, before) = match metric {
            WebMetric::BounceRate if pages.times.is_some() => ("ifNull(bounce.now, 0)", "ifNull(bounce.before, 0)"),
            WebMetric::BounceRate => ("bounce.now", "bounce.before"),
            WebMetric::ScrollDepth => ("scroll.now", "scroll.before"),
            WebMetric::DeepScroll => ("scroll.deep_now", "scroll.deep_before"),
            WebMetric::TimeOnPage => ("ifNull(time.now, 0)", "ifNull(time.before, 0)"),
            _ => {
                sql.push(", counted.").name("m", at).push(" AS ").name("m", at);
                sql.push(", counted.").name("n", at).push(" AS ").name("n", at);
                continue;
            }
        };
        sql.push(", CAST(").push(now).push(", 'Nullable(Float64)') AS ").name("m", at);
        sql.push(", CAST(").push(if table.stretches.previous.is_some() { before } else { "NULL" });
        sql.push(", 'Nullable(Float64)') AS ").name("n", at);
    }
    sql.push("\nFROM (\n").append(&by_value(project, table)).push("\n) AS counted");
    if let Some(events) = pages.bounces {
        sql.push("\nLEFT JOIN (\n").append(&entry_bounces(project, table, events));
        sql.push("\n) AS bounce ON bounce.path = counted.key0");
    }
    if let Some(events) = pages.scrolls {
        sql.push("\nLEFT JOIN (\n").append(&scrolls(project, table, events));
        sql.push("\n) AS scroll ON scroll.path = counted.key0");
    }
    if let Some(events) = pages.times {
        sql.push("\nLEFT JOIN (\n").append(&times(table, events)).push("\n) AS time ON time.path = counted.key0");
    }
    sql.push("\nWHERE counted.key0 IS NOT NULL");
    sql
}

/// Bounces of the sessions that have one of these events, by the path that they entered on.
fn entry_bounces(project: ProjectId, table: WebTable<'_>, events: &Sql) -> Sql {
    let mut sql = Sql::new(
        "SELECT path, avgOrNullIf(toUInt8(is_bounce), is_current) AS now, avgOrNullIf(toUInt8(is_bounce), is_previous) \
         AS before\nFROM (\nSELECT ",
    );
    let entry = Sql::new(if table.has_hosts { ENTRY_PAGE } else { "session.entry_pathname" });
    sql.append(&table.cleaned(&entry)).push(" AS path, session.is_bounce AS is_bounce, ");
    table.stretches.push_flags(&mut sql, "session.start_at");
    sql.push("\nFROM (SELECT DISTINCT visit FROM (").append(events).push(")) AS seen\nINNER JOIN (\n");
    sql.append(&table.sessions(project)).push("\n) AS session ON session.session_id = seen.visit\n)\nGROUP BY path");
    sql
}

/// How far pages were scrolled before they were left.
fn scrolls(project: ProjectId, table: WebTable<'_>, events: &Sql) -> Sql {
    let mut sql = Sql::new("SELECT path");
    for (sum, of, flag, name) in [
        ("sumIf(scrolled, ", "sumIf(n, ", "is_current", "now"),
        ("sumIf(scrolled, ", "sumIf(n, ", "is_previous", "before"),
        ("sumIf(deep, ", "sumIf(n_seen, ", "is_current", "deep_now"),
        ("sumIf(deep, ", "sumIf(n_seen, ", "is_previous", "deep_before"),
    ] {
        sql.push(", ").push(sum).push(flag).push(") / nullIf(").push(of).push(flag).push("), 0) AS ").push(name);
    }
    sql.push("\nFROM (\nSELECT found.path AS path, found.scrolled AS scrolled, found.n AS n, found.deep AS deep, ");
    sql.push("found.n_seen AS n_seen, ");
    table.stretches.push_flags(&mut sql, "session.start_at");
    sql.push("\nFROM (\nSELECT visit, ").append(&table.cleaned(&Sql::new("key0")));
    sql.push(
        " AS path, sum(event.scrolled) AS scrolled, count(event.scrolled) AS n, countIf(event.seen > 0.8) AS deep, ",
    );
    sql.push("count(event.seen) AS n_seen\nFROM (")
        .append(events)
        .push(") AS event\nGROUP BY visit, path\n) AS found\n");
    sql.push("INNER JOIN (\n").append(&table.sessions(project));
    sql.push("\n) AS session ON session.session_id = found.visit\n)\nGROUP BY path");
    sql
}

/// How long pages were open before they were left.
fn times(table: WebTable<'_>, events: &Sql) -> Sql {
    let mut sql = Sql::new("SELECT ");
    sql.append(&table.cleaned(&Sql::new("key0"))).push(" AS path");
    let stretches = [(Some(table.stretches.current), "now"), (table.stretches.previous, "before")];
    for (stretch, name) in stretches {
        sql.push(", quantileExactInclusiveOrNullIf(0.9)(least(seconds, ").param("UInt32", MAX_PAGE_SECONDS).push("), ");
        push_inside(&mut sql, "at", stretch);
        sql.push(") AS ").push(name);
    }
    sql.push("\nFROM (").append(events).push(")\nWHERE seconds IS NOT NULL\nGROUP BY path");
    sql
}
