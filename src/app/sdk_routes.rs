//! The routes that SDKs call: from any site, without a sign-in.
//!
//! Each answers with and without a trailing slash and never redirects, since a redirect loses the body and fails a
//! preflight. A proxy that adds a prefix (`/ph/…`) strips it again, or the prefix is configured and all routes answer below
//! it too.

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};

use crate::api::{capture, capture_limit, capture_v1, cors, flags, remote_config, sdk_bundles, side_channels};
use crate::http::AppState;

/// All of them, each open to every origin.
pub(super) fn sdk_routes(state: &AppState) -> Router<AppState> {
    let router = Router::new()
        .route("/array/{key}/config", get(remote_config::as_json))
        .route("/array/{key}/config.js", get(remote_config::as_script))
        .route("/array/{key}/array.js", get(remote_config::with_bundle))
        .route("/static/{file}", get(sdk_bundles::newest))
        .route("/static/{version}/{file}", get(sdk_bundles::of_version));
    // Without a limit there is no layer: it would cost every request a little.
    let is_limited = state.limits().capture.is_some();
    let of_v0 = |methods: MethodRouter<_>| match is_limited {
        true => methods.layer(from_fn_with_state(state.clone(), capture_limit::of_v0)),
        false => methods,
    };
    let of_v1 = |methods: MethodRouter<_>| match is_limited {
        true => methods.layer(from_fn_with_state(state.clone(), capture_limit::of_v1)),
        false => methods,
    };
    let slashed = [
        ("/e", of_v0(capture_events())),
        ("/i/v0/e", of_v0(capture_events())),
        ("/batch", of_v0(capture_events())),
        ("/capture", of_v0(capture_events())),
        ("/track", of_v0(capture_events())),
        ("/i/v0/ai", of_v0(post(capture::ai_event))),
        ("/i/v0/ai/batch", of_v0(post(capture::ai_events))),
        ("/i/v1/analytics/events", of_v1(post(capture_v1::events))),
        ("/i/v1/ai/events", of_v1(post(capture_v1::ai_events))),
        ("/engage", of_v0(get(capture::person_updates).post(capture::person_updates))),
        ("/flags", get(flags::evaluate_nobody).post(flags::evaluate)),
        ("/decide", get(flags::decide_nobody).post(flags::decide)),
        ("/flags/definitions", get(flags::definitions)),
        ("/api/feature_flag/local_evaluation", get(flags::definitions)),
        ("/api/surveys", get(side_channels::surveys)),
        ("/api/early_access_features", get(side_channels::early_access_features)),
        ("/api/web_experiments", get(side_channels::web_experiments)),
        ("/api/product_tours", get(side_channels::product_tours)),
        ("/i/v1/logs", post(side_channels::logs)),
        ("/i/v1/metrics", post(side_channels::metrics)),
        ("/i/v1/traces", post(side_channels::traces)),
        ("/s", post(side_channels::recordings)),
    ];
    let routes = slashed.into_iter().fold(router, |router, (path, methods)| {
        router.route(path, methods.clone()).route(&format!("{path}/"), methods)
    });
    let routes = match &state.config.server.path_prefix {
        Some(prefix) => routes.clone().nest(prefix, routes),
        None => routes,
    };
    routes.layer(from_fn(cors::allow_every_origin))
}

fn capture_events() -> MethodRouter<AppState> {
    get(capture::events).post(capture::events)
}
