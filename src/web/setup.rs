//! Set-up: the owner account and a first project, once, by the holder of the printed link.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::{links, login};
use crate::accounts::setup::{self, Owner};
use crate::http::{
    AppState, Cause, ClientIp, FieldErrors, Form, SignInCookie, Site, WebError, form_again, page, page_with_status,
};
use crate::model::TimeZoneName;

#[derive(Debug, Template)]
#[template(path = "pages/setup.html")]
struct Page {
    state: SetupState,
    site_url: String,
    zones: Vec<String>,
    errors: FieldErrors,
}

#[derive(Debug)]
enum SetupState {
    Form(Fields),
    NoToken,
    WrongToken,
}

/// The token in the printed link.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Link {
    token: Option<String>,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    token: String,
    name: String,
    email: String,
    password: String,
    organization: String,
    project: String,
    time_zone: String,
}

/// `GET /setup`. Not there any more once somebody has an account.
pub async fn get(
    State(state): State<AppState>,
    ip: ClientIp,
    site: Site,
    Query(link): Query<Link>,
) -> Result<Response, WebError> {
    closed_once_done(&state).await?;
    let Some(token) = link.token else { return page(&Page::without_form(SetupState::NoToken, site)) };
    state.limits().links.check(&ip.limit_key())?;
    if !setup::is_token(&state.pg, &token).await? {
        return page_with_status(StatusCode::FORBIDDEN, &Page::without_form(SetupState::WrongToken, site));
    }
    let fields = Fields {
        token,
        organization: "My organization".to_owned(),
        project: "My project".to_owned(),
        time_zone: "UTC".to_owned(),
        ..Fields::default()
    };
    page(&Page::with_form(fields, site, FieldErrors::default()))
}

/// `POST /setup`.
pub async fn post(
    State(state): State<AppState>,
    ip: ClientIp,
    site: Site,
    cookie: SignInCookie,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, WebError> {
    closed_once_done(&state).await?;
    state.limits().links.check(&ip.limit_key())?;
    let mut errors = FieldErrors::default();
    let owner = (
        errors.parse("name", &fields.name),
        errors.parse("email", &fields.email),
        errors.parse("password", &fields.password),
        errors.parse("organization", &fields.organization),
        errors.parse("project", &fields.project),
        errors.parse::<TimeZoneName>("time_zone", &fields.time_zone),
    );
    let (Some(name), Some(email), Some(password), Some(organization), Some(project), Some(time_zone)) = owner else {
        return form_again(&Page::with_form(fields, site, errors));
    };
    let owner = Owner { name, email, password, organization, project, time_zone };
    match setup::create_owner(&state.pg, &state.clock, &fields.token, owner).await? {
        Some((user, project)) => {
            tracing::info!(project.id = %project.id, "The owner account was made");
            login::sign_in(&state, &cookie, &headers, user, &links::onboarding(project.id)).await
        }
        None => {
            closed_once_done(&state).await?;
            page_with_status(StatusCode::FORBIDDEN, &Page::without_form(SetupState::WrongToken, site))
        }
    }
}

async fn closed_once_done(state: &AppState) -> Result<(), WebError> {
    if state.pg.has_users().await? { Err(Cause::NotFound.into()) } else { Ok(()) }
}

impl Page {
    fn with_form(fields: Fields, site: Site, errors: FieldErrors) -> Self {
        Self { state: SetupState::Form(fields), site_url: site.url, zones: TimeZoneName::all(), errors }
    }

    fn without_form(state: SetupState, site: Site) -> Self {
        Self { state, site_url: site.url, zones: Vec::new(), errors: FieldErrors::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::assert_page;

    #[test]
    fn every_state_of_the_page_renders() {
        let site = || Site { url: "http://localhost:8000".to_owned(), is_https: false };
        let mut errors = FieldErrors::default();
        errors.add("email", "no address");
        let fields = || Fields { time_zone: "Europe/Berlin".to_owned(), token: "t".to_owned(), ..Fields::default() };
        let page = Page::with_form(fields(), site(), FieldErrors::default());
        assert_page(&page, "select[data-guess-time-zone] option[selected]");
        let page = Page::with_form(fields(), site(), errors);
        assert_page(&page, "input[name=email][aria-invalid=true]");
        assert_page(&page, "#error-email");
        assert_page(&Page::without_form(SetupState::NoToken, site()), "h1");
        assert_page(&Page::without_form(SetupState::WrongToken, site()), "h1");
    }
}
