//! Errors in the look of the pages, each with a way on.

use askama::Template;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use crate::http::ErrorPage;

#[derive(Debug, Template)]
#[template(path = "pages/error.html")]
struct Page {
    page: ErrorPage,
    /// Whether the same address may answer in a while.
    may_pass: bool,
}

/// The middleware that turns every error without a page of its own into one: those of handlers, and those that arise
/// before one is reached.
pub async fn render(request: Request, next: Next) -> Response {
    let is_get = request.method() == Method::GET;
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    // 422 is a form that is shown again; a fragment or a file says itself what is wrong.
    let is_own =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"));
    let page = match response.extensions().get::<ErrorPage>() {
        Some(page) => page.clone(),
        None if is_own => return response,
        None => ErrorPage::for_status(status),
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    let may_pass = is_get && (status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS);
    match (Page { page, may_pass }).render() {
        Ok(html) => (parts, Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The answer to a path that no page has.
pub async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_renders_with_a_way_on() {
        for status in [403, 404, 405, 413, 429, 500, 503] {
            let status = StatusCode::from_u16(status).expect("a status");
            for may_pass in [false, true] {
                crate::web::tests::assert_page(&Page { page: ErrorPage::for_status(status), may_pass }, "a[href='/']");
            }
        }
    }
}
