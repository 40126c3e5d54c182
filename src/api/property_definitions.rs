//! The properties a project has seen, over the API: `/api/projects/{project}/property_definitions/`.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Page;
use super::projects::Body;
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause, Site};
use crate::model::Role;
use crate::storage::pg::{KnownProperty, PropertyKind};

/// The types a property may have.
const TYPES: &[&str] = &["String", "Numeric", "Boolean", "DateTime", "Object"];

/// Most items in one page of a list.
const MAX_LIMIT: i64 = 1000;

/// A property, as the API shows it.
#[derive(Debug, Serialize)]
pub struct PropertyOut {
    id: Uuid,
    name: String,
    r#type: String,
    property_type: String,
    is_numerical: bool,
}

impl From<KnownProperty> for PropertyOut {
    fn from(property: KnownProperty) -> Self {
        let is_numerical = property.property_type == "Numeric";
        Self {
            id: property.id,
            name: property.name,
            r#type: property.kind,
            property_type: property.property_type,
            is_numerical,
        }
    }
}

/// What to change about a property.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PropertyIn {
    property_type: Option<String>,
}

/// Which properties.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    r#type: Option<String>,
    search: Option<String>,
    limit: Option<i64>,
    offset: Option<i64>,
}

/// `GET /api/projects/{project}/property_definitions/`: those of events, or of persons with `?type=person`, by name.
pub async fn list(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    site: Site,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<PropertyOut>>, ApiError> {
    let kind = match wanted.r#type.as_deref() {
        None | Some("event") => PropertyKind::Event,
        Some("person") => PropertyKind::Person,
        Some(_) => return Err(Cause::invalid("type", "One of event, person is needed.").into()),
    };
    let limit = wanted.limit.unwrap_or(100).clamp(1, MAX_LIMIT);
    let offset = wanted.offset.unwrap_or(0).max(0);
    let search = wanted.search.unwrap_or_default().replace('\0', "");
    let project = access.project.id;
    let (count, found) = state.pg.search_property_definitions(project, kind, &search, limit, offset).await?;
    let results = found.into_iter().map(PropertyOut::from).collect();
    let url = format!("{}/api/projects/{project}/property_definitions/", site.url);
    Ok(Json(Page::new(&url, count, limit, offset, results)))
}

/// `PATCH /api/projects/{project}/property_definitions/{id}/`: changes its type.
pub async fn update(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, Uuid)>,
    Body(body): Body<PropertyIn>,
) -> Result<Json<PropertyOut>, ApiError> {
    access.require(Role::Member)?;
    if body.property_type.as_deref().is_some_and(|wish| !TYPES.contains(&wish)) {
        return Err(Cause::invalid("property_type", format!("One of {} is needed.", TYPES.join(", "))).into());
    }
    let changed = state.pg.update_property_definition(access.project.id, id, body.property_type.as_deref()).await?;
    // What a question compares has another type now.
    state.running().forget(access.project.id);
    Ok(Json(changed.ok_or(Cause::NotFound)?.into()))
}
