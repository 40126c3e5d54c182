//! Actions, over the API: `/api/projects/{project}/actions/`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Page;
use super::definitions::{Wanted, checked_description, checked_json, checked_name};
use super::projects::Body;
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause, Site};
use crate::insights::QueryContext;
use crate::insights::definitions::{MAX_DEFINITIONS, check_action};
use crate::model::{ActionId, Role, UserId};
use crate::storage::pg::{ACTION_NAME_TAKEN, ActionChanges, ActionRow, PgError, violates};

/// An action, as the API shows it.
#[derive(Debug, Serialize)]
pub struct ActionOut {
    id: ActionId,
    name: String,
    description: String,
    steps: Value,
    tags: Value,
    post_to_slack: bool,
    deleted: bool,
    created_by: Option<UserId>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<ActionRow> for ActionOut {
    fn from(action: ActionRow) -> Self {
        Self {
            id: action.id,
            name: action.name,
            description: action.description,
            steps: action.steps,
            tags: action.tags,
            post_to_slack: false,
            deleted: false,
            created_by: action.created_by,
            created_at: action.created_at,
            updated_at: action.updated_at,
        }
    }
}

/// An action to make, or what to change about one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ActionIn {
    name: Option<String>,
    description: Option<String>,
    steps: Option<Value>,
    tags: Option<Value>,
    /// Takes it away, as `DELETE` does.
    deleted: Option<bool>,
}

impl ActionIn {
    fn changes(self) -> Result<ActionChanges, Cause> {
        if self.tags.as_ref().is_some_and(|tags| !is_list_of_texts(tags)) {
            return Err(Cause::invalid("tags", "A list of texts is needed."));
        }
        Ok(ActionChanges {
            name: checked_name(self.name)?,
            description: checked_description(self.description)?,
            steps: checked_json("steps", self.steps)?,
            tags: self.tags,
        })
    }
}

fn is_list_of_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|items| {
        items.len() <= 100 && items.iter().all(|item| item.as_str().is_some_and(|text| text.chars().count() <= 200))
    })
}

/// `GET /api/projects/{project}/actions/`: by name; `?search=` for a part of it.
pub async fn list(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    site: Site,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<ActionOut>>, ApiError> {
    let (search, limit, offset) = wanted.part();
    let project = access.project.id;
    let (count, found) = state.pg.list_actions(project, &search, limit, offset).await?;
    let url = format!("{}/api/projects/{project}/actions/", site.url);
    Ok(Json(Page::new(&url, count, limit, offset, found.into_iter().map(ActionOut::from).collect())))
}

/// `POST /api/projects/{project}/actions/`: makes one.
pub async fn create(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Body(body): Body<ActionIn>,
) -> Result<(StatusCode, Json<ActionOut>), ApiError> {
    access.require(Role::Member)?;
    let new = body.changes()?;
    if new.name.is_none() {
        return Err(Cause::invalid("name", "This field is required.").into());
    }
    check(&state, &access, None, &new).await?;
    let (project, now) = (access.project.id, state.clock.now());
    let made = state.pg.create_action(project, &new, access.user.id, now, MAX_DEFINITIONS).await.map_err(taken)?;
    let most = || Cause::Conflict(format!("A project has at most {MAX_DEFINITIONS} actions."));
    let made = made.ok_or_else(most)?;
    state.running().forget(project);
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// `GET /api/projects/{project}/actions/{id}/`.
pub async fn get(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<ActionOut>, ApiError> {
    let found = state.pg.find_action(access.project.id, id_of(&id)?).await?;
    Ok(Json(found.ok_or(Cause::NotFound)?.into()))
}

/// `PATCH /api/projects/{project}/actions/{id}/`: changes what is named.
pub async fn update(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, String)>,
    Body(body): Body<ActionIn>,
) -> Result<Json<ActionOut>, ApiError> {
    access.require(Role::Member)?;
    let (id, project, now) = (id_of(&id)?, access.project.id, state.clock.now());
    if body.deleted == Some(true) {
        let mut gone = ActionOut::from(state.pg.find_action(project, id).await?.ok_or(Cause::NotFound)?);
        gone.deleted = true;
        state.pg.delete_action(project, id, now).await?;
        state.running().forget(project);
        return Ok(Json(gone));
    }
    let changes = body.changes()?;
    if changes.steps.is_some() {
        check(&state, &access, Some(id), &changes).await?;
    }
    let changed = state.pg.update_action(project, id, &changes, now).await.map_err(taken)?;
    state.running().forget(project);
    Ok(Json(changed.ok_or(Cause::NotFound)?.into()))
}

/// `DELETE /api/projects/{project}/actions/{id}/`.
pub async fn delete(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    access.require(Role::Member)?;
    let was_there = state.pg.delete_action(access.project.id, id_of(&id)?, state.clock.now()).await?;
    state.running().forget(access.project.id);
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(Cause::NotFound.into()) }
}

/// Whether the steps make sense.
async fn check(
    state: &AppState,
    access: &ApiProjectAccess,
    id: Option<ActionId>,
    new: &ActionChanges,
) -> Result<(), ApiError> {
    let settings = state.pg.get_project_settings(access.project.id).await?;
    let (ch, pg, clock) = (&state.ch, &state.pg, &state.clock);
    let context = QueryContext { ch, pg, clock, project: &access.project, settings: &settings };
    Ok(check_action(context, id, new.steps.as_ref().unwrap_or(&Value::Null)).await?)
}

fn id_of(text: &str) -> Result<ActionId, Cause> {
    text.parse().map_err(|_| Cause::NotFound)
}

fn taken(error: PgError) -> Cause {
    if violates(&error, ACTION_NAME_TAKEN) {
        return Cause::invalid("name", "This project already has an action with this name.");
    }
    error.into()
}
