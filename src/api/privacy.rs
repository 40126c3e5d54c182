//! A project's privacy, over the API: erasures and their receipts, who opted out, cookieless mode.

use axum::Json;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Page;
use super::projects::Body;
use crate::http::{ApiError, ApiProjectAccess, ApiUser, AppState, Cause, Site};
use crate::model::{ProjectId, Role};
use crate::privacy::SignedReceipt;
use crate::storage::pg::{ErasureRow, ErasureStep, OptOut, StoreCount};

/// Most items in one page of a list.
const MAX_LIMIT: i64 = 1000;
/// Most ids in one request, and characters of one.
const MOST_IDS: usize = 10_000;
const MAX_ID_CHARS: usize = 200;

/// An erasure as the API shows it.
#[derive(Debug, Serialize)]
pub struct ErasureOut {
    id: Uuid,
    /// The keyed hash of the first distinct id.
    subject: String,
    requested_by: String,
    requested_at: Timestamp,
    erased_until: Timestamp,
    events_kept: bool,
    step: ErasureStep,
    error: Option<String>,
    gone_from_queries_at: Option<Timestamp>,
    gone_from_disk_at: Option<Timestamp>,
    stores: Vec<StoreCount>,
}

impl From<ErasureRow> for ErasureOut {
    fn from(row: ErasureRow) -> Self {
        Self {
            id: row.id,
            subject: row.subject,
            requested_by: row.requested_by,
            requested_at: row.requested_at,
            erased_until: row.until,
            events_kept: row.keeps_events,
            step: row.step,
            error: Some(row.error).filter(|error| !error.is_empty()),
            gone_from_queries_at: row.hidden_at,
            gone_from_disk_at: row.finished_at,
            stores: row.stores,
        }
    }
}

/// Somebody who opted out.
#[derive(Debug, Serialize)]
pub struct OptOutOut {
    distinct_id: String,
    created_at: Timestamp,
    created_by: String,
}

impl From<OptOut> for OptOutOut {
    fn from(row: OptOut) -> Self {
        Self { distinct_id: row.distinct_id, created_at: row.created_at, created_by: row.created_by }
    }
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Range {
    limit: Option<i64>,
    offset: Option<i64>,
}

impl Range {
    fn read(&self) -> (i64, i64) {
        (self.limit.unwrap_or(100).clamp(1, MAX_LIMIT), self.offset.unwrap_or(0).max(0))
    }
}

/// The erasure of a path.
#[derive(Debug, Deserialize)]
pub struct OfErasure {
    id: String,
}

/// A project's choices; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChoicesIn {
    cookieless: Option<bool>,
}

/// A project's choices.
#[derive(Debug, Serialize)]
pub struct ChoicesOut {
    cookieless: bool,
}

/// Distinct ids to opt out or in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct IdsIn {
    distinct_ids: Vec<String>,
}

/// How many of them changed.
#[derive(Debug, Serialize)]
pub struct ChangedOut {
    changed: u64,
}

/// Whether a receipt is right.
#[derive(Debug, Serialize)]
pub struct VerifiedOut {
    /// The signature is right for the text and the key, and the key is this installation's.
    valid: bool,
}

/// The key that receipts are verified with.
#[derive(Debug, Serialize)]
pub struct KeyOut {
    algorithm: &'static str,
    public_key: String,
}

/// `GET /api/projects/{project}/privacy/`.
pub async fn get(State(state): State<AppState>, access: ApiProjectAccess) -> Result<Json<ChoicesOut>, ApiError> {
    Ok(Json(ChoicesOut { cookieless: state.pg.is_cookieless(access.project.id).await? }))
}

/// `PATCH /api/projects/{project}/privacy/`: for an admin.
pub async fn update(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Body(body): Body<ChoicesIn>,
) -> Result<Json<ChoicesOut>, ApiError> {
    access.require(Role::Admin)?;
    if let Some(is_on) = body.cookieless {
        state.pg.set_cookieless(access.project.id, is_on).await?;
    }
    get(State(state), access).await
}

/// `GET /api/projects/{project}/privacy/erasures/`: the latest first.
pub async fn list_erasures(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    site: Site,
    Query(range): Query<Range>,
) -> Result<Json<Page<ErasureOut>>, ApiError> {
    let (limit, offset) = range.read();
    let project = access.project.id;
    let rows = state.pg.list_erasures(project, limit, offset).await?;
    let results = rows.into_iter().map(ErasureOut::from).collect();
    let count = state.pg.count_erasures(project).await?;
    Ok(Json(Page::new(&list_url(&site, project, "erasures"), count, limit, offset, results)))
}

/// `GET /api/projects/{project}/privacy/erasures/{id}/`.
pub async fn get_erasure(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(of): Path<OfErasure>,
) -> Result<Json<ErasureOut>, ApiError> {
    Ok(Json(find(&state, &access, &of).await?.into()))
}

/// `GET /api/projects/{project}/privacy/erasures/{id}/receipt/`: once it is done.
pub async fn get_receipt(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(of): Path<OfErasure>,
) -> Result<Json<SignedReceipt>, ApiError> {
    let row = find(&state, &access, &of).await?;
    let receipt = state.privacy().receipt(&row).await?;
    let missing = || Cause::Conflict("The erasure is not done: its receipt is signed when it is.".to_owned());
    Ok(Json(receipt.ok_or_else(missing)?))
}

async fn find(state: &AppState, access: &ApiProjectAccess, of: &OfErasure) -> Result<ErasureRow, Cause> {
    let id = of.id.parse().map_err(|_| Cause::NotFound)?;
    state.pg.find_erasure(access.project.id, id).await?.ok_or(Cause::NotFound)
}

/// `POST /api/privacy/verify_receipt/`: whether this installation signed it as it is.
pub async fn verify_receipt(
    State(state): State<AppState>,
    _: ApiUser,
    Body(receipt): Body<SignedReceipt>,
) -> Result<Json<VerifiedOut>, ApiError> {
    Ok(Json(VerifiedOut { valid: state.privacy().is_ours(&receipt).await? }))
}

/// `GET /api/privacy/public_key/`.
pub async fn public_key(State(state): State<AppState>, _: ApiUser) -> Result<Json<KeyOut>, ApiError> {
    Ok(Json(KeyOut { algorithm: "Ed25519", public_key: state.privacy().public_key().await? }))
}

/// `GET /api/projects/{project}/privacy/opt_outs/`: the latest first.
pub async fn list_opt_outs(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    site: Site,
    Query(range): Query<Range>,
) -> Result<Json<Page<OptOutOut>>, ApiError> {
    let (limit, offset) = range.read();
    let project = access.project.id;
    let results = state.pg.list_opt_outs(project, limit, offset).await?.into_iter().map(OptOutOut::from).collect();
    let count = state.pg.count_opt_outs(project).await?;
    Ok(Json(Page::new(&list_url(&site, project, "opt_outs"), count, limit, offset, results)))
}

/// `POST /api/projects/{project}/privacy/opt_outs/`: events of these ids are rejected from now on.
pub async fn add_opt_outs(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Body(body): Body<IdsIn>,
) -> Result<Json<ChangedOut>, ApiError> {
    access.require(Role::Member)?;
    let ids = checked(body.distinct_ids)?;
    let changed = state.pg.add_opt_outs(access.project.id, &ids, &access.user.name, state.clock.now()).await?;
    Ok(Json(ChangedOut { changed }))
}

/// `DELETE /api/projects/{project}/privacy/opt_outs/`: events of these ids are taken again.
pub async fn remove_opt_outs(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Body(body): Body<IdsIn>,
) -> Result<Json<ChangedOut>, ApiError> {
    access.require(Role::Member)?;
    let ids = checked(body.distinct_ids)?;
    Ok(Json(ChangedOut { changed: state.pg.remove_opt_outs(access.project.id, &ids).await? }))
}

fn checked(ids: Vec<String>) -> Result<Vec<String>, Cause> {
    if ids.is_empty() || ids.len() > MOST_IDS {
        return Err(Cause::invalid("distinct_ids", format!("One to {MOST_IDS} distinct ids are needed.")));
    }
    let is_right = |id: &String| !id.is_empty() && !id.contains('\0') && id.chars().count() <= MAX_ID_CHARS;
    if ids.iter().all(is_right) {
        Ok(ids)
    } else {
        Err(Cause::invalid("distinct_ids", "A distinct id has 1 to 200 characters."))
    }
}

fn list_url(site: &Site, project: ProjectId, what: &str) -> String {
    format!("{}/api/projects/{project}/privacy/{what}/", site.url)
}
