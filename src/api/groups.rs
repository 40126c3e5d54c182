//! Groups, over the API: `/api/projects/{project}/groups/` and `groups_types/`.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{OriginalUri, Query, State};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::cursor::{Asked, CursorPage, refused};
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause, Site};
use crate::storage::pg::{GroupPage, GroupQuery, GroupRow};

/// A group, as the API shows it.
#[derive(Debug, Serialize)]
pub struct GroupOut {
    group_type_index: i16,
    group_key: String,
    group_properties: Map<String, Value>,
    created_at: Timestamp,
}

impl From<GroupRow> for GroupOut {
    fn from(group: GroupRow) -> Self {
        Self {
            group_type_index: group.index,
            group_key: group.key,
            group_properties: group.properties,
            created_at: group.created_at,
        }
    }
}

/// A group type, as the API shows it.
#[derive(Debug, Serialize)]
pub struct GroupTypeOut {
    group_type: String,
    group_type_index: i16,
    name_singular: Option<String>,
    name_plural: Option<String>,
}

/// `GET /api/projects/{project}/groups/?group_type_index=0`: sorted by key, a page at a time.
pub async fn list(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    site: Site,
    OriginalUri(uri): OriginalUri,
    Query(params): Query<HashMap<String, String>>,
) -> Result<Json<CursorPage<GroupOut>>, ApiError> {
    let asked = Asked::new(&params)?;
    let index = group_type(&params)?;
    let search = params.get("search").map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let question = GroupQuery { search, filters: asked.filters()? };
    let page = match asked.cursor() {
        Some((true, key)) => GroupPage::Before(key.to_owned()),
        Some((false, key)) => GroupPage::After(key.to_owned()),
        None => GroupPage::First,
    };
    let slice = state.pg.list_groups(access.project.id, index, &question, &page, asked.limit).await.map_err(refused)?;
    let edges = slice.groups.first().zip(slice.groups.last()).map(|(a, b)| (a.key.clone(), b.key.clone()));
    let url = format!("{}{}", site.url, uri.path());
    let results = slice.groups.into_iter().map(GroupOut::from).collect();
    Ok(Json(asked.page(&url, edges, slice.has_more, results)))
}

/// `GET /api/projects/{project}/groups/find/?group_type_index=0&group_key=acme`.
pub async fn find(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Query(params): Query<HashMap<String, String>>,
) -> Result<Json<GroupOut>, ApiError> {
    let (index, key) = named(&params)?;
    Ok(Json(state.pg.find_group(access.project.id, index, &key).await?.ok_or(Cause::NotFound)?.into()))
}

/// `GET /api/projects/{project}/groups_types/`.
pub async fn types(
    State(state): State<AppState>,
    access: ApiProjectAccess,
) -> Result<Json<Vec<GroupTypeOut>>, ApiError> {
    let types = state.pg.list_group_types(access.project.id).await?;
    let out = types.into_iter().map(|one| GroupTypeOut {
        group_type: one.name,
        group_type_index: one.index,
        name_singular: None,
        name_plural: None,
    });
    Ok(Json(out.collect()))
}

/// The group that a query string names.
///
/// # Errors
/// If its type or its key is missing or makes no sense.
pub(super) fn named(params: &HashMap<String, String>) -> Result<(i16, String), Cause> {
    let key = params.get("group_key").ok_or_else(|| Cause::invalid("group_key", "This field is required."))?;
    // Postgres keeps no text with a zero in it, so no group has such a key.
    if key.contains('\0') {
        return Err(Cause::NotFound);
    }
    Ok((group_type(params)?, key.clone()))
}

fn group_type(params: &HashMap<String, String>) -> Result<i16, Cause> {
    let text = params.get("group_type_index");
    let text = text.ok_or_else(|| Cause::invalid("group_type_index", "This field is required."))?;
    let index = text.parse::<i16>().ok().filter(|index| (0..5).contains(index));
    index.ok_or_else(|| Cause::invalid("group_type_index", "This must be a whole number from 0 to 4."))
}
