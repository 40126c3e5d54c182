//! What SDKs also call, and must get an answer to that makes them content: a missing one is asked for again and again, or
//! stands as an error in the console of somebody's site.
//!
//! Surveys, early access features, experiments on pages and product tours do not exist here, so their lists are empty.
//! Logs, metrics and traces are taken and dropped, as are session recordings, until they are built.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::body::discard;
use super::capture::{Refused, bearer_key};
use crate::http::AppState;
use crate::ingest::CaptureError;
use crate::telemetry::metrics::SIDE_CHANNEL_REQUESTS;

/// `GET /api/surveys/`.
pub async fn surveys() -> Json<Value> {
    Json(json!({"surveys": [], "survey_config": null}))
}

/// `GET /api/early_access_features/`.
pub async fn early_access_features() -> Json<Value> {
    Json(json!({"earlyAccessFeatures": []}))
}

/// `GET /api/web_experiments/`.
pub async fn web_experiments() -> Json<Value> {
    Json(json!({"experiments": []}))
}

/// `GET /api/product_tours/`.
pub async fn product_tours() -> Json<Value> {
    Json(json!({"product_tours": []}))
}

/// `POST /i/v1/logs`, in OTLP.
pub async fn logs(State(state): State<AppState>, request: Request) -> Result<Response, Refused> {
    otlp(&state, request, "logs").await
}

/// `POST /i/v1/metrics`, in OTLP.
pub async fn metrics(State(state): State<AppState>, request: Request) -> Result<Response, Refused> {
    otlp(&state, request, "metrics").await
}

/// `POST /i/v1/traces`, in OTLP.
pub async fn traces(State(state): State<AppState>, request: Request) -> Result<Response, Refused> {
    otlp(&state, request, "traces").await
}

/// Answers that all was taken, in the form that it came in, unless the key is known to be wrong. The key stands in the query or
/// in a header.
async fn otlp(state: &AppState, request: Request, kind: &'static str) -> Result<Response, Refused> {
    let in_query = request.uri().query().and_then(key_in_query);
    let key = in_query.map(|key| key.parse()).or_else(|| bearer_key(request.headers()));
    let is_protobuf = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(PROTOBUF.as_bytes()));
    // Read to the end: a connection with an unread body cannot be used again.
    discard(request.into_body(), state.config.limits.max_body_bytes).await;
    let key = key.ok_or(CaptureError::MissingKey)?.map_err(CaptureError::from)?;
    match state.door().find_project(&key).await {
        // Nothing is lost by not knowing: it is not kept anyway.
        Ok(_) | Err(CaptureError::Unavailable) => {}
        Err(error) => return Err(error.into()),
    }
    SIDE_CHANNEL_REQUESTS.with(kind).add(1);
    // An answer without fields is no bytes at all in protobuf.
    Ok(if is_protobuf {
        ([(header::CONTENT_TYPE, PROTOBUF)], "").into_response()
    } else {
        Json(json!({})).into_response()
    })
}

const PROTOBUF: &str = "application/x-protobuf";

fn key_in_query(query: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
    pairs.into_iter().find(|(name, _)| name == "token" || name == "api_key").map(|(_, key)| key)
}

/// `POST /s/`: snapshots of a session. Configuration tells browsers not to record; to those that do all the same, this says
/// to stop for a while.
pub async fn recordings(State(state): State<AppState>, request: Request) -> Json<Value> {
    discard(request.into_body(), state.config.limits.max_body_bytes).await;
    SIDE_CHANNEL_REQUESTS.with("recordings").add(1);
    Json(json!({"status": "Ok", "quota_limited": ["recordings"]}))
}
