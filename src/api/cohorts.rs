//! Cohorts, over the API: `/api/projects/{project}/cohorts/`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Page;
use super::cohort_form::CohortIn;
pub use super::cohort_form::MAX_UPLOAD_BYTES;
use super::cohort_people::names;
use super::definitions::Wanted;
use super::projects::Body;
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause, Site};
use crate::insights::definitions::{MAX_DEFINITIONS, check_cohort, count_people, people_of};
use crate::insights::{QueryContext, run_query};
use crate::model::{CohortId, PersonId, ProjectSettings, Role, UserId};
use crate::storage::pg::{CohortRow, PeopleBy};

/// Names looked up at once.
const NAMES_AT_ONCE: usize = 10_000;

/// A cohort, as the API shows it.
#[derive(Debug, Serialize)]
pub struct CohortOut {
    id: CohortId,
    name: String,
    description: String,
    filters: Value,
    query: Option<Value>,
    is_static: bool,
    /// Always false: a cohort is asked anew with every question.
    is_calculating: bool,
    /// Of one cohort: how many people are in it now. In a list: how many were when somebody last looked.
    count: Option<i64>,
    last_calculation: Option<Timestamp>,
    errors_calculating: i64,
    deleted: bool,
    created_by: Option<UserId>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<CohortRow> for CohortOut {
    fn from(cohort: CohortRow) -> Self {
        Self {
            id: cohort.id,
            name: cohort.name,
            description: cohort.description,
            filters: cohort.filters,
            query: cohort.query,
            is_static: cohort.is_static,
            is_calculating: false,
            count: cohort.last_count,
            last_calculation: cohort.last_counted_at,
            errors_calculating: 0,
            deleted: false,
            created_by: cohort.created_by,
            created_at: cohort.created_at,
            updated_at: cohort.updated_at,
        }
    }
}

fn context<'a>(state: &'a AppState, access: &'a ApiProjectAccess, settings: &'a ProjectSettings) -> QueryContext<'a> {
    let (ch, pg, clock) = (&state.ch, &state.pg, &state.clock);
    QueryContext { ch, pg, clock, project: &access.project, settings }
}

/// A cohort with how many people are in it now.
async fn shown(state: &AppState, access: &ApiProjectAccess, row: CohortRow) -> Result<CohortOut, ApiError> {
    let settings = state.pg.get_project_settings(access.project.id).await?;
    let count = count_people(context(state, access, &settings), row.id).await?;
    let (count, now) = (i64::try_from(count).unwrap_or(i64::MAX), state.clock.now());
    state.pg.note_cohort_count(access.project.id, row.id, count, now).await?;
    Ok(CohortOut { count: Some(count), last_calculation: Some(now), ..row.into() })
}

/// `GET /api/projects/{project}/cohorts/`: by name; `?search=` for a part of it.
pub async fn list(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    site: Site,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<CohortOut>>, ApiError> {
    let (search, limit, offset) = wanted.part();
    let project = access.project.id;
    let (count, found) = state.pg.list_cohorts(project, &search, limit, offset).await?;
    let url = format!("{}/api/projects/{project}/cohorts/", site.url);
    Ok(Json(Page::new(&url, count, limit, offset, found.into_iter().map(CohortOut::from).collect())))
}

/// `POST /api/projects/{project}/cohorts/`: makes one. A static one of a file or of a question's people.
pub async fn create(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    mut body: CohortIn,
) -> Result<(StatusCode, Json<CohortOut>), ApiError> {
    access.require(Role::Member)?;
    let new = body.changes()?;
    if new.name.is_none() {
        return Err(Cause::invalid("name", "This field is required.").into());
    }
    let is_static = body.is_static.unwrap_or(false);
    let (project, now) = (access.project.id, state.clock.now());
    let settings = state.pg.get_project_settings(project).await?;
    let asked = context(&state, &access, &settings);
    // All that can be wrong is found before anything is made.
    let people = match (&new.query, is_static) {
        (Some(query), true) => Some(people_of(asked, query).await?),
        (Some(_), false) => {
            return Err(Cause::invalid("query", "Only a static cohort is made of a question's people.").into());
        }
        (None, true) => None,
        (None, false) => {
            check_cohort(asked, None, new.filters.as_ref().unwrap_or(&Value::Null)).await?;
            None
        }
    };
    let members = match &body.csv {
        Some(csv) if is_static => uploaded(&state, &access, csv).await?,
        Some(_) => return Err(Cause::invalid("csv", "Only a static cohort takes a file.").into()),
        None => Vec::new(),
    };
    let made = state.pg.create_cohort(project, &new, is_static, access.user.id, now, MAX_DEFINITIONS).await?;
    let most = || Cause::Conflict(format!("A project has at most {MAX_DEFINITIONS} cohorts."));
    let made = made.ok_or_else(most)?;
    let filled = async {
        state.ch.set_cohort_members(project, made.id, &members, true, version(now)).await?;
        match &people {
            Some(people) => state.ch.fill_cohort(project, made.id, people, version(now)).await,
            None => Ok(()),
        }
    };
    if let Err(error) = filled.await {
        state.pg.delete_cohort(project, made.id, now).await?;
        return Err(crate::insights::sql::sql_error(error, "query").into());
    }
    state.running().forget(project);
    Ok((StatusCode::CREATED, Json(shown(&state, &access, made).await?)))
}

/// Whom a file names.
async fn uploaded(state: &AppState, access: &ApiProjectAccess, csv: &str) -> Result<Vec<PersonId>, ApiError> {
    let (names, by) = names(csv).map_err(|detail| Cause::invalid("csv", detail))?;
    named(state, access, &names, by).await
}

async fn named(
    state: &AppState,
    access: &ApiProjectAccess,
    names: &[String],
    by: PeopleBy,
) -> Result<Vec<PersonId>, ApiError> {
    let mut found = Vec::new();
    for names in names.chunks(NAMES_AT_ONCE) {
        found.extend(state.pg.list_people_named(access.project.id, names, by).await?);
    }
    Ok(found)
}

/// Of what is said of a member, the latest counts.
fn version(now: Timestamp) -> u64 {
    now.as_microsecond().unsigned_abs()
}

/// `GET /api/projects/{project}/cohorts/{id}/`, with how many people are in it now.
pub async fn get(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<CohortOut>, ApiError> {
    let found = find(&state, &access, &id).await?;
    Ok(Json(shown(&state, &access, found).await?))
}

/// `PATCH /api/projects/{project}/cohorts/{id}/`: changes what is named; a file puts more people into a static one.
pub async fn update(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, String)>,
    mut body: CohortIn,
) -> Result<Json<CohortOut>, ApiError> {
    access.require(Role::Member)?;
    let found = find(&state, &access, &id).await?;
    let (project, now) = (access.project.id, state.clock.now());
    if body.deleted == Some(true) {
        take_away(&state, &access, found.id).await?;
        return Ok(Json(CohortOut { deleted: true, ..found.into() }));
    }
    let changes = body.changes()?;
    if body.is_static.is_some_and(|is_static| is_static != found.is_static) {
        return Err(Cause::invalid("is_static", "A cohort stays static or not.").into());
    }
    if let (Some(filters), false) = (&changes.filters, found.is_static) {
        let settings = state.pg.get_project_settings(project).await?;
        check_cohort(context(&state, &access, &settings), Some(found.id), filters).await?;
    }
    if let Some(csv) = &body.csv {
        if !found.is_static {
            return Err(Cause::invalid("csv", "Only a static cohort takes a file.").into());
        }
        let members = uploaded(&state, &access, csv).await?;
        state.ch.set_cohort_members(project, found.id, &members, true, version(now)).await.map_err(unavailable)?;
    }
    let changed = state.pg.update_cohort(project, found.id, &changes, now).await?.ok_or(Cause::NotFound)?;
    state.running().forget(project);
    Ok(Json(shown(&state, &access, changed).await?))
}

/// `DELETE /api/projects/{project}/cohorts/{id}/`.
pub async fn delete(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    access.require(Role::Member)?;
    let found = find(&state, &access, &id).await?;
    take_away(&state, &access, found.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take_away(state: &AppState, access: &ApiProjectAccess, id: CohortId) -> Result<(), ApiError> {
    // Its members first: were this cut short, the cohort would be there to be taken away again.
    state.ch.delete_cohort_members(access.project.id, id).await.map_err(unavailable)?;
    state.pg.delete_cohort(access.project.id, id, state.clock.now()).await?;
    state.running().forget(access.project.id);
    Ok(())
}

fn unavailable(error: crate::storage::ch::ChError) -> Cause {
    Cause::Unavailable(error.into())
}

/// Filters of a cohort that is being thought of.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SizeIn {
    filters: Value,
}

/// `POST /api/projects/{project}/cohorts/size/`: how many people a cohort with these filters would have.
pub async fn size(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Body(body): Body<SizeIn>,
) -> Result<Json<Value>, ApiError> {
    let settings = state.pg.get_project_settings(access.project.id).await?;
    let count = check_cohort(context(&state, &access, &settings), None, &body.filters).await?;
    Ok(Json(json!({ "count": count })))
}

/// `GET /api/projects/{project}/cohorts/{id}/persons/`: who is in it, a part at a time.
pub async fn persons(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    site: Site,
    Path((_, id)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, ApiError> {
    let found = find(&state, &access, &id).await?;
    let (search, limit, offset) = wanted.part();
    let query = json!({
        "kind": "ActorsQuery", "select": ["person"], "limit": limit, "offset": offset, "search": search,
        "properties": [{ "type": "cohort", "key": "id", "value": found.id.get() }],
    });
    let settings = state.pg.get_project_settings(access.project.id).await?;
    let mut answer = run_query(context(&state, &access, &settings), &query).await?;
    let has_more = answer.get("hasMore").and_then(Value::as_bool).unwrap_or(false);
    let people: Vec<Value> = match answer.remove("results") {
        Some(Value::Array(rows)) => rows.into_iter().map(|mut row| row[0].take()).collect(),
        _ => Vec::new(),
    };
    let at = |offset: i64| {
        let path = format!("/api/projects/{}/cohorts/{}/persons/", access.project.id, found.id);
        format!("{}{path}?limit={limit}&offset={offset}", site.url)
    };
    let next = has_more.then(|| at(offset.saturating_add(limit)));
    let previous = (offset > 0).then(|| at((offset - limit).max(0)));
    Ok(Json(json!({ "results": people, "next": next, "previous": previous })))
}

/// People to put into a static cohort or to take out, by uuid or distinct id.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PeopleIn {
    person_ids: Vec<String>,
    person_id: Option<String>,
}

/// `PATCH …/cohorts/{id}/add_persons_to_static_cohort/`.
pub async fn add_persons(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, String)>,
    Body(body): Body<PeopleIn>,
) -> Result<Json<CohortOut>, ApiError> {
    set_people(&state, &access, &id, &body.person_ids, true).await
}

/// `PATCH …/cohorts/{id}/remove_person_from_static_cohort/`.
pub async fn remove_person(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path((_, id)): Path<(String, String)>,
    Body(body): Body<PeopleIn>,
) -> Result<Json<CohortOut>, ApiError> {
    let people: Vec<String> = body.person_ids.into_iter().chain(body.person_id).collect();
    set_people(&state, &access, &id, &people, false).await
}

async fn set_people(
    state: &AppState,
    access: &ApiProjectAccess,
    id: &str,
    names: &[String],
    is_in: bool,
) -> Result<Json<CohortOut>, ApiError> {
    access.require(Role::Member)?;
    let found = find(state, access, id).await?;
    if !found.is_static {
        return Err(Cause::invalid("id", "Only a static cohort holds people that were put into it.").into());
    }
    if names.is_empty() || names.len() > NAMES_AT_ONCE {
        return Err(Cause::invalid("person_ids", format!("1 to {NAMES_AT_ONCE} people are needed.")).into());
    }
    if names.iter().any(|name| name.contains('\0')) {
        return Err(Cause::invalid("person_ids", "An id holds no zero bytes.").into());
    }
    let mut people = named(state, access, names, PeopleBy::Id).await?;
    if people.is_empty() {
        return Err(Cause::invalid("person_ids", "There are no such people.").into());
    }
    if !is_in {
        // Whoever was put in under a number that leads to them now goes too.
        people = state.pg.list_event_numbers(access.project.id, &people).await?;
    }
    let (project, now) = (access.project.id, state.clock.now());
    state.ch.set_cohort_members(project, found.id, &people, is_in, version(now)).await.map_err(unavailable)?;
    state.running().forget(project);
    Ok(Json(shown(state, access, found).await?))
}

async fn find(state: &AppState, access: &ApiProjectAccess, id: &str) -> Result<CohortRow, ApiError> {
    let id: CohortId = id.parse().map_err(|_| Cause::NotFound)?;
    Ok(state.pg.find_cohort(access.project.id, id).await?.ok_or(Cause::NotFound)?)
}
