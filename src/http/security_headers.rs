//! Headers that keep a page to itself.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{AppState, Site};

/// Everything from ourselves, nothing inline, nowhere else to send forms, in nobody's frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds to every answer of the pages what it does not say itself.
pub async fn for_pages(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (request, is_https) = is_https(&state, request).await;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    set(headers, header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(headers, header::X_FRAME_OPTIONS, "DENY");
    // Not no-referrer: with it a browser sends `Origin: null` with our own forms.
    set(headers, header::REFERRER_POLICY, "same-origin");
    set(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(headers, header::CACHE_CONTROL, "no-store");
    common(headers, is_https);
    response
}

/// Adds to every answer of the API what it does not say itself.
pub async fn for_api(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (request, is_https) = is_https(&state, request).await;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    set(headers, header::CACHE_CONTROL, "no-store");
    common(headers, is_https);
    response
}

fn common(headers: &mut HeaderMap, is_https: bool) {
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if is_https {
        set(headers, header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

async fn is_https(state: &AppState, request: Request) -> (Request, bool) {
    use axum::extract::FromRequestParts;
    let (mut parts, body) = request.into_parts();
    let Ok(site) = Site::from_request_parts(&mut parts, state).await;
    (Request::from_parts(parts, body), site.is_https)
}
