//! Making another project.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::super::{Section, Shell, links};
use crate::accounts::DisplayName;
use crate::http::{AppState, Cause, FieldErrors, Form, SignedIn, WebError, form_again, page};
use crate::model::{Organization, ProjectApiKey, Role, TimeZoneName, User};
use crate::storage::pg::NewProject;

#[derive(Debug, Template)]
#[template(path = "pages/settings/new_project.html")]
struct Page {
    shell: Shell,
    /// Those in which the user may make projects.
    organizations: Vec<Organization>,
    zones: Vec<String>,
    fields: Fields,
    errors: FieldErrors,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    name: String,
    time_zone: String,
    /// Left out by the form when there is only one.
    organization: String,
}

/// `GET /settings/projects/new`.
pub async fn get(State(state): State<AppState>, SignedIn { user, .. }: SignedIn) -> Result<Response, WebError> {
    let fields = Fields { time_zone: "UTC".to_owned(), ..Fields::default() };
    page(&Page::load(&state, &user, fields, FieldErrors::default()).await?)
}

/// `POST /settings/projects/new`.
pub async fn post(
    State(state): State<AppState>,
    SignedIn { user, .. }: SignedIn,
    Form(fields): Form<Fields>,
) -> Result<Response, WebError> {
    let organizations = managed(&state, &user).await?;
    let mut errors = FieldErrors::default();
    let name = errors.parse::<DisplayName>("name", &fields.name);
    let time_zone = errors.parse::<TimeZoneName>("time_zone", &fields.time_zone);
    let organization = match &*organizations {
        [only] if fields.organization.is_empty() => Some(only),
        all => all.iter().find(|organization| organization.id.to_string() == fields.organization),
    };
    if organization.is_none() {
        errors.add("organization", "choose one of your organizations");
    }
    let (Some(name), Some(time_zone), Some(organization)) = (name, time_zone, organization) else {
        return form_again(&Page::load(&state, &user, fields, errors).await?);
    };
    let project = state
        .pg
        .create_project(&NewProject {
            organization_id: organization.id,
            name: name.into(),
            api_key: ProjectApiKey::generate(),
            time_zone,
            created_at: state.clock.now(),
        })
        .await?;
    Ok(Redirect::to(&links::onboarding(project.id)).into_response())
}

/// The organizations in which the user may make projects.
async fn managed(state: &AppState, user: &User) -> Result<Vec<Organization>, WebError> {
    let all = state.pg.list_organizations(user.id).await?;
    let managed: Vec<_> = all.into_iter().filter(|(_, role)| *role >= Role::Admin).map(|(o, _)| o).collect();
    if managed.is_empty() {
        return Err(Cause::Forbidden(Role::Admin).into());
    }
    Ok(managed)
}

impl Page {
    async fn load(state: &AppState, user: &User, fields: Fields, errors: FieldErrors) -> Result<Self, WebError> {
        let organizations = managed(state, user).await?;
        let shell = Shell::load(state, user, None, Section::Settings).await?;
        Ok(Self { shell, organizations, zones: TimeZoneName::all(), fields, errors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OrganizationId;
    use crate::web::tests::assert_page;

    #[test]
    fn the_page_renders_with_one_organization_and_with_several() {
        let organization = |id| Organization {
            id: OrganizationId::new(uuid::Uuid::from_u128(id)),
            name: format!("Org {id}"),
            created_at: "2026-11-01T12:00:00Z".parse().expect("a timestamp"),
        };
        let sample = |organizations| Page {
            shell: Shell::sample(Section::Settings),
            organizations,
            zones: TimeZoneName::all(),
            fields: Fields { time_zone: "Asia/Tokyo".to_owned(), ..Fields::default() },
            errors: FieldErrors::default(),
        };
        assert_page(&sample(vec![organization(1)]), "input[name=name]");
        assert_page(&sample(vec![organization(1), organization(2)]), "select[name=organization] option");
    }
}
