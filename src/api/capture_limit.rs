//! Capture requests from one address: how many are too many.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::body::discard;
use super::capture::Refused;
use super::capture_v1::V1Refused;
use crate::http::{AppState, ClientIp};
use crate::ingest::CaptureError;
use crate::telemetry::metrics;

/// Lets a request of v0 through, or answers 429 in its form.
pub async fn of_v0(State(state): State<AppState>, ip: ClientIp, request: Request, next: Next) -> Response {
    match take(&state, ip.limit_key()) {
        Ok(()) => next.run(request).await,
        Err(error) => refuse(&state, request, Refused::from(error)).await,
    }
}

/// Lets a request of v1 through, or answers 429 in its form.
pub async fn of_v1(State(state): State<AppState>, ip: ClientIp, request: Request, next: Next) -> Response {
    match take(&state, ip.limit_key()) {
        Ok(()) => next.run(request).await,
        Err(error) => refuse(&state, request, V1Refused::from(error)).await,
    }
}

fn take(state: &AppState, network: IpAddr) -> Result<(), CaptureError> {
    let Some(limit) = &state.limits().capture else { return Ok(()) };
    limit.take(&network, 1).map_err(|wait| {
        metrics::REQUESTS_LIMITED.add(1);
        CaptureError::too_many("requests from this address", wait)
    })
}

async fn refuse(state: &AppState, request: Request, refused: impl IntoResponse) -> Response {
    discard(request.into_body(), state.config.limits.max_body_bytes).await;
    refused.into_response()
}
