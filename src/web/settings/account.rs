//! The user's own name, password and signed-in browsers.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::super::{Shell, login};
use super::tabs::{AccountFrame, ProjectWish, Tab, Tabs};
use super::user_agent::describe;
use crate::accounts::{DisplayName, NewPassword, sign_ins, users};
use crate::http::{AppState, Cause, ClientIp, FieldErrors, Form, SignInCookie, SignedIn, WebError, form_again, page};
use crate::model::SignInId;
use crate::storage::pg::SignIn;

#[derive(Debug, Template)]
#[template(path = "pages/settings/account.html")]
struct Page {
    shell: Shell,
    tabs: Tabs,
    name: String,
    email: String,
    browsers: Vec<Browser>,
    saved: Option<&'static str>,
    errors: FieldErrors,
}

#[derive(Debug)]
struct Browser {
    sign_in: SignIn,
    label: String,
    is_this: bool,
}

/// What was just saved.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Saved {
    saved: Option<String>,
}

/// The form with the name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NameFields {
    name: String,
}

/// The form with the passwords.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PasswordFields {
    current: String,
    new: String,
}

/// `GET /settings/account`.
pub async fn get(
    State(state): State<AppState>,
    signed_in: SignedIn,
    wish: ProjectWish,
    Query(Saved { saved }): Query<Saved>,
) -> Result<Response, WebError> {
    let saved = ["name", "password"].into_iter().find(|what| saved.as_deref() == Some(what));
    let name = signed_in.user.name.clone();
    page(&Page { saved, ..Page::load(&state, signed_in, wish, name, FieldErrors::default()).await? })
}

/// `POST /settings/account`.
pub async fn post(
    State(state): State<AppState>,
    signed_in: SignedIn,
    wish: ProjectWish,
    Form(fields): Form<NameFields>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    let Some(name) = errors.parse::<DisplayName>("name", &fields.name) else {
        return form_again(&Page::load(&state, signed_in, wish, fields.name, errors).await?);
    };
    state.pg.update_user_name(signed_in.user.id, name.as_str()).await?;
    Ok(Redirect::to(&here(&state, &signed_in, wish, "saved=name").await?).into_response())
}

/// `POST /settings/account/password`. The current password is asked for, and counts as an attempt to sign in: somebody at
/// an unlocked screen must not get to guess it here.
pub async fn post_password(
    State(state): State<AppState>,
    signed_in: SignedIn,
    wish: ProjectWish,
    ip: ClientIp,
    cookie: SignInCookie,
    headers: HeaderMap,
    Form(fields): Form<PasswordFields>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    if let Some(new) = errors.parse::<NewPassword>("new", &fields.new) {
        let email = &signed_in.user.email;
        state.limits().accounts.check(email, ip.limit_key())?;
        if users::change_password(&state.pg, &signed_in.user, &fields.current, new).await? {
            state.limits().accounts.succeeded(email, ip.limit_key());
            let to = here(&state, &signed_in, wish, "saved=password").await?;
            return login::sign_in(&state, &cookie, &headers, signed_in.user.id, &to).await;
        }
        errors.add("current", "this is not your current password");
    }
    let name = signed_in.user.name.clone();
    form_again(&Page::load(&state, signed_in, wish, name, errors).await?)
}

/// `POST /settings/account/sign-ins/{id}/end`.
pub async fn end_sign_in(
    State(state): State<AppState>,
    signed_in: SignedIn,
    wish: ProjectWish,
    Path(id): Path<SignInId>,
) -> Result<Redirect, WebError> {
    if !state.pg.delete_sign_in(signed_in.user.id, id).await? {
        return Err(Cause::NotFound.into());
    }
    Ok(Redirect::to(&here(&state, &signed_in, wish, "").await?))
}

/// `POST /settings/account/sign-ins/end-others`.
pub async fn end_other_sign_ins(
    State(state): State<AppState>,
    signed_in: SignedIn,
    wish: ProjectWish,
) -> Result<Redirect, WebError> {
    state.pg.delete_other_sign_ins(signed_in.user.id, signed_in.sign_in_id).await?;
    Ok(Redirect::to(&here(&state, &signed_in, wish, "").await?))
}

/// This page, with the project kept in its frame.
async fn here(state: &AppState, signed_in: &SignedIn, wish: ProjectWish, more: &str) -> Result<String, WebError> {
    let frame = AccountFrame::load(state, &signed_in.user, wish, Tab::Account).await?;
    let query = match (frame.tabs.query(), more) {
        (query, "") => query,
        (query, more) if query.is_empty() => format!("?{more}"),
        (query, more) => format!("{query}&{more}"),
    };
    Ok(format!("/settings/account{query}"))
}

impl Page {
    async fn load(
        state: &AppState,
        signed_in: SignedIn,
        wish: ProjectWish,
        name: String,
        errors: FieldErrors,
    ) -> Result<Self, WebError> {
        let AccountFrame { shell, tabs } = AccountFrame::load(state, &signed_in.user, wish, Tab::Account).await?;
        let browsers = sign_ins::list(&state.pg, &state.clock, signed_in.user.id).await?;
        let browser = |sign_in: SignIn| Browser {
            label: describe(&sign_in.user_agent),
            is_this: sign_in.id == signed_in.sign_in_id,
            sign_in,
        };
        let browsers = browsers.into_iter().map(browser).collect();
        Ok(Self { shell, tabs, name, email: signed_in.user.email, browsers, saved: None, errors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProjectId;
    use crate::web::Section;
    use crate::web::tests::assert_page;

    #[test]
    fn the_page_renders() {
        let now = "2026-11-01T12:00:00Z".parse().expect("a timestamp");
        let browser = |id, is_this| Browser {
            sign_in: SignIn {
                id: SignInId::new(uuid::Uuid::from_u128(id)),
                created_at: now,
                last_seen_at: now,
                user_agent: "<script>".to_owned(),
            },
            label: "Firefox on Linux".to_owned(),
            is_this,
        };
        let mut errors = FieldErrors::default();
        errors.add("current", "wrong");
        let page = Page {
            shell: Shell::sample(Section::Settings),
            tabs: Tabs::new(Some(ProjectId::new(1)), Tab::Account),
            name: "Ada".to_owned(),
            email: "ada@example.com".to_owned(),
            browsers: vec![browser(1, true), browser(2, false)],
            saved: Some("password"),
            errors,
        };
        assert_page(&page, "input[name=current][aria-invalid=true]");
        assert_page(&page, "form[action$='/end?project=1'] button");
        assert_page(&page, ".tabs a[aria-current=page][href='/settings/account?project=1']");
    }
}
