//! The user's personal API keys.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Redirect, Response};
use serde::Deserialize;

use super::super::Shell;
use super::tabs::{AccountFrame, ProjectWish, Tab, Tabs};
use crate::accounts::{DisplayName, keys};
use crate::http::{AppState, Cause, FieldErrors, Form, SignedIn, WebError, form_again, page};
use crate::model::{PersonalApiKeyId, User};
use crate::storage::pg::PersonalKey;

#[derive(Debug, Template)]
#[template(path = "pages/settings/api_keys.html")]
struct Page {
    shell: Shell,
    tabs: Tabs,
    keys: Vec<PersonalKey>,
    /// A key that was just made: the one time it is shown.
    new_key: Option<String>,
    label: String,
    errors: FieldErrors,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    label: String,
}

/// `GET /settings/api-keys`.
pub async fn get(
    State(state): State<AppState>,
    SignedIn { user, .. }: SignedIn,
    wish: ProjectWish,
) -> Result<Response, WebError> {
    page(&Page::load(&state, &user, wish).await?)
}

/// `POST /settings/api-keys`. Answers with the page itself and not with 303: the key must stand nowhere but in this answer.
pub async fn post(
    State(state): State<AppState>,
    SignedIn { user, .. }: SignedIn,
    wish: ProjectWish,
    Form(fields): Form<Fields>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    let Some(label) = errors.parse::<DisplayName>("label", &fields.label) else {
        return form_again(&Page { label: fields.label, errors, ..Page::load(&state, &user, wish).await? });
    };
    let key = keys::create(&state.pg, &state.clock, user.id, label).await?;
    page(&Page { new_key: Some(key.expose().to_owned()), ..Page::load(&state, &user, wish).await? })
}

/// `POST /settings/api-keys/{id}/revoke`.
pub async fn revoke(
    State(state): State<AppState>,
    SignedIn { user, .. }: SignedIn,
    wish: ProjectWish,
    Path(id): Path<PersonalApiKeyId>,
) -> Result<Redirect, WebError> {
    if !state.pg.delete_personal_key(user.id, id).await? {
        return Err(Cause::NotFound.into());
    }
    let AccountFrame { tabs, .. } = AccountFrame::load(&state, &user, wish, Tab::ApiKeys).await?;
    Ok(Redirect::to(&format!("/settings/api-keys{}", tabs.query())))
}

impl Page {
    async fn load(state: &AppState, user: &User, wish: ProjectWish) -> Result<Self, WebError> {
        let AccountFrame { shell, tabs } = AccountFrame::load(state, user, wish, Tab::ApiKeys).await?;
        let keys = state.pg.list_personal_keys(user.id).await?;
        Ok(Self { shell, tabs, keys, new_key: None, label: String::new(), errors: FieldErrors::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::Section;
    use crate::web::tests::assert_page;

    #[test]
    fn the_page_renders_with_keys_and_without() {
        let now = "2026-11-01T12:00:00Z".parse().expect("a timestamp");
        let key = |used| PersonalKey {
            id: PersonalApiKeyId::new(uuid::Uuid::from_u128(7)),
            label: "Export \"nightly\"".to_owned(),
            hint: "AbCd".to_owned(),
            created_at: now,
            last_used_at: used,
        };
        let sample = |keys, new_key| Page {
            shell: Shell::sample(Section::Settings),
            tabs: Tabs::new(None, Tab::ApiKeys),
            keys,
            new_key,
            label: String::new(),
            errors: FieldErrors::default(),
        };
        assert_page(&sample(vec![], None), ".empty");
        let full = sample(vec![key(None), key(Some(now))], Some("phx_secret".to_owned()));
        assert_page(&full, "#personal-api-key");
        assert_page(&full, "button[aria-label^=Revoke]");
    }
}
