//! Capture requests from one address: how many are too many.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;

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
    drain(request.into_body(), state.config.limits.max_body_bytes).await;
    refused.into_response()
}

/// Reads a body for nothing: whoever is still writing does not see an answer, and the connection is good for more.
async fn drain(mut body: Body, max_bytes: usize) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, bytes::Bytes::len);
        if read > max_bytes {
            return;
        }
    }
}
