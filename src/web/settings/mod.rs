//! Settings: of a project and its organization, of the account. One file per page.

pub mod account;
pub mod api_keys;
pub mod members;
pub mod new_project;
pub mod project;
mod tabs;
mod user_agent;

pub use tabs::{AccountFrame, ProjectWish, Tab, Tabs, project_for};

use axum::extract::State;
use axum::response::Redirect;

use super::links;
use crate::http::{AppState, SignedIn, WebError};
use crate::model::Role;
use crate::storage::pg::ProjectName;

/// `GET /settings`: on to the settings of the project a user sees first.
pub async fn get(State(state): State<AppState>, SignedIn { user, .. }: SignedIn) -> Result<Redirect, WebError> {
    let found = state.pg.find_project_for_user(user.id, &ProjectName::Current).await?;
    Ok(match found {
        Some((project, _)) => Redirect::to(&links::settings(project.id)),
        None => Redirect::to("/settings/account"),
    })
}

/// A role as people read it.
pub(super) fn role_label(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer",
        Role::Member => "Member",
        Role::Admin => "Admin",
        Role::Owner => "Owner",
    }
}

/// A role as forms send it.
fn role_word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

/// A role that a form sent.
fn parse_role(word: &str) -> Option<Role> {
    [Role::Viewer, Role::Member, Role::Admin, Role::Owner].into_iter().find(|role| role_word(*role) == word)
}
