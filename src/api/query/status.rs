//! Answers that nobody waited for: `GET` and `DELETE /api/projects/{project}/query/{id}/`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::answer::{Frame, Whole};
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause};
use crate::insights::running::{QueryStatus, StatusState};
use crate::model::{Project, ProjectId};

/// How far an answer is.
#[derive(Serialize)]
pub(super) struct StatusOut {
    id: String,
    team_id: ProjectId,
    query_async: bool,
    complete: bool,
    error: bool,
    error_message: Option<String>,
    results: Option<Whole>,
    start_time: Timestamp,
    pickup_time: Timestamp,
    end_time: Option<Timestamp>,
    expiration_time: Option<Timestamp>,
    task_id: Option<String>,
    insight_id: Option<i64>,
    dashboard_id: Option<i64>,
    labels: Option<Vec<String>>,
    query_progress: Option<f64>,
}

/// A status as the API shows it.
pub(super) fn status_json(status: &QueryStatus, project: &Project) -> StatusOut {
    let (error_message, results) = match &status.state {
        StatusState::Running => (None, None),
        StatusState::Done(answered) => {
            let elapsed = status.ended_at.map(|ended| ended.duration_since(status.started_at).unsigned_abs());
            let frame = Frame {
                project,
                cache_key: String::new(),
                elapsed: elapsed.unwrap_or_default(),
                client_query_id: Some(&status.id),
                status: None,
            };
            (None, Some(frame.around(Some(answered.clone()))))
        }
        StatusState::Failed(error) => (Some(Cause::from((**error).clone()).detail()), None),
    };
    StatusOut {
        id: status.id.clone(),
        team_id: status.project,
        query_async: true,
        complete: !matches!(status.state, StatusState::Running),
        error: error_message.is_some(),
        error_message,
        results,
        start_time: status.started_at,
        pickup_time: status.started_at,
        end_time: status.ended_at,
        expiration_time: status.expires_at,
        task_id: None,
        insight_id: None,
        dashboard_id: None,
        labels: None,
        query_progress: None,
    }
}

/// `GET /api/projects/{project}/query/{id}/`: 202 while it runs, 200 with the answer, and what a waiting client would have
/// been told if there is none.
pub async fn get_status(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let status = state.running().find_status(access.project.id, &id).ok_or(Cause::NotFound)?;
    let code = match &status.state {
        StatusState::Running => StatusCode::ACCEPTED,
        StatusState::Done(_) => StatusCode::OK,
        StatusState::Failed(error) => Cause::from((**error).clone()).status(),
    };
    Ok((code, Json(json!({ "query_status": status_json(&status, &access.project) }))).into_response())
}

/// `DELETE /api/projects/{project}/query/{id}/`: ends the question, unless somebody else waits for the same answer.
pub async fn cancel(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    if state.running().cancel(access.project.id, &id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Cause::NotFound.into())
    }
}
