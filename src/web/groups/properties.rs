//! Changing a group's properties by hand.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::Value;

use super::show::{GroupPath, form_page};
use crate::http::{AppState, Cause, Form, ProjectAccess, WebError};
use crate::identity::Identity;
use crate::model::Role;
use crate::model::person_property::MAX_PERSON_PROPERTIES;
use crate::storage::pg::EditOutcome;
use crate::web::persons::{EditForm, PropertyFields};

/// `POST /project/{project}/groups/{type}/{key}/properties`: adds or changes a property.
pub async fn post(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(path): Path<GroupPath>,
    Form(fields): Form<PropertyFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let mut form = EditForm::sent(fields);
    let group = state.pg.find_group(access.project.id, path.index()?, path.key()?).await?.ok_or(Cause::NotFound)?;
    if let Some((key, value)) = form.read()
        && !form.asks_to_replace(&group.properties, &key, &value)
    {
        match edit(&access, &state, &path, key, Some(value)).await? {
            EditOutcome::Done => return to_group(&access, &path),
            EditOutcome::NotFound => return Err(Cause::NotFound.into()),
            EditOutcome::TooMany => {
                form.errors.add("key", format!("a group keeps at most {MAX_PERSON_PROPERTIES} properties"));
            }
        }
    }
    form_page(&access, &state, path, form).await
}

/// `POST /project/{project}/groups/{type}/{key}/properties/delete`: deletes a property.
pub async fn delete(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(path): Path<GroupPath>,
    Form(fields): Form<PropertyFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    match edit(&access, &state, &path, fields.key, None).await? {
        EditOutcome::NotFound => Err(Cause::NotFound.into()),
        EditOutcome::Done | EditOutcome::TooMany => to_group(&access, &path),
    }
}

async fn edit(
    access: &ProjectAccess,
    state: &AppState,
    path: &GroupPath,
    key: String,
    value: Option<Value>,
) -> Result<EditOutcome, WebError> {
    let (project, by, now) = (access.project.id, access.user.id, state.clock.now());
    let (identity, group) = (Identity::new(state.pg.clone()), (path.index()?, path.key()?));
    Ok(identity.edit_group(&state.ch, project, group, &[(key, value)], by, now).await?)
}

fn to_group(access: &ProjectAccess, path: &GroupPath) -> Result<Response, WebError> {
    let group = path.href(access.project.id)?;
    Ok(Redirect::to(&format!("{group}#properties")).into_response())
}
