//! `/project/{project}/privacy/erasures/{id}`: how far an erasure is, and its receipt.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::{CountLine, count_lines, href, progress};
use crate::http::{AppState, Cause, ProjectAccess, WebError, page};
use crate::model::Project;
use crate::storage::pg::{ErasureRow, ErasureStep};
use crate::web::{Section, Shell};

#[derive(Debug, Template)]
#[template(path = "pages/privacy/erasure.html")]
struct Page {
    shell: Shell,
    project: Project,
    id: String,
    subject: String,
    by: String,
    requested_at: Timestamp,
    hidden_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    keeps_events: bool,
    state: &'static str,
    meaning: &'static str,
    badge: &'static str,
    error: String,
    lines: Vec<CountLine>,
    is_done: bool,
}

/// The erasure of a path.
#[derive(Debug, Deserialize)]
pub struct OfErasure {
    id: String,
}

/// The page. It asks for itself again while the job is under way.
pub async fn get_erasure(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path(of): Path<OfErasure>,
) -> Result<Response, WebError> {
    let row = find(&state, &access, &of).await?;
    let shell = Shell::load(&state, &access.user, Some(&access.project), Section::Settings).await?;
    let mut response = page(&Page::of(shell, access.project, &row))?;
    if row.step != ErasureStep::Done {
        response.headers_mut().insert(header::REFRESH, header::HeaderValue::from_static("3"));
    }
    Ok(response)
}

/// The receipt, as a file.
pub async fn get_receipt(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path(of): Path<OfErasure>,
) -> Result<Response, WebError> {
    let row = find(&state, &access, &of).await?;
    let receipt = state.privacy().receipt(&row).await?.ok_or(Cause::NotFound)?;
    let body = serde_json::to_string_pretty(&receipt).map_err(Cause::internal)?;
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"erasure-{}.json\"", row.id)),
    ];
    Ok((headers, body).into_response())
}

async fn find(state: &AppState, access: &ProjectAccess, of: &OfErasure) -> Result<ErasureRow, Cause> {
    let id = of.id.parse().map_err(|_| Cause::NotFound)?;
    state.pg.find_erasure(access.project.id, id).await?.ok_or(Cause::NotFound)
}

impl Page {
    fn of(shell: Shell, project: Project, row: &ErasureRow) -> Self {
        let (state, meaning, badge) = progress(row);
        Self {
            shell,
            project,
            id: row.id.to_string(),
            subject: row.subject.clone(),
            by: row.requested_by.clone(),
            requested_at: row.requested_at,
            hidden_at: row.hidden_at,
            finished_at: row.finished_at,
            keeps_events: row.keeps_events,
            state,
            meaning,
            badge,
            error: row.error.clone(),
            lines: count_lines(&row.stores),
            is_done: row.step == ErasureStep::Done,
        }
    }

    fn back(&self) -> String {
        href(self.project.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::pg::StoreCount;
    use crate::web::tests::{assert_page, sample_project};

    #[test]
    fn an_erasure_shows_its_counts_and_a_receipt_when_it_is_done() {
        let row = |step| ErasureRow {
            id: uuid::Uuid::nil(),
            project_id: sample_project().id,
            subject: "00ff".to_owned(),
            requested_by: "Ada".to_owned(),
            requested_at: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            keeps_events: false,
            step,
            plan: None,
            stores: vec![StoreCount { after: Some(0), ..StoreCount::before("clickhouse.events", 9) }],
            error: "a store was away".to_owned(),
            hidden_at: None,
            finished_at: None,
            receipt: None,
        };
        let page = |step| Page::of(Shell::sample(Section::Settings), sample_project(), &row(step));
        assert_page(&page(ErasureStep::Done), "a[href$='/receipt']");
        assert_page(&page(ErasureStep::Scrub), ".badge.is-accent");
    }
}
