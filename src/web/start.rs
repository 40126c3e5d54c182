//! `/`: on to the project a user sees first.

use axum::extract::State;
use axum::response::Redirect;

use super::links;
use crate::http::{AppState, SignedIn, WebError};
use crate::storage::pg::ProjectName;

/// `GET /`.
pub async fn get(State(state): State<AppState>, SignedIn { user, .. }: SignedIn) -> Result<Redirect, WebError> {
    let found = state.pg.find_project_for_user(user.id, &ProjectName::Current).await?;
    Ok(match found {
        Some((project, _)) => Redirect::to(&links::home(project.id)),
        None => Redirect::to("/settings/projects/new"),
    })
}
