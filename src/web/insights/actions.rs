//! What the editor's buttons do: save, copy, delete, put on the home page.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::form::EditorForm;
use crate::http::{AppState, Cause, Form, ProjectAccess, WebError};
use crate::insights::{home, saved};
use crate::model::Role;

/// A question and its name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SaveFields {
    name: String,
    /// The question, as the parameters of an address.
    state: String,
}

impl SaveFields {
    /// The question, valid, and its name.
    fn read(&self) -> Result<(crate::model::query::TrendsQuery, String), Cause> {
        let form =
            EditorForm::read(&self.state).ok_or_else(|| Cause::invalid("state", "There is no question to save."))?;
        let query = form.to_query().map_err(|wrong| Cause::invalid("state", format!("{wrong}.")))?;
        let name = match self.name.trim() {
            "" => saved::suggested_name(&query),
            name => name.chars().take(saved::MAX_NAME_CHARS).collect(),
        };
        Ok((query, name))
    }
}

/// `POST /project/{project}/insights`.
pub async fn create(
    State(state): State<AppState>,
    access: ProjectAccess,
    Form(fields): Form<SaveFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let (query, name) = fields.read()?;
    let project = access.project.id;
    let short_id = saved::create(&state.pg, &state.clock, project, access.user.id, &name, &query).await?;
    Ok(Redirect::to(&format!("/project/{project}/insights/{short_id}?done=saved")).into_response())
}

/// `POST /project/{project}/insights/{short_id}`.
pub async fn update(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path((_, short_id)): Path<(String, String)>,
    Form(fields): Form<SaveFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let (query, name) = fields.read()?;
    let project = access.project.id;
    let json = query.to_json();
    let is_there = state.pg.update_insight(project, &short_id, Some(&name), Some(&json), state.clock.now()).await?;
    if !is_there {
        return Err(Cause::NotFound.into());
    }
    Ok(Redirect::to(&format!("/project/{project}/insights/{short_id}?done=saved")).into_response())
}

/// `POST /project/{project}/insights/{short_id}/duplicate`.
pub async fn duplicate(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path((_, short_id)): Path<(String, String)>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let project = access.project.id;
    let copy = saved::duplicate(&state.pg, &state.clock, project, access.user.id, &short_id).await?;
    let copy = copy.ok_or(Cause::NotFound)?;
    Ok(Redirect::to(&format!("/project/{project}/insights/{copy}?done=copied")).into_response())
}

/// `POST /project/{project}/insights/{short_id}/delete`.
pub async fn delete(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path((_, short_id)): Path<(String, String)>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let project = access.project.id;
    if !state.pg.delete_insight(project, &short_id, state.clock.now()).await? {
        return Err(Cause::NotFound.into());
    }
    Ok(Redirect::to(&format!("/project/{project}/insights?done=deleted")).into_response())
}

/// `POST /project/{project}/insights/{short_id}/home`.
pub async fn add_to_home(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path((_, short_id)): Path<(String, String)>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let project = access.project.id;
    if !home::add(&state.pg, &state.clock, project, &short_id).await? {
        return Err(Cause::NotFound.into());
    }
    Ok(Redirect::to(&format!("/project/{project}/insights/{short_id}?done=home")).into_response())
}
