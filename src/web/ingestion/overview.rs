//! `GET /project/{project}/ingestion`: the ledger.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

use super::reasons::{Reason, explain};
use super::{Tab, TabLink, tabs};
use crate::http::{AppState, ProjectAccess, WebError, page as render};
use crate::ingest::ledger::{self, LedgerSums};
use crate::model::Project;
use crate::web::insights::Figure;
use crate::web::{Section, Shell};

/// Days of a week before today.
const DAYS_BEFORE: i64 = 6;

#[derive(Debug, Template)]
#[template(path = "pages/ingestion/overview.html")]
struct OverviewPage {
    shell: Shell,
    project: Project,
    tabs: Vec<TabLink>,
    is_week: bool,
    sums: LedgerSums,
    columns: Vec<Column>,
    series: Vec<Series>,
    reasons: Vec<ReasonLine>,
    /// Hours that do not balance, with what is missing.
    unbalanced: Vec<(String, i64)>,
    /// Requests in the spool of this node, of all projects.
    waiting_requests: u64,
    lag_seconds: u64,
    waits_for_store: bool,
}

/// An hour of the chart, or a day.
#[derive(Debug)]
struct Column {
    iso: String,
    label: String,
    is_incomplete: bool,
}

/// An outcome over them.
#[derive(Debug)]
struct Series {
    label: &'static str,
    /// Its colour, from 0.
    color: usize,
    total: Figure,
    cells: Vec<Figure>,
}

/// A reason and how many events have it.
#[derive(Debug)]
struct ReasonLine {
    outcome: &'static str,
    code: String,
    reason: Reason,
    events: String,
}

/// Which stretch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Range {
    range: String,
}

/// The ledger of today or of seven days.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(Range { range }): Query<Range>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let now = state.clock.now();
    let is_week = range == "7d";
    let from = ledger::hour_of(midnight(now, if is_week { DAYS_BEFORE } else { 0 }, &zone));
    let until = ledger::end_of_hour(now);
    let rows = state.pg.list_ledger(project.id, from, until).await?;
    let hours = ledger::by_hour(&rows, from, until);
    let unbalanced = unbalanced(&hours, &zone);
    // A week of hours is 168 bars that nobody can tell apart.
    let times = if is_week { ledger::by_day(hours, &zone) } else { hours };
    let pipeline = state.pipeline.status();
    let page = OverviewPage {
        shell: Shell::load(&state, &access.user, Some(project), Section::Ingestion).await?,
        tabs: tabs(project.id, Tab::Overview),
        is_week,
        sums: ledger::total(&rows),
        columns: columns(&times, &zone, is_week),
        series: series(&times),
        reasons: reasons(&ledger::total(&rows)),
        unbalanced,
        waiting_requests: state.intake.position().saturating_sub(pipeline.stored_seq),
        lag_seconds: pipeline.lag.as_secs(),
        waits_for_store: pipeline.waiting_for.is_some(),
        project: project.clone(),
    };
    render(&page)
}

impl OverviewPage {
    fn exact(&self, events: impl std::borrow::Borrow<u64>) -> String {
        Figure::of(*events.borrow()).exact
    }
}

/// The beginning of today, or of a day so many days before.
fn midnight(now: Timestamp, days_before: i64, zone: &TimeZone) -> Timestamp {
    let day = now.to_zoned(zone.clone()).checked_sub(days_before.days());
    day.and_then(|day| day.start_of_day()).map_or(now, |midnight| midnight.timestamp())
}

fn unbalanced(hours: &[(Timestamp, LedgerSums)], zone: &TimeZone) -> Vec<(String, i64)> {
    let unbalanced = hours.iter().filter(|(_, sums)| sums.imbalance() != 0);
    unbalanced.map(|(hour, sums)| (hour_text(*hour, zone), sums.imbalance())).collect()
}

fn hour_text(hour: Timestamp, zone: &TimeZone) -> String {
    hour.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

fn columns(times: &[(Timestamp, LedgerSums)], zone: &TimeZone, is_week: bool) -> Vec<Column> {
    let format = if is_week { "%a %-d %b" } else { "%H:%M" };
    let column = |(place, (at, _)): (usize, &(Timestamp, LedgerSums))| Column {
        iso: at.to_string(),
        label: at.to_zoned(zone.clone()).strftime(format).to_string(),
        is_incomplete: place + 1 == times.len(),
    };
    times.iter().enumerate().map(column).collect()
}

fn series(times: &[(Timestamp, LedgerSums)]) -> Vec<Series> {
    type Read = fn(&LedgerSums) -> u64;
    let outcomes: [(&str, usize, Read); 4] = [
        ("Stored", 2, |sums| sums.stored),
        ("Duplicate", 1, |sums| sums.duplicate),
        ("Quarantined", 4, LedgerSums::quarantined_total),
        ("Rejected", 6, LedgerSums::rejected_total),
    ];
    let one = |(label, color, read): (&'static str, usize, Read)| Series {
        label,
        color,
        total: Figure::of(times.iter().map(|(_, sums)| read(sums)).sum()),
        cells: times.iter().map(|(_, sums)| Figure::of(read(sums))).collect(),
    };
    outcomes.into_iter().map(one).collect()
}

fn reasons(sums: &LedgerSums) -> Vec<ReasonLine> {
    let line = |outcome, (code, events): (&String, &u64)| ReasonLine {
        outcome,
        reason: explain(code),
        code: code.clone(),
        events: Figure::of(*events).exact,
    };
    let rejected = sums.rejected.iter().map(|entry| line("Rejected", entry));
    rejected.chain(sums.quarantined.iter().map(|entry| line("Quarantined", entry))).collect()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::storage::pg::{LedgerOutcome, LedgerRow};
    use crate::web::tests::{assert_page, sample_project};

    fn sample(rows: &[(LedgerOutcome, &str, u64)]) -> OverviewPage {
        let from: Timestamp = "2026-11-21T10:00:00Z".parse().expect("a time");
        let rows: Vec<_> = rows
            .iter()
            .map(|(outcome, reason, events)| LedgerRow {
                hour: from,
                outcome: *outcome,
                reason: (*reason).to_owned(),
                events: *events,
            })
            .collect();
        let hours = ledger::by_hour(&rows, from, from + SignedDuration::from_hours(3));
        let project = sample_project();
        OverviewPage {
            shell: Shell::sample(Section::Ingestion),
            tabs: tabs(project.id, Tab::Overview),
            is_week: false,
            sums: ledger::total(&rows),
            columns: columns(&hours, &TimeZone::UTC, false),
            series: series(&hours),
            reasons: reasons(&ledger::total(&rows)),
            unbalanced: unbalanced(&hours, &TimeZone::UTC),
            waiting_requests: 3,
            lag_seconds: 2,
            waits_for_store: true,
            project,
        }
    }

    #[test]
    fn the_page_is_drawn_from_a_table_and_says_whether_it_balances() {
        let balanced = [
            (LedgerOutcome::Received, "", 1204),
            (LedgerOutcome::Stored, "", 1200),
            (LedgerOutcome::Rejected, "invalid_uuid", 3),
            (LedgerOutcome::Quarantined, "bot", 1),
        ];
        assert_page(&sample(&balanced), "figure[data-chart=bar] tr:nth-child(4) td[data-v]");
        assert_page(&sample(&balanced), ".ledger-balance.is-good");
        assert_page(&sample(&balanced[..2]), ".notice.is-error");
        assert_page(&sample(&[]), ".empty");
        assert_page(&sample(&balanced), "a[href$='/ingestion/rejected?reason=invalid_uuid']");
    }
}
