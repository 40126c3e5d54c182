//! What goes wrong, once; and its two forms: a page for people, JSON for machines.
//!
//! A handler of `web` returns [`WebError`], one of `api` [`ApiError`]; `?` makes either from a [`Cause`] and from
//! whatever becomes one. Internals are logged here, where they turn into a response, and shown to nobody.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;

use crate::accounts::AccountsError;
use crate::model::Role;
use crate::privacy::PrivacyError;
use crate::storage::pg::{PgError, is_unavailable};

/// Why a request gets no answer of its own.
#[derive(Debug)]
pub enum Cause {
    /// Nobody is signed in. `next` is where a person wanted to go, as a path.
    SignInNeeded { next: Option<String>, is_fragment: bool },
    /// Nobody has an account yet.
    SetupNeeded,
    /// A personal API key is missing or not valid.
    InvalidKey,
    /// There is no such thing, or it is not for this user to know of.
    NotFound,
    /// What is there is not asked for this way.
    WrongMethod(Method),
    /// The user is known and may not; the role that may.
    Forbidden(Role),
    /// What was sent makes no sense; which field, if one, and what is wrong with it, as a sentence.
    Invalid { field: Option<Cow<'static, str>>, detail: String },
    /// What was sent is at odds with what is stored.
    Conflict(String),
    /// What was sent is larger than is taken here.
    TooLarge,
    /// A question that took longer than one may, in words.
    TooSlow(String),
    /// A question that needed more memory or rows than one may, in words.
    TooHeavy(String),
    /// Too often; worth another try after this long.
    TooMany { retry_after: Duration },
    /// There was no place for a question; in words, and whether the project's own questions are in the way.
    Crowded { detail: String, is_own: bool },
    /// Something Tenrec needs does not answer now.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// A mistake of ours.
    Internal(Box<dyn Error + Send + Sync>),
}

impl Cause {
    /// A mistake of ours, whatever it is.
    pub fn internal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// A value that makes no sense.
    pub fn invalid(field: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::Invalid { field: Some(field.into()), detail: detail.into() }
    }

    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    /// Status, and the stable code that machines and metrics know it by.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::SignInNeeded { .. } | Self::SetupNeeded => (StatusCode::UNAUTHORIZED, "not_authenticated"),
            Self::InvalidKey => (StatusCode::UNAUTHORIZED, "authentication_failed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::WrongMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "permission_denied"),
            Self::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid_input"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::TooSlow(_) => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            Self::TooHeavy(_) => (StatusCode::BAD_REQUEST, "too_heavy"),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "throttled"),
            Self::Crowded { is_own: true, .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_queries"),
            Self::Crowded { is_own: false, .. } => (StatusCode::SERVICE_UNAVAILABLE, "over_capacity"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "error"),
        }
    }

    /// What a person is told.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::SignInNeeded { .. } => "Authentication credentials were not provided.".to_owned(),
            Self::SetupNeeded => "Tenrec is not set up yet.".to_owned(),
            Self::InvalidKey => {
                "The personal API key is missing or not valid; send Authorization: Bearer phx_….".to_owned()
            }
            Self::NotFound => "Not found.".to_owned(),
            Self::WrongMethod(method) => format!("Method \"{method}\" not allowed."),
            Self::Forbidden(role) => format!("This takes the role {} or higher.", role_word(*role)),
            Self::Invalid { detail, .. } | Self::Conflict(detail) | Self::TooSlow(detail) | Self::TooHeavy(detail) => {
                detail.clone()
            }
            Self::TooLarge => "What was sent is larger than is taken here.".to_owned(),
            Self::Crowded { detail, .. } => format!("{detail} Try again shortly."),
            Self::TooMany { retry_after } => format!("Too many requests. Try again in {}.", wait_words(*retry_after)),
            Self::Unavailable(_) => "A part of Tenrec does not answer at the moment. Try again shortly.".to_owned(),
            Self::Internal(_) => "Something went wrong inside Tenrec. It was written to the log.".to_owned(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { retry_after } => Some(*retry_after),
            Self::Unavailable(_) | Self::Crowded { .. } => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    fn log(&self) {
        match self {
            Self::Unavailable(error) => tracing::warn!(error = chain(error.as_ref()), "A part does not answer"),
            Self::Internal(error) => tracing::error!(error = chain(error.as_ref()), "A request failed"),
            _ => {}
        }
    }
}

/// The error and what lies below it, on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(below) = next {
        let below_text = below.to_string();
        if !text.ends_with(&below_text) {
            text = format!("{text}: {below_text}");
        }
        next = below.source();
    }
    text
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

/// Seconds as people say them, rounded up.
fn wait_words(wait: Duration) -> String {
    let seconds = whole_seconds(wait);
    match seconds {
        1 => "1 second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// Whole seconds, rounded up and at least one: what Retry-After takes.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
}

impl From<PgError> for Cause {
    fn from(error: PgError) -> Self {
        if is_unavailable(&error) { Self::Unavailable(error.into()) } else { Self::Internal(error.into()) }
    }
}

impl From<PrivacyError> for Cause {
    fn from(error: PrivacyError) -> Self {
        match error {
            PrivacyError::Postgres(error) => error.into(),
            PrivacyError::ClickHouse(error) => Self::Unavailable(error.into()),
            PrivacyError::Disk(_) | PrivacyError::Damaged(_) => Self::Internal(error.into()),
        }
    }
}

impl From<AccountsError> for Cause {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::Store(error) => error.into(),
            AccountsError::Busy => Self::Unavailable(error.into()),
            AccountsError::Hash(_) => Self::Internal(error.into()),
        }
    }
}

/// A [`Cause`] as a page.
#[derive(Debug)]
pub struct WebError(Cause);

/// A [`Cause`] as JSON, in the shape of PROTOCOL §7.1.
#[derive(Debug)]
pub struct ApiError(Cause);

impl<C: Into<Cause>> From<C> for WebError {
    fn from(cause: C) -> Self {
        Self(cause.into())
    }
}

impl<C: Into<Cause>> From<C> for ApiError {
    fn from(cause: C) -> Self {
        Self(cause.into())
    }
}

/// What an error page says. It travels in a response's extensions to the layer that renders it in the pages' look; the
/// response's own body says the same as plain text.
#[derive(Debug, Clone)]
pub struct ErrorPage {
    pub status: StatusCode,
    pub title: &'static str,
    pub detail: String,
}

impl ErrorPage {
    /// The page for a status that arose outside a handler: a path that no route has, a body that is too large.
    #[must_use]
    pub fn for_status(status: StatusCode) -> Self {
        let (title, detail) = match status {
            StatusCode::FORBIDDEN => ("Not allowed", "Your browser said that this form was sent by another site."),
            StatusCode::NOT_FOUND => ("Page not found", "There is no page at this address, or it is not yours to see."),
            StatusCode::METHOD_NOT_ALLOWED => (
                "Nothing to show here",
                "There is no page at this address: a form is sent to it. Go back to the page with that form.",
            ),
            StatusCode::REQUEST_TIMEOUT => ("Too slow", "The request did not arrive in time. Try again."),
            StatusCode::PAYLOAD_TOO_LARGE => ("Too large", "What was sent is larger than this page takes."),
            StatusCode::INTERNAL_SERVER_ERROR => {
                ("Something went wrong", "The mistake is on Tenrec's side. It was written to the log.")
            }
            status if status.is_server_error() => {
                ("Not available", "Tenrec cannot answer this now. Try again shortly.")
            }
            _ => ("Not understood", "Tenrec could not make sense of this request."),
        };
        Self { status, title, detail: detail.to_owned() }
    }
}

impl IntoResponse for ErrorPage {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}. {}\n", self.title, self.detail)).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let Self(cause) = self;
        cause.log();
        match &cause {
            Cause::SignInNeeded { next, is_fragment } => return to_sign_in(next.as_deref(), *is_fragment),
            Cause::SetupNeeded => return Redirect::to("/setup").into_response(),
            _ => {}
        }
        let (status, _) = cause.status_and_code();
        let page = match &cause {
            Cause::Forbidden(_) => ErrorPage { status, title: "Not allowed", detail: cause.detail() },
            Cause::Invalid { .. } => ErrorPage { status, title: "Not understood", detail: cause.detail() },
            Cause::Conflict(_) => ErrorPage { status, title: "Already changed", detail: cause.detail() },
            Cause::TooMany { .. } => ErrorPage { status, title: "Too many requests", detail: cause.detail() },
            Cause::Crowded { .. } => ErrorPage { status, title: "Too busy", detail: cause.detail() },
            Cause::Unavailable(_) => ErrorPage { status, title: "Not available", detail: cause.detail() },
            _ => ErrorPage::for_status(status),
        };
        let mut response = page.into_response();
        set_retry_after(&mut response, &cause);
        response
    }
}

/// Sends a person to sign in. A fragment's request must not get the sign-in page as its fragment: htmx is told to go there.
fn to_sign_in(next: Option<&str>, is_fragment: bool) -> Response {
    let target = match next {
        Some(next) => format!("/login?{}", serde_urlencoded::to_string([("next", next)]).unwrap_or_default()),
        None => "/login".to_owned(),
    };
    if !is_fragment {
        return Redirect::to(&target).into_response();
    }
    match HeaderValue::try_from(target) {
        Ok(target) => (StatusCode::UNAUTHORIZED, [(HeaderName::from_static("hx-redirect"), target)]).into_response(),
        Err(_) => StatusCode::UNAUTHORIZED.into_response(),
    }
}

#[derive(Serialize)]
struct ApiErrorBody {
    r#type: &'static str,
    code: &'static str,
    detail: String,
    attr: Option<Cow<'static, str>>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self(cause) = self;
        cause.log();
        let (status, code) = cause.status_and_code();
        let kind = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "authentication_error",
            StatusCode::BAD_REQUEST => "validation_error",
            StatusCode::TOO_MANY_REQUESTS => "throttled_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        let attr = match &cause {
            Cause::Invalid { field, .. } => field.clone(),
            _ => None,
        };
        let mut response =
            (status, Json(ApiErrorBody { r#type: kind, code, detail: cause.detail(), attr })).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        set_retry_after(&mut response, &cause);
        response
    }
}

fn set_retry_after(response: &mut Response, cause: &Cause) {
    if let Some(wait) = cause.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internals_are_not_shown() {
        let response = WebError::from(Cause::internal("password=hunter2")).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let page = response.extensions().get::<ErrorPage>().expect("it says what to show");
        assert!(!page.detail.contains("hunter2"));
        assert!(!Cause::internal("password=hunter2").detail().contains("hunter2"));
    }

    #[test]
    fn a_wait_is_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(wait_words(Duration::from_millis(1001)), "2 seconds");
        assert_eq!(wait_words(Duration::from_secs(121)), "3 minutes");
    }

    #[test]
    fn where_to_go_on_is_escaped() {
        let response = to_sign_in(Some("/events?q=a&b=c\r\nX: y"), false);
        let location = response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
        assert_eq!(location, "/login?next=%2Fevents%3Fq%3Da%26b%3Dc%0D%0AX%3A+y");
    }
}
