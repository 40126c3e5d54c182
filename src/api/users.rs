//! The user behind a personal key, and their organizations, over the API.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use super::projects::{ProjectOut, with_settings};
use crate::http::{ApiError, ApiUser, AppState, Cause};
use crate::model::{Organization, OrganizationId, Role};

/// A user, as the API shows them.
#[derive(Debug, Serialize)]
pub struct UserOut {
    id: Uuid,
    uuid: Uuid,
    distinct_id: String,
    first_name: String,
    last_name: &'static str,
    email: String,
    organization: Option<OrganizationOut>,
    organizations: Vec<OrganizationOut>,
    /// The project that `@current` stands for.
    team: Option<ProjectOut>,
}

/// An organization, as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub struct OrganizationOut {
    id: OrganizationId,
    name: String,
    created_at: jiff::Timestamp,
    membership_level: Role,
}

impl From<(Organization, Role)> for OrganizationOut {
    fn from((organization, role): (Organization, Role)) -> Self {
        Self {
            id: organization.id,
            name: organization.name,
            created_at: organization.created_at,
            membership_level: role,
        }
    }
}

/// `GET /api/users/@me/`.
pub async fn me(State(state): State<AppState>, ApiUser { user }: ApiUser) -> Result<Json<UserOut>, ApiError> {
    let organizations = state.pg.list_organizations(user.id).await?;
    let organizations: Vec<OrganizationOut> = organizations.into_iter().map(OrganizationOut::from).collect();
    let first = state.pg.list_projects(user.id, 1, 0).await?;
    let team = match first.into_iter().next() {
        Some((project, _)) => Some(with_settings(&state, project).await?),
        None => None,
    };
    Ok(Json(UserOut {
        id: user.id.get(),
        uuid: user.id.get(),
        distinct_id: user.id.to_string(),
        first_name: user.name,
        last_name: "",
        email: user.email,
        organization: organizations.first().cloned(),
        organizations,
        team,
    }))
}

/// `GET /api/organizations/@current/`: the user's oldest.
pub async fn current_organization(
    State(state): State<AppState>,
    ApiUser { user }: ApiUser,
) -> Result<Json<OrganizationOut>, ApiError> {
    let organizations = state.pg.list_organizations(user.id).await?;
    Ok(Json(organizations.into_iter().next().ok_or(Cause::NotFound)?.into()))
}
