//! What every route of a kind goes through. From the outside in: the request logged, its body given a deadline; then, for pages, headers, compression, the look of errors (`web::errors`), and the refusal of other sites'
//! forms.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::timeout::RequestBodyDeadlineLayer;

use super::{AppState, ErrorPage, security_headers};

/// A request's body is here by then, or its sender is too slow.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// A page that is only read begins by then. A store that answers ends a question earlier, by its own limit of 30 seconds; this
/// is for one that has stopped answering.
const PAGE_DEADLINE: Duration = Duration::from_secs(45);

/// Largest body of a page's form or an API call. Capture has its own limit.
const MAX_BODY_BYTES: usize = 1 << 20;

/// For pages, inside the layer that gives errors their look: what may turn a request into an error without a handler.
/// Call it after the last route and fallback.
pub fn inside_pages(pages: Router<AppState>, state: &AppState) -> Router<AppState> {
    pages
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(|request, next| within(PAGE_DEADLINE, request, next)))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(csrf(state))
}

/// For pages, outside that layer.
pub fn for_pages(pages: Router<AppState>, state: &AppState) -> Router<AppState> {
    pages
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(state.clone(), security_headers::for_pages))
        .layer(from_fn(log_page))
}

/// For the API that personal keys open. No cookie is read there, so other sites' forms reach nothing.
pub fn for_api(api: Router<AppState>, state: &AppState) -> Router<AppState> {
    api.layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(state.clone(), security_headers::for_api))
        .layer(from_fn(log_page))
}

/// For everything, capture and static files too.
pub fn for_all(all: Router<AppState>) -> Router<AppState> {
    all.layer(RequestBodyDeadlineLayer::new(BODY_DEADLINE)).layer(from_fn(log_rest))
}

/// Refuses a form that another site sent, by what the browser says of it (`Sec-Fetch-Site`, else `Origin` against
/// `Host`). A proxy that rewrites `Host` would make our own forms look foreign to old browsers and over plain http, so
/// the configured address is trusted by name.
fn csrf(state: &AppState) -> CsrfLayer<impl Fn(ProtectionError) -> Response + Clone + use<>> {
    let layer = CsrfLayer::new();
    let layer = match state.config.server.site_url.as_deref().and_then(origin) {
        Some(origin) => layer.add_trusted_origin(&origin).unwrap_or_default(),
        None => layer,
    };
    layer.with_rejection_response(|_| ErrorPage::for_status(StatusCode::FORBIDDEN).into_response())
}

/// Scheme and host of an address, as a browser's `Origin` has them.
fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.authority()?.as_str().to_ascii_lowercase();
    let scheme = uri.scheme_str()?;
    let host = match scheme {
        "https" => host.strip_suffix(":443").unwrap_or(&host),
        _ => host.strip_suffix(":80").unwrap_or(&host),
    };
    Some(format!("{scheme}://{host}"))
}

/// Gives up on a page that nothing comes of. What changes something is left to end by itself.
async fn within(deadline: Duration, request: Request, next: Next) -> Response {
    if !request.method().is_safe() {
        return next.run(request).await;
    }
    let seen = Seen::of(&request);
    match tokio::time::timeout(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(path = seen.path, ms = seen.ms(), "A page was given up: a store does not answer");
            ErrorPage::for_status(StatusCode::SERVICE_UNAVAILABLE).into_response()
        }
    }
}

fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(panic = text, "A request made Tenrec panic");
    ErrorPage::for_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// Says that a response was logged, so that the outer layer does not say it again.
#[derive(Clone, Copy)]
struct Logged;

/// One line for each request of pages and API.
async fn log_page(request: Request, next: Next) -> Response {
    let seen = Seen::of(&request);
    let mut response = next.run(request).await;
    let (status, ms) = (response.status().as_u16(), seen.ms());
    if response.status().is_server_error() {
        tracing::warn!(method = %seen.method, path = seen.path, status, ms, "Request");
    } else {
        tracing::info!(method = %seen.method, path = seen.path, status, ms, "Request");
    }
    response.extensions_mut().insert(Logged);
    response
}

/// One line for each other request, at debug: capture is called thousands of times a minute.
async fn log_rest(request: Request, next: Next) -> Response {
    let seen = Seen::of(&request);
    let response = next.run(request).await;
    if response.extensions().get::<Logged>().is_none() {
        let (status, ms) = (response.status().as_u16(), seen.ms());
        tracing::debug!(method = %seen.method, path = seen.path, status, ms, "Request");
    }
    response
}

/// What is said of a request: the route it matched, never what stood in its place or in its query, which may be secret.
struct Seen {
    method: axum::http::Method,
    path: String,
    started: Instant,
}

impl Seen {
    fn of(request: &Request) -> Self {
        let path = request.extensions().get::<MatchedPath>().map_or("(no route)", MatchedPath::as_str).to_owned();
        Self { method: request.method().clone(), path, started: Instant::now() }
    }

    fn ms(&self) -> u64 {
        self.started.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_page_that_nothing_comes_of_is_given_up() {
        let router: Router = Router::new()
            .route("/", get(std::future::pending::<&str>).post(|| async { "done" }))
            .layer(from_fn(|request, next| within(Duration::from_millis(1), request, next)));
        let get = Request::get("/").body(Body::empty()).expect("a request");
        let response = router.clone().oneshot(get).await.expect("it never fails");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.extensions().get::<ErrorPage>().is_some());
        let post = Request::post("/").body(Body::empty()).expect("a request");
        assert_eq!(router.oneshot(post).await.expect("it never fails").status(), StatusCode::OK);
    }

    #[test]
    fn an_origin_is_what_a_browser_would_send() {
        assert_eq!(origin("https://A.example:443").as_deref(), Some("https://a.example"));
        assert_eq!(origin("http://a.example:8000/sub").as_deref(), Some("http://a.example:8000"));
    }
}
