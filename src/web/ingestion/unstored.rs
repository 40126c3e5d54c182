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
    lines: Vec<UnstoredLine>,
    older: Option<String>,
    newest: Option<String>,
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

/// From where the list goes on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Before {
    before: Option<i64>,
}

/// The rejected events.
pub async fn rejected(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(before): Query<Before>,
) -> Result<Response, WebError> {
    list(&state, &access, UnstoredKind::Rejected, before).await
}

/// The quarantined events that no store takes.
pub async fn quarantined(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(before): Query<Before>,
) -> Result<Response, WebError> {
    list(&state, &access, UnstoredKind::Quarantined, before).await
}

async fn list(
    state: &AppState,
    access: &ProjectAccess,
    kind: UnstoredKind,
    Before { before }: Before,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let mut rows = state.pg.list_unstored_events(project.id, kind, before, PAGE_SIZE + 1).await?;
    let has_more = rows.len() as i64 > PAGE_SIZE;
    rows.truncate(PAGE_SIZE as usize);
    let base = format!("/project/{}/ingestion/{}", project.id, kind.as_str());
    let is_quarantine = kind == UnstoredKind::Quarantined;
    let page = UnstoredPage {
        shell: Shell::load(state, &access.user, Some(project), Section::Ingestion).await?,
        tabs: tabs(project.id, if is_quarantine { Tab::Quarantined } else { Tab::Rejected }),
        is_quarantine,
        older: rows.last().filter(|_| has_more).map(|row| format!("{base}?before={}", row.id)),
        newest: before.map(|_| base.clone()),
        lines: rows.into_iter().map(|row| UnstoredLine::new(row, &zone)).collect(),
        project: project.clone(),
    };
    render(&page)
}
