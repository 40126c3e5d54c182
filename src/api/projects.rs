//! Projects, over the API: `/api/projects/`, and what client tools ask of users and organizations.

use std::collections::HashMap;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Page;
use crate::accounts::DisplayName;
use crate::http::{ApiError, ApiProjectAccess, ApiUser, AppState, Cause, Site};
use crate::model::query::WeekStart;
use crate::model::{
    Organization, OrganizationId, Project, ProjectApiKey, ProjectId, ProjectSettings, Role, TimeZoneName, UserId,
};
use crate::storage::pg::{NewProject, ProjectChanges, ProjectSettingsChanges};

/// Most items in one page of a list.
const MAX_LIMIT: i64 = 1000;

/// A project, as the API shows it.
#[derive(Debug, Serialize)]
pub struct ProjectOut {
    id: ProjectId,
    /// Only to be told apart from other projects by clients that want a UUID-like name; the project API key.
    uuid: String,
    name: String,
    api_token: String,
    timezone: String,
    organization: OrganizationId,
    created_at: Timestamp,
    /// 0 is Sunday, 1 Monday.
    week_start_day: u8,
    test_account_filters: Value,
    path_cleaning_filters: Value,
}

impl ProjectOut {
    /// A project with its settings.
    #[must_use]
    pub fn new(project: Project, settings: ProjectSettings) -> Self {
        Self {
            id: project.id,
            uuid: project.api_key.to_string(),
            name: project.name,
            api_token: project.api_key.to_string(),
            timezone: project.time_zone.into(),
            organization: project.organization_id,
            created_at: project.created_at,
            week_start_day: settings.week_start.day(),
            test_account_filters: settings.test_account_filters,
            path_cleaning_filters: settings.path_cleaning_filters,
        }
    }
}

/// A project to make, or what to change about one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProjectIn {
    name: Option<String>,
    timezone: Option<String>,
    /// In which organization to make it; by default the first in which the user may.
    organization: Option<OrganizationId>,
    week_start_day: Option<u8>,
    test_account_filters: Option<Value>,
    path_cleaning_filters: Option<Value>,
}

impl ProjectIn {
    fn settings(&self) -> Result<ProjectSettingsChanges, Cause> {
        let week_start = match self.week_start_day {
            None => None,
            Some(0) => Some(WeekStart::Sunday),
            Some(1) => Some(WeekStart::Monday),
            Some(_) => return Err(Cause::invalid("week_start_day", "0 (Sunday) or 1 (Monday) is needed.")),
        };
        for (field, list) in [
            ("test_account_filters", &self.test_account_filters),
            ("path_cleaning_filters", &self.path_cleaning_filters),
        ] {
            let is_list_of_objects = |v: &Value| v.as_array().is_some_and(|items| items.iter().all(Value::is_object));
            if list.as_ref().is_some_and(|list| !is_list_of_objects(list)) {
                return Err(Cause::invalid(field, "A list of objects is needed."));
            }
        }
        Ok(ProjectSettingsChanges {
            week_start,
            test_account_filters: self.test_account_filters.clone(),
            path_cleaning_filters: self.path_cleaning_filters.clone(),
        })
    }
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Range {
    limit: Option<i64>,
    offset: Option<i64>,
}

/// A JSON body whose faults are answered as the API answers.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: serde::de::DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::BytesRejection(e)) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Cause::TooLarge.into())
            }
            Err(e) => Err(Cause::Invalid { field: None, detail: e.body_text() }.into()),
        }
    }
}

/// `GET /api/projects/`: those the user can see, oldest first.
pub async fn list(
    State(state): State<AppState>,
    ApiUser { user }: ApiUser,
    site: Site,
    Query(range): Query<Range>,
) -> Result<Json<Page<ProjectOut>>, ApiError> {
    let limit = range.limit.unwrap_or(100).clamp(1, MAX_LIMIT);
    let offset = range.offset.unwrap_or(0).max(0);
    let count = state.pg.count_projects(user.id).await?;
    let projects = state.pg.list_projects(user.id, limit, offset).await?;
    let ids: Vec<_> = projects.iter().map(|(project, _)| project.id).collect();
    let mut settings: HashMap<_, _> = state.pg.list_project_settings(&ids).await?.into_iter().collect();
    let results = projects.into_iter().map(|(project, _)| {
        let settings = settings.remove(&project.id).unwrap_or_default();
        ProjectOut::new(project, settings)
    });
    let results = results.collect();
    Ok(Json(Page::new(&format!("{}/api/projects/", site.url), count, limit, offset, results)))
}

/// `POST /api/projects/`: makes one, for an admin or owner.
pub async fn create(
    State(state): State<AppState>,
    ApiUser { user }: ApiUser,
    Body(body): Body<ProjectIn>,
) -> Result<(StatusCode, Json<ProjectOut>), ApiError> {
    let name = body.name.as_deref().ok_or_else(|| Cause::invalid("name", "This field is required."))?;
    let name = parse::<DisplayName>("name", name)?;
    let time_zone = body.timezone.as_deref().map(|zone| parse("timezone", zone)).transpose()?;
    let settings = body.settings()?;
    let organization_id = organization_for(&state, user.id, body.organization).await?;
    let project = state
        .pg
        .create_project(&NewProject {
            organization_id,
            name: name.into(),
            api_key: ProjectApiKey::generate(),
            time_zone: time_zone.unwrap_or_else(TimeZoneName::utc),
            created_at: state.clock.now(),
        })
        .await?;
    state.pg.update_project_settings(project.id, &settings).await?;
    Ok((StatusCode::CREATED, Json(with_settings(&state, project).await?)))
}

/// The wished organization, or the first in which the user may make projects.
async fn organization_for(
    state: &AppState,
    user: UserId,
    wish: Option<OrganizationId>,
) -> Result<OrganizationId, ApiError> {
    let all = state.pg.list_organizations(user).await?;
    let is_wished = |organization: &Organization| wish.is_none_or(|id| id == organization.id);
    if !all.iter().any(|(organization, _)| is_wished(organization)) {
        return Err(match wish {
            Some(_) => Cause::invalid("organization", "There is no such organization.").into(),
            None => Cause::Forbidden(Role::Admin).into(),
        });
    }
    let managed = all.iter().find(|(organization, role)| is_wished(organization) && *role >= Role::Admin);
    Ok(managed.map(|(organization, _)| organization.id).ok_or(Cause::Forbidden(Role::Admin))?)
}

/// `GET /api/projects/{project}/`.
pub async fn get(State(state): State<AppState>, access: ApiProjectAccess) -> Result<Json<ProjectOut>, ApiError> {
    Ok(Json(with_settings(&state, access.project).await?))
}

/// A project as it is answered.
pub(super) async fn with_settings(state: &AppState, project: Project) -> Result<ProjectOut, ApiError> {
    let settings = state.pg.get_project_settings(project.id).await?;
    Ok(ProjectOut::new(project, settings))
}

/// `PATCH /api/projects/{project}/`: changes name, time zone or settings, for an admin or owner.
pub async fn update(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Body(body): Body<ProjectIn>,
) -> Result<Json<ProjectOut>, ApiError> {
    access.require(Role::Admin)?;
    let name = body.name.as_deref().map(|name| parse::<DisplayName>("name", name)).transpose()?;
    let time_zone = body.timezone.as_deref().map(|zone| parse("timezone", zone)).transpose()?;
    let settings = body.settings()?;
    let changes = ProjectChanges { name: name.map(String::from), time_zone };
    let project = state.pg.update_project(access.project.id, &changes).await?.ok_or(Cause::NotFound)?;
    state.pg.update_project_settings(project.id, &settings).await?;
    Ok(Json(with_settings(&state, project).await?))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(field: &'static str, text: &str) -> Result<T, Cause> {
    text.parse().map_err(|e: T::Err| Cause::invalid(field, e.to_string()))
}
