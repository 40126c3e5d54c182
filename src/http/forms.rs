//! Forms: reading one, its errors at their fields, and the page that shows it again.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::{AppState, Cause, WebError};

/// The fields of a posted form. Give the fields of `T` defaults: a browser leaves out what is not ticked.
#[derive(Debug, Clone)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Form<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, WebError> {
        match axum::Form::<T>::from_request(request, state).await {
            Ok(axum::Form(form)) => Ok(Self(form)),
            Err(FormRejection::BytesRejection(e)) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Cause::TooLarge.into())
            }
            Err(e) => Err(Cause::Invalid { field: None, detail: sentence(&e) }.into()),
        }
    }
}

/// What is wrong with a form: for each field at most one sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<&'static str, String>);

impl FieldErrors {
    /// Notes what is wrong with a field, unless something is noted already.
    pub fn add(&mut self, field: &'static str, what: impl Display) {
        self.0.entry(field).or_insert_with(|| sentence(&what));
    }

    /// Parses a field, noting what is wrong with it.
    pub fn parse<T: FromStr<Err: Display>>(&mut self, field: &'static str, text: &str) -> Option<T> {
        text.parse().map_err(|e| self.add(field, e)).ok()
    }

    /// What is wrong with a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An error's message, lower case and without a full stop, as people read it in a page.
fn sentence(message: &impl Display) -> String {
    let message = message.to_string();
    let mut letters = message.chars();
    let Some(first) = letters.next() else { return message };
    let end = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

/// A page with status 200.
///
/// # Errors
/// If the template cannot be rendered.
pub fn page(page: &impl Template) -> Result<Response, WebError> {
    page_with_status(StatusCode::OK, page)
}

/// A page that shows a form again with its errors: status 422.
///
/// # Errors
/// If the template cannot be rendered.
pub fn form_again(page: &impl Template) -> Result<Response, WebError> {
    page_with_status(StatusCode::UNPROCESSABLE_ENTITY, page)
}

/// A page with a status.
///
/// # Errors
/// If the template cannot be rendered.
pub fn page_with_status(status: StatusCode, page: &impl Template) -> Result<Response, WebError> {
    let html = page.render().map_err(Cause::internal)?;
    Ok((status, Html(html)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_sentence_and_the_first_one_stays() {
        let mut errors = FieldErrors::default();
        assert_eq!(errors.parse::<u8>("age", "x"), None);
        errors.add("age", "second");
        assert_eq!(errors.get("age"), Some("Invalid digit found in string."));
        assert_eq!(errors.parse::<u8>("size", "7"), Some(7));
        assert_eq!(errors.get("size"), None);
    }
}
