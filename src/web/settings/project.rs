//! A project's name, time zone and key.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::super::{Section, Shell, links};
use super::tabs::{Tab, Tabs};
use crate::accounts::DisplayName;
use crate::http::{AppState, Cause, FieldErrors, Form, ProjectAccess, Site, WebError, form_again, page};
use crate::model::{Project, Role, TimeZoneName};
use crate::storage::pg::ProjectChanges;

#[derive(Debug, Template)]
#[template(path = "pages/settings/project.html")]
struct Page {
    shell: Shell,
    tabs: Tabs,
    project: Project,
    organization: String,
    site_url: String,
    onboarding: String,
    name: String,
    time_zone: String,
    zones: Vec<String>,
    can_edit: bool,
    is_saved: bool,
    errors: FieldErrors,
}

/// Whether something was just saved.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Saved {
    saved: Option<String>,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    name: String,
    time_zone: String,
}

/// `GET /project/{project}/settings`.
pub async fn get(
    State(state): State<AppState>,
    access: ProjectAccess,
    site: Site,
    Query(Saved { saved }): Query<Saved>,
) -> Result<Response, WebError> {
    page(&Page { is_saved: saved.is_some(), ..Page::load(&state, access, site).await? })
}

/// `POST /project/{project}/settings`.
pub async fn post(
    State(state): State<AppState>,
    access: ProjectAccess,
    site: Site,
    Form(fields): Form<Fields>,
) -> Result<Response, WebError> {
    access.require(Role::Admin)?;
    let mut errors = FieldErrors::default();
    let name = errors.parse::<DisplayName>("name", &fields.name);
    let time_zone = errors.parse::<TimeZoneName>("time_zone", &fields.time_zone);
    if !errors.is_empty() {
        let page = Page::load(&state, access, site).await?;
        return form_again(&Page { name: fields.name, time_zone: fields.time_zone, errors, ..page });
    }
    let changes = ProjectChanges { name: name.map(String::from), time_zone };
    state.pg.update_project(access.project.id, &changes).await?.ok_or(Cause::NotFound)?;
    Ok(Redirect::to(&format!("{}?saved=1", links::settings(access.project.id))).into_response())
}

impl Page {
    async fn load(state: &AppState, access: ProjectAccess, site: Site) -> Result<Self, WebError> {
        let shell = Shell::load(state, &access.user, Some(&access.project), Section::Settings).await?;
        let organization = state.pg.find_organization(access.project.organization_id).await?;
        Ok(Self {
            shell,
            tabs: Tabs::new(Some(access.project.id), Tab::Project),
            organization: organization.map(|organization| organization.name).unwrap_or_default(),
            site_url: site.url,
            onboarding: links::onboarding(access.project.id),
            name: access.project.name.clone(),
            time_zone: access.project.time_zone.as_str().to_owned(),
            zones: TimeZoneName::all(),
            can_edit: access.is_at_least(Role::Admin),
            project: access.project,
            is_saved: false,
            errors: FieldErrors::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{OrganizationId, ProjectId};
    use crate::web::tests::assert_page;

    fn sample(can_edit: bool) -> Page {
        let project = Project {
            id: ProjectId::new(1),
            organization_id: OrganizationId::new(uuid::Uuid::from_u128(1)),
            name: "Shop".to_owned(),
            api_key: "phc_sample".parse().expect("a key"),
            time_zone: TimeZoneName::utc(),
            created_at: "2026-11-01T12:00:00Z".parse().expect("a timestamp"),
        };
        Page {
            shell: Shell::sample(Section::Settings),
            tabs: Tabs::new(Some(project.id), Tab::Project),
            organization: "Shop & Co".to_owned(),
            site_url: "http://localhost:8000".to_owned(),
            onboarding: links::onboarding(project.id),
            name: "<b>Shop</b>".to_owned(),
            time_zone: "UTC".to_owned(),
            zones: TimeZoneName::all(),
            can_edit,
            project,
            is_saved: true,
            errors: FieldErrors::default(),
        }
    }

    #[test]
    fn the_page_renders_for_those_who_may_change_it_and_those_who_may_not() {
        assert_page(&sample(true), "form[action='/project/1/settings'] button[type=submit]");
        assert_page(&sample(false), "input[name=name][disabled]");
        assert_page(&sample(true), "#project-api-key");
    }
}
