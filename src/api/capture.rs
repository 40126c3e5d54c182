//! Capture: where SDKs send events (PROTOCOL §1).
//!
//! Success is exactly 200 with a JSON body: the browser SDK sends again on every other 2xx. Errors are JSON too, and say in
//! `detail` what to do, because that is what a developer finds in the browser's or the SDK's log.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::body;
use crate::http::{AppState, ClientIp};
use crate::ingest::decode::DecodeError;
use crate::ingest::enrich::Origin;
use crate::ingest::multipart::{MultipartError, is_multipart};
use crate::ingest::{Accepted, CaptureError, CaptureRequest, InflateError, RETRY_AFTER_SECONDS, Rejection};
use crate::model::{InvalidApiKey, ProjectApiKey};
use crate::telemetry::metrics;

/// `/e/`, `/i/v0/e/`, `/batch/`, `/capture/`, `/track/`: takes one event, an array of them, or a batch, by POST or in the
/// `data` of a GET.
pub async fn events(State(state): State<AppState>, SdkRequest(request): SdkRequest) -> Result<Response, Refused> {
    Ok(accepted(&state.door().accept(request).await?))
}

/// `/i/v0/ai/batch/`: takes a batch like `/batch/`, of events of language models, which may be larger.
pub async fn ai_events(State(state): State<AppState>, SdkRequest(request): SdkRequest) -> Result<Response, Refused> {
    Ok(accepted(&state.door().accept_ai(request).await?))
}

/// `/i/v0/ai`: takes one event of a language model, as a form whose long texts are parts of their own, or as JSON.
pub async fn ai_event(
    State(state): State<AppState>,
    headers: HeaderMap,
    SdkRequest(request): SdkRequest,
) -> Result<Response, Refused> {
    if !is_multipart(request.content_type.as_deref()) {
        return Ok(accepted(&state.door().accept_ai(request).await?));
    }
    let key = bearer_key(&headers).transpose().map_err(CaptureError::from)?;
    let (accepted, parts) = state.door().accept_form(request, key).await?;
    let (dropped, kept): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.dropped.is_some());
    let rejected = accepted.rejected.iter().map(|(place, reason)| rejection(*place, *reason)).collect::<Vec<_>>();
    let mut answer = json!({"status": "Ok", "accepted_parts": kept});
    for (name, list) in [("dropped_parts", json!(dropped)), ("rejected", json!(rejected))] {
        if list.as_array().is_some_and(|list| !list.is_empty()) {
            answer[name] = list;
        }
    }
    Ok(Json(answer).into_response())
}

/// `/engage/`: takes updates of persons as the browser SDK sent them until 2023.
pub async fn person_updates(
    State(state): State<AppState>,
    SdkRequest(request): SdkRequest,
) -> Result<Response, Refused> {
    let request = CaptureRequest { is_person_update: true, ..request };
    Ok(accepted(&state.door().accept(request).await?))
}

/// What SDKs take for success. They read no more than the status; `rejected` is for people who try things out.
fn accepted(accepted: &Accepted) -> Response {
    if accepted.rejected.is_empty() {
        return ([(header::CONTENT_TYPE, "application/json")], r#"{"status":"Ok"}"#).into_response();
    }
    let rejected: Vec<_> = accepted.rejected.iter().map(|(place, reason)| rejection(*place, *reason)).collect();
    Json(json!({"status": "Ok", "rejected": rejected})).into_response()
}

fn rejection(place: usize, reason: Rejection) -> Value {
    json!({"index": place, "code": reason.code(), "detail": reason.to_string()})
}

/// The key in `Authorization: Bearer`, if there is one.
pub(super) fn bearer_key(headers: &HeaderMap) -> Option<Result<ProjectApiKey, InvalidApiKey>> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.parse())
}

/// A request in the encoding of SDKs: anything may be in its body.
#[derive(Debug)]
pub struct SdkRequest(pub CaptureRequest);

impl FromRequest<AppState> for SdkRequest {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Refused> {
        let content_type = header_text(&request, header::CONTENT_TYPE);
        let content_encoding = header_text(&request, header::CONTENT_ENCODING);
        let (request, mut origin) = origin_of(request, state).await;
        let query = request.uri().query().unwrap_or_default().to_owned();
        // Asked for by old SDKs that were told not to report addresses.
        if query.split('&').any(|pair| pair == "ip=0") {
            origin.ip = None;
        }
        let body = body::collect(request, state.config.limits.max_body_bytes).await.map_err(CaptureError::from)?;
        Ok(Self(CaptureRequest { query, content_type, content_encoding, body, is_person_update: false, origin }))
    }
}

/// Who sends a request; the request itself is given back.
pub(super) async fn origin_of(request: Request, state: &AppState) -> (Request, Origin) {
    let user_agent = header_text(&request, header::USER_AGENT);
    let (mut parts, body) = request.into_parts();
    let Ok(ClientIp(ip)) = ClientIp::from_request_parts(&mut parts, state).await;
    (Request::from_parts(parts, body), Origin { ip: Some(ip), user_agent })
}

fn header_text(request: &Request, name: HeaderName) -> Option<String> {
    request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// When the same request may succeed, if it may.
pub(super) const fn retry_after_seconds(error: &CaptureError) -> Option<u32> {
    match error {
        CaptureError::Unavailable => Some(RETRY_AFTER_SECONDS),
        CaptureError::TooMany { retry_after_seconds, .. } => Some(*retry_after_seconds),
        _ => None,
    }
}

/// A [`CaptureError`] as an answer.
#[derive(Debug)]
pub struct Refused(CaptureError);

impl From<CaptureError> for Refused {
    fn from(error: CaptureError) -> Self {
        Self(error)
    }
}

impl Refused {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        use CaptureError as E;
        match &self.0 {
            E::Decode(DecodeError::Empty) => (StatusCode::BAD_REQUEST, "empty_body"),
            E::Decode(DecodeError::Inflate(InflateError::Damaged)) => (StatusCode::BAD_REQUEST, "damaged_body"),
            E::Decode(DecodeError::Inflate(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
            E::Decode(DecodeError::UnsupportedEncoding(_)) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding")
            }
            E::Decode(DecodeError::NotJson) | E::Json(_) => (StatusCode::BAD_REQUEST, "invalid_json"),
            E::Multipart(MultipartError::Packed { error, .. }) if *error != InflateError::Damaged => {
                (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large")
            }
            E::Multipart(_) => (StatusCode::BAD_REQUEST, "invalid_form"),
            E::TooManyValues => (StatusCode::PAYLOAD_TOO_LARGE, "too_many_values"),
            E::NotEvents => (StatusCode::BAD_REQUEST, "invalid_batch"),
            E::EmptyBatch => (StatusCode::BAD_REQUEST, "empty_batch"),
            E::AllRejected(reason) => (StatusCode::BAD_REQUEST, reason.code()),
            E::MissingKey => (StatusCode::UNAUTHORIZED, "missing_api_key"),
            E::SeveralKeys => (StatusCode::UNAUTHORIZED, "several_api_keys"),
            E::InvalidKey(_) | E::UnknownKey => (StatusCode::UNAUTHORIZED, "invalid_api_key"),
            E::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            E::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            E::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        metrics::CAPTURE_REFUSED.with(code).add(1);
        tracing::debug!(code, "Refused a request of an SDK");
        let kind = match status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::TOO_MANY_REQUESTS => "throttled_error",
            status if status.is_server_error() => "server_error",
            _ => "validation_error",
        };
        let body = Json(json!({"type": kind, "code": code, "detail": self.0.to_string(), "attr": null}));
        let mut response = (status, body).into_response();
        if let Some(seconds) = retry_after_seconds(&self.0) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
