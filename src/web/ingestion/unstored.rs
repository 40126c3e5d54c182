//! `GET /project/{project}/ingestion/rejected` and `…/quarantined`: what was not stored, with samples.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::reasons::{Reason, explain};
use super::{Tab, TabLink, tabs};
use crate::http::{AppState, ProjectAccess, WebError, page as render};
use crate::model::Project;
use crate::storage::pg::{UnstoredKind, UnstoredRow};
use crate::web::events::time_text;
use crate::web::insights::Figure;
use crate::web::{Section, Shell};

/// Events on a page.
const PAGE_SIZE: i64 = 50;

#[derive(Debug, Template)]
#[template(path = "pages/ingestion/unstored.html")]
struct UnstoredPage {
    shell: Shell,
    project: Project,
    tabs: Vec<TabLink>,
    is_quarantine: bool,
    /// The reasons to choose from, all of them first; none if there is nothing to choose.
    reasons: Vec<ReasonLink>,
    /// Only events of this reason are shown.
    is_filtered: bool,
    lines: Vec<UnstoredLine>,
    older: Option<String>,
    newest: Option<String>,
}

/// A reason to show alone.
#[derive(Debug)]
struct ReasonLink {
    title: &'static str,
    events: String,
    href: String,
    is_current: bool,
}

/// An unstored event's row.
#[derive(Debug)]
pub struct UnstoredLine {
    pub is_quarantined: bool,
    pub iso: String,
    pub time: String,
    pub code: String,
    pub reason: Reason,
    /// How many events it stands for.
    pub count: u64,
    pub event: Option<String>,
    pub distinct_id: Option<String>,
    pub uuid: Option<String>,
    pub detail: String,
    pub sample: String,
}

impl UnstoredLine {
    /// A row as a page shows it.
    #[must_use]
    pub fn new(row: UnstoredRow, zone: &TimeZone) -> Self {
        let event = row.event;
        Self {
            is_quarantined: event.kind == UnstoredKind::Quarantined,
            iso: event.received_at.to_string(),
            time: time_text(zone, event.received_at),
            reason: explain(&event.reason),
            code: event.reason,
            count: event.count,
            event: event.event,
            distinct_id: event.distinct_id,
            uuid: event.uuid,
            detail: event.detail,
            sample: event.sample,
        }
    }
}

/// What of the list is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// A code of the ledger.
    reason: String,
    /// From where the list goes on.
    before: Option<i64>,
}

/// The rejected events.
pub async fn rejected(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, WebError> {
    list(&state, &access, UnstoredKind::Rejected, wanted).await
}

/// The quarantined events that no store takes.
pub async fn quarantined(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, WebError> {
    list(&state, &access, UnstoredKind::Quarantined, wanted).await
}

async fn list(
    state: &AppState,
    access: &ProjectAccess,
    kind: UnstoredKind,
    Wanted { reason, before }: Wanted,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let reason = Some(reason.as_str()).filter(|code| !code.is_empty());
    let counts = state.pg.count_unstored_by_reason(project.id, kind).await?;
    let mut rows = state.pg.list_unstored_events(project.id, kind, reason, before, PAGE_SIZE + 1).await?;
    let has_more = rows.len() as i64 > PAGE_SIZE;
    rows.truncate(PAGE_SIZE as usize);
    let base = format!("/project/{}/ingestion/{}", project.id, kind.as_str());
    let here = |before: Option<i64>| link(&base, reason, before);
    let is_quarantine = kind == UnstoredKind::Quarantined;
    let page = UnstoredPage {
        shell: Shell::load(state, &access.user, Some(project), Section::Ingestion).await?,
        tabs: tabs(project.id, if is_quarantine { Tab::Quarantined } else { Tab::Rejected }),
        is_quarantine,
        reasons: reasons(&counts, &base, reason),
        is_filtered: reason.is_some(),
        older: rows.last().filter(|_| has_more).map(|row| here(Some(row.id))),
        newest: before.map(|_| here(None)),
        lines: rows.into_iter().map(|row| UnstoredLine::new(row, &zone)).collect(),
        project: project.clone(),
    };
    render(&page)
}

/// The address of a list.
fn link(base: &str, reason: Option<&str>, before: Option<i64>) -> String {
    let before = before.map(|before| before.to_string());
    let wishes = [("reason", reason), ("before", before.as_deref())];
    let given: Vec<_> = wishes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    match serde_urlencoded::to_string(&given) {
        Ok(query) if !query.is_empty() => format!("{base}?{query}"),
        _ => base.to_owned(),
    }
}

fn reasons(counts: &[(String, u64)], base: &str, current: Option<&str>) -> Vec<ReasonLink> {
    if counts.len() < 2 && current.is_none() {
        return Vec::new();
    }
    let total = counts.iter().map(|(_, events)| events).sum();
    let all = ReasonLink {
        title: "All reasons",
        events: Figure::of(total).exact,
        href: base.to_owned(),
        is_current: current.is_none(),
    };
    let one = |(code, events): (&str, u64)| ReasonLink {
        title: explain(code).title,
        events: Figure::of(events).exact,
        href: link(base, Some(code), None),
        is_current: current == Some(code),
    };
    let kept = counts.iter().map(|(code, events)| (code.as_str(), *events));
    // One of which nothing is kept any more is still what is looked at.
    let gone = current.filter(|code| counts.iter().all(|(kept, _)| kept != code)).map(|code| (code, 0));
    std::iter::once(all).chain(kept.chain(gone).map(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::{assert_page, sample_project};

    fn sample(counts: &[(String, u64)], reason: Option<&str>) -> UnstoredPage {
        let project = sample_project();
        UnstoredPage {
            shell: Shell::sample(Section::Ingestion),
            tabs: tabs(project.id, Tab::Rejected),
            is_quarantine: false,
            reasons: reasons(counts, "/base", reason),
            is_filtered: reason.is_some(),
            lines: Vec::new(),
            older: None,
            newest: None,
            project,
        }
    }

    #[test]
    fn a_reason_can_be_chosen_where_there_are_several_or_one_was_chosen() {
        let counts = [("invalid_uuid".to_owned(), 1200), ("recording".to_owned(), 3)];
        let chosen = sample(&counts, Some("recording"));
        assert_page(&chosen, ".filter-links a[href='/base?reason=recording'][aria-current=true]");
        assert_page(&chosen, ".filter-links a[href='/base']:not([aria-current])");
        assert_page(&sample(&counts, Some("gone & \"odd\"")), ".filter-links li:nth-child(4) a[aria-current=true]");
        assert!(sample(&counts[..1], None).reasons.is_empty());
        assert_page(&sample(&[], Some("recording")), ".empty a[href$='/ingestion/rejected']");
    }
}
