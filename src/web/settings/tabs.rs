//! The row of settings pages, and the frame of those that are about the account rather than a project.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;

use super::super::links;
use super::super::{Section, Shell};
use crate::http::{AppState, WebError};
use crate::model::{Project, ProjectId, User};
use crate::storage::pg::ProjectName;

/// Which of the settings pages this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Project,
    Privacy,
    Members,
    ApiKeys,
    Account,
}

/// The row of settings pages.
#[derive(Debug, Clone, Copy)]
pub struct Tabs {
    project: Option<ProjectId>,
    current: Tab,
}

/// One link of the row.
#[derive(Debug)]
pub struct Entry {
    pub label: &'static str,
    pub href: String,
    pub is_current: bool,
}

impl Tabs {
    /// The row, with this page as the current one.
    #[must_use]
    pub fn new(project: Option<ProjectId>, current: Tab) -> Self {
        Self { project, current }
    }

    /// What keeps the project in the frame of pages about the account.
    pub(super) fn query(&self) -> String {
        self.project.map(|project| format!("?project={project}")).unwrap_or_default()
    }

    /// The links, in their order.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |tab, label, href| Entry { label, href, is_current: tab == self.current };
        let mut entries = Vec::new();
        if let Some(project) = self.project {
            let settings = links::settings(project);
            entries.push(entry(Tab::Members, "Members", format!("{settings}/members")));
            entries.insert(0, entry(Tab::Privacy, "Privacy", format!("/project/{project}/privacy")));
            entries.insert(0, entry(Tab::Project, "Project", settings));
        }
        entries.push(entry(Tab::ApiKeys, "API keys", format!("/settings/api-keys{}", self.query())));
        entries.push(entry(Tab::Account, "Account", format!("/settings/account{}", self.query())));
        entries
    }
}

/// `?project=`: which project a page about the account keeps in its frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProjectWish(Option<ProjectId>);

impl FromRequestParts<AppState> for ProjectWish {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        #[derive(Deserialize)]
        struct Wish {
            project: Option<ProjectId>,
        }
        let wish = Query::<Wish>::from_request_parts(parts, state).await.ok();
        Ok(Self(wish.and_then(|Query(wish)| wish.project)))
    }
}

/// The frame of a page about the account: with the wished project if it is the user's, else their first.
#[derive(Debug)]
pub struct AccountFrame {
    pub(super) shell: Shell,
    pub(super) tabs: Tabs,
}

impl AccountFrame {
    pub(super) async fn load(state: &AppState, user: &User, wish: ProjectWish, current: Tab) -> Result<Self, WebError> {
        let project = project_for(state, user, wish).await?;
        let shell = Shell::load(state, user, project.as_ref(), Section::Settings).await?;
        Ok(Self { shell, tabs: Tabs::new(project.map(|project| project.id), current) })
    }
}

/// The wished project if it is the user's, else their first.
pub async fn project_for(
    state: &AppState,
    user: &User,
    ProjectWish(wish): ProjectWish,
) -> Result<Option<Project>, WebError> {
    if let Some(id) = wish
        && let Some((project, _)) = state.pg.find_project_for_user(user.id, &ProjectName::Id(id)).await?
    {
        return Ok(Some(project));
    }
    let found = state.pg.find_project_for_user(user.id, &ProjectName::Current).await?;
    Ok(found.map(|(project, _)| project))
}
