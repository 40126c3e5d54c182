//! Errors that arise before a handler is reached, in the shape of all others (PROTOCOL §7.1).

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::{ApiError, Cause};

/// What is told of such an error is no longer than this.
const MOST_BYTES: usize = 4096;

/// The answer to a path below `/api/` that nothing is at.
pub async fn not_found() -> ApiError {
    Cause::NotFound.into()
}

/// The middleware that turns a refusal in plain text, or without words, into JSON: of a method that a path does not have, of a
/// path or a query string that cannot be read.
pub async fn shape(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let response = next.run(request).await;
    let is_shaped =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"));
    let (head, body) = response.into_parts();
    let cause = match head.status {
        StatusCode::METHOD_NOT_ALLOWED if !is_shaped => Cause::WrongMethod(method),
        StatusCode::PAYLOAD_TOO_LARGE if !is_shaped => Cause::TooLarge,
        StatusCode::BAD_REQUEST if !is_shaped => {
            let words = to_bytes(body, MOST_BYTES).await.unwrap_or_default();
            Cause::Invalid { field: None, detail: String::from_utf8_lossy(&words).into_owned() }
        }
        _ => return Response::from_parts(head, body),
    };
    let mut shaped = ApiError::from(cause).into_response();
    if let Some(allowed) = head.headers.get(header::ALLOW) {
        shaped.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    shaped
}
