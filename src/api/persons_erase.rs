//! Deleting and exporting people, over the API: PROTOCOL §7.2, and what is our own (`export`, `erase_preview`).

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::persons::{PersonPath, find};
use super::privacy::ErasureOut;
use super::projects::Body as JsonBody;
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause};
use crate::model::Role;
use crate::privacy::Preview;
use crate::storage::pg::{StoreCount, SubjectName};

/// Most people in one request.
const MOST: usize = 1000;

/// `?delete_events=true`: what they did goes too; else only the profile.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wish {
    delete_events: bool,
}

/// People to delete: by UUID, distinct id or e-mail address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BulkIn {
    ids: Vec<Uuid>,
    distinct_ids: Vec<String>,
    emails: Vec<String>,
    delete_events: bool,
}

/// What became of a request for several people.
#[derive(Debug, Serialize)]
pub struct BulkOut {
    persons_found: usize,
    persons_deleted: usize,
    erasures: Vec<ErasureOut>,
}

/// What an erasure would find.
#[derive(Debug, Serialize)]
pub struct PreviewOut {
    distinct_ids: usize,
    total: u64,
    stores: Vec<StoreCount>,
}

impl From<Preview> for PreviewOut {
    fn from(preview: Preview) -> Self {
        Self { distinct_ids: preview.subject.distinct_ids.len(), total: preview.total(), stores: preview.stores }
    }
}

/// Whom a path names, by UUID or by number. A UUID that is nobody's may still be known to a store.
async fn name(state: &AppState, access: &ApiProjectAccess, path: &PersonPath) -> Result<SubjectName, ApiError> {
    let uuid = match path.person.parse() {
        Ok(uuid) => uuid,
        Err(_) => find(state, access.project.id, &path.person).await?.uuid,
    };
    Ok(SubjectName::Uuid(uuid))
}

/// `DELETE /api/projects/{project}/persons/{person}/?delete_events=`: answers 202 once Postgres has nothing of the person; the
/// erasure says when the rest is gone.
pub async fn delete(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(path): Path<PersonPath>,
    Query(wish): Query<Wish>,
) -> Result<(StatusCode, Json<ErasureOut>), ApiError> {
    access.require(Role::Admin)?;
    let name = name(&state, &access, &path).await?;
    let erasure = state.privacy().erase(access.project.id, &name, &access.user.name, !wish.delete_events).await;
    let erasure = erasure?.ok_or(Cause::NotFound)?;
    Ok((StatusCode::ACCEPTED, Json(erasure.into())))
}

/// `POST /api/projects/{project}/persons/bulk_delete/`: the same for up to 1,000 people. Who is not found is left out of the
/// answer.
pub async fn bulk_delete(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    JsonBody(body): JsonBody<BulkIn>,
) -> Result<(StatusCode, Json<BulkOut>), ApiError> {
    access.require(Role::Admin)?;
    if body.ids.len() + body.distinct_ids.len() + body.emails.len() > MOST {
        return Err(Cause::invalid("ids", format!("At most {MOST} people can be deleted in one request.")).into());
    }
    let project = access.project.id;
    let named = state.privacy().names(project, &body.distinct_ids, &body.emails).await?;
    let names: Vec<SubjectName> = body.ids.into_iter().map(SubjectName::Uuid).chain(named).collect();
    let mut erasures = Vec::new();
    for name in &names {
        let erasure = state.privacy().erase(project, name, &access.user.name, !body.delete_events).await;
        erasures.extend(erasure?.map(ErasureOut::from));
    }
    let deleted = erasures.len();
    let out = BulkOut { persons_found: deleted, persons_deleted: deleted, erasures };
    Ok((StatusCode::ACCEPTED, Json(out)))
}

/// `GET /api/projects/{project}/persons/{uuid}/erase_preview/`.
pub async fn preview(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(path): Path<PersonPath>,
) -> Result<Json<PreviewOut>, ApiError> {
    access.require(Role::Admin)?;
    let preview = state.privacy().preview(access.project.id, &name(&state, &access, &path).await?).await?;
    Ok(Json(preview.ok_or(Cause::NotFound)?.into()))
}

/// `GET /api/projects/{project}/persons/{uuid}/export/`: everything of the person, as a zip file.
pub async fn export(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(path): Path<PersonPath>,
) -> Result<Response, ApiError> {
    access.require(Role::Member)?;
    let export = state.privacy().export(access.project.id, &name(&state, &access, &path).await?).await?;
    Ok(export.ok_or(Cause::NotFound)?.into_response())
}
