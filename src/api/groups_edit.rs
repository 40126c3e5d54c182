//! Changing a group's properties, over the API.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use serde_json::Value;

use super::groups::{GroupOut, named};
use super::persons_edit::{DeleteIn, UpdateIn};
use super::projects::Body;
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause};
use crate::identity::Identity;
use crate::model::Role;
use crate::model::person_property::MAX_PERSON_PROPERTIES;
use crate::storage::pg::EditOutcome;

/// `POST /api/projects/{project}/groups/update_property/?group_type_index=0&group_key=acme`.
pub async fn update_property(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Query(params): Query<HashMap<String, String>>,
    Body(body): Body<UpdateIn>,
) -> Result<Json<GroupOut>, ApiError> {
    let (key, value) = body.read()?;
    edit(&state, &access, &params, (key, Some(value))).await
}

/// `POST /api/projects/{project}/groups/delete_property/?group_type_index=0&group_key=acme`: with `$unset`, the property's key.
pub async fn delete_property(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Query(params): Query<HashMap<String, String>>,
    Body(body): Body<DeleteIn>,
) -> Result<Json<GroupOut>, ApiError> {
    edit(&state, &access, &params, (body.read()?, None)).await
}

async fn edit(
    state: &AppState,
    access: &ApiProjectAccess,
    params: &HashMap<String, String>,
    change: (String, Option<Value>),
) -> Result<Json<GroupOut>, ApiError> {
    access.require(Role::Member)?;
    let (project, (index, group)) = (access.project.id, named(params)?);
    let (identity, by, now) = (Identity::new(state.pg.clone()), access.user.id, state.clock.now());
    match identity.edit_group(&state.ch, project, (index, &group), &[change], by, now).await? {
        EditOutcome::Done => {
            let group = state.pg.find_group(project, index, &group).await?;
            Ok(Json(group.ok_or(Cause::NotFound)?.into()))
        }
        EditOutcome::NotFound => Err(Cause::NotFound.into()),
        EditOutcome::TooMany => {
            let detail = format!("A group keeps at most {MAX_PERSON_PROPERTIES} properties.");
            Err(Cause::invalid("key", detail).into())
        }
    }
}
