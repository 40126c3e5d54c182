//! Signing in and out.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::accounts::{sign_ins, users};
use crate::http::{AppState, ClientIp, Form, SignInCookie, SignedIn, WebError, form_again, page, safe_next};
use crate::model::UserId;

#[derive(Debug, Template)]
#[template(path = "pages/login.html")]
struct Page {
    email: String,
    next: String,
    is_wrong: bool,
}

/// Where to go on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wish {
    next: Option<String>,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    email: String,
    password: String,
    next: String,
}

/// `GET /login`.
pub async fn get(
    State(state): State<AppState>,
    signed_in: Option<SignedIn>,
    Query(wish): Query<Wish>,
) -> Result<Response, WebError> {
    let next = safe_next(wish.next.as_deref());
    if signed_in.is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    if !state.pg.has_users().await? {
        return Ok(Redirect::to("/setup").into_response());
    }
    page(&Page { email: String::new(), next: next.to_owned(), is_wrong: false })
}

/// `POST /login`.
pub async fn post(
    State(state): State<AppState>,
    ip: ClientIp,
    cookie: SignInCookie,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, WebError> {
    let limits = state.limits();
    limits.sign_in.check(&ip.limit_key())?;
    limits.accounts.check(&fields.email, ip.limit_key())?;
    let next = safe_next(Some(&fields.next));
    let Some(user) = users::find_by_password(&state.pg, &fields.email, &fields.password).await? else {
        return form_again(&Page { next: next.to_owned(), email: fields.email, is_wrong: true });
    };
    limits.accounts.succeeded(&fields.email, ip.limit_key());
    sign_in(&state, &cookie, &headers, user.id, next).await
}

/// `POST /logout`.
pub async fn end(State(state): State<AppState>, cookie: SignInCookie) -> Result<Response, WebError> {
    if let Some(token) = &cookie.token {
        sign_ins::end(&state.pg, token).await?;
    }
    Ok(([(header::SET_COOKIE, cookie.forget())], Redirect::to("/login")).into_response())
}

/// Signs the browser in with a new token and goes on. A token it came with ends: nobody else may keep holding it.
pub(super) async fn sign_in(
    state: &AppState,
    cookie: &SignInCookie,
    headers: &HeaderMap,
    user: UserId,
    to: &str,
) -> Result<Response, WebError> {
    if let Some(old) = &cookie.token {
        sign_ins::end(&state.pg, old).await?;
    }
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = sign_ins::start(&state.pg, &state.clock, user, user_agent).await?;
    Ok(([(header::SET_COOKIE, cookie.keep(&token))], Redirect::to(to)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_renders_and_keeps_what_was_typed() {
        let page = Page { email: "\"><script>".to_owned(), next: "/project/1".to_owned(), is_wrong: true };
        crate::web::tests::assert_page(&page, "input[name=next][value='/project/1']");
        crate::web::tests::assert_page(&page, "[role=alert]");
    }
}
