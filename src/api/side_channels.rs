//! What SDKs also call, and must get an answer to that makes them content: a missing one is asked for again and again, or
//! stands as an error in the console of somebody's site.
//!
//! Surveys, early access features, experiments on pages and product tours do not exist here, so their lists are empty.
//! Logs, metrics and traces are taken and dropped, as are session recordings, until they are built.

use axum::Json;
use axum::body::Bytes;
use serde_json::{Value, json};

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

/// `POST /i/v1/logs`, `/i/v1/metrics`, `/i/v1/traces`, in OTLP's JSON: read to the end, because a connection with an unread
/// body cannot be used again.
pub async fn otlp(_: Bytes) -> Json<Value> {
    Json(json!({}))
}

/// `POST /s/`: snapshots of a session. Configuration tells browsers not to record; to those that do all the same, this says
/// to stop for a while.
pub async fn recordings(_: Bytes) -> Json<Value> {
    Json(json!({"status": "Ok", "quota_limited": ["recordings"]}))
}
