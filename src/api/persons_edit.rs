//! Changing a person's properties, over the API.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::persons::{PersonOut, PersonPath, find};
use super::projects::Body;
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause};
use crate::identity::Identity;
use crate::model::Role;
use crate::model::person_property::{MAX_PERSON_PROPERTIES, PropertyKey, check_value};
use crate::storage::pg::EditOutcome;

/// Properties to set; those that are not named stay.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PersonIn {
    properties: Option<Map<String, Value>>,
}

/// One property to set.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateIn {
    key: Option<String>,
    value: Option<Value>,
}

impl UpdateIn {
    /// The property's key and its value.
    ///
    /// # Errors
    /// If either is missing or cannot be kept.
    pub fn read(self) -> Result<(String, Value), Cause> {
        let key = self.key.ok_or_else(|| Cause::invalid("key", "This field is required."))?;
        let key = read_key("key", &key)?;
        let value =
            self.value.ok_or_else(|| Cause::invalid("value", "This field is required, and null is no value."))?;
        Ok((key, read_value("value", value)?))
    }
}

impl DeleteIn {
    /// The property's key.
    ///
    /// # Errors
    /// If it is missing.
    pub fn read(self) -> Result<String, Cause> {
        self.unset.ok_or_else(|| Cause::invalid("$unset", "This field is required."))
    }
}

/// One property to delete.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeleteIn {
    #[serde(rename = "$unset", alias = "key")]
    unset: Option<String>,
}

/// `PATCH /api/projects/{project}/persons/{person}/`: sets the properties that are named; null deletes one.
pub async fn update(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(path): Path<PersonPath>,
    Body(body): Body<PersonIn>,
) -> Result<Json<PersonOut>, ApiError> {
    let properties = body.properties.ok_or_else(|| Cause::invalid("properties", "This field is required."))?;
    let mut changes = Vec::with_capacity(properties.len());
    for (key, value) in properties {
        let key = read_key("properties", &key)?;
        let value = if value.is_null() { None } else { Some(read_value("properties", value)?) };
        changes.push((key, value));
    }
    edit(&state, &access, &path, changes).await
}

/// `POST /api/projects/{project}/persons/{person}/update_property/`.
pub async fn update_property(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(path): Path<PersonPath>,
    Body(body): Body<UpdateIn>,
) -> Result<Json<PersonOut>, ApiError> {
    let (key, value) = body.read()?;
    edit(&state, &access, &path, vec![(key, Some(value))]).await
}

/// `POST /api/projects/{project}/persons/{person}/delete_property/`: with `$unset`, the property's key.
pub async fn delete_property(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(path): Path<PersonPath>,
    Body(body): Body<DeleteIn>,
) -> Result<Json<PersonOut>, ApiError> {
    edit(&state, &access, &path, vec![(body.read()?, None)]).await
}

fn read_key(field: &'static str, key: &str) -> Result<String, Cause> {
    key.parse::<PropertyKey>().map(String::from).map_err(|e| Cause::invalid(field, format!("{e}.")))
}

fn read_value(field: &'static str, value: Value) -> Result<Value, Cause> {
    check_value(&value).map(|()| value).map_err(|e| Cause::invalid(field, format!("{e}.")))
}

async fn edit(
    state: &AppState,
    access: &ApiProjectAccess,
    path: &PersonPath,
    changes: Vec<(String, Option<Value>)>,
) -> Result<Json<PersonOut>, ApiError> {
    access.require(Role::Member)?;
    let project = access.project.id;
    let person = find(state, project, &path.person).await?;
    let (identity, by, now) = (Identity::new(state.pg.clone()), access.user.id, state.clock.now());
    match identity.edit_person(&state.ch, project, person.id, &changes, by, now).await? {
        EditOutcome::Done => Ok(Json(find(state, project, &path.person).await?.into())),
        EditOutcome::NotFound => Err(Cause::NotFound.into()),
        EditOutcome::TooMany => {
            let detail = format!("A person keeps at most {MAX_PERSON_PROPERTIES} properties.");
            Err(Cause::invalid("properties", detail).into())
        }
    }
}
