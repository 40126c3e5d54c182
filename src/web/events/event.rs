//! `GET /project/{project}/events/{uuid}`: one event.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::answered;
use super::detail::EventDetail;
use crate::http::{AppState, Cause, ProjectAccess, WebError, page as render};
use crate::insights::explore;
use crate::model::Project;
use crate::web::{Section, Shell};

/// What an event's row opens into: a fragment for script, a page for a link.
#[derive(Debug, Template)]
#[template(path = "pages/events/_detail.html")]
struct DetailFragment {
    detail: EventDetail,
}

#[derive(Debug, Template)]
#[template(path = "pages/events/event.html")]
struct EventPageView {
    shell: Shell,
    project: Project,
    detail: EventDetail,
}

/// The path of one event.
#[derive(Debug, Deserialize)]
pub struct EventPath {
    uuid: String,
}

/// When the event was, in microseconds; it may be left out.
#[derive(Debug, Deserialize)]
pub struct EventAt {
    at: Option<i64>,
}

/// One event.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(EventPath { uuid }): Path<EventPath>,
    Query(EventAt { at }): Query<EventAt>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let project = &access.project;
    let uuid: Uuid = uuid.parse().map_err(|_| Cause::NotFound)?;
    let at = at.and_then(|at| Timestamp::from_microsecond(at).ok());
    let find = explore::find_event(&state.pg, &state.ch, project.id, uuid, at);
    let line = answered(&state, find).await?.ok_or(Cause::NotFound)?;
    let detail = EventDetail::new(project.id, &project.time_zone.rules(), &line);
    let response = if headers.contains_key("hx-request") {
        render(&DetailFragment { detail })?
    } else {
        let shell = Shell::load(&state, &access.user, Some(project), Section::Events).await?;
        render(&EventPageView { shell, project: project.clone(), detail })?
    };
    Ok(([("vary", "HX-Request")], response).into_response())
}
