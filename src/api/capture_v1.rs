//! Capture v1: `POST /i/v1/analytics/events` and `/i/v1/ai/events` (PROTOCOL §1.9).
//!
//! The SDK reads an answer for each of its events; an error of the whole request is JSON with a tag.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body;
use super::capture::{origin_of, retry_after_seconds};
use crate::http::AppState;
use crate::ingest::decode::DecodeError;
use crate::ingest::enrich::Origin;
use crate::ingest::v1::{Outcome, V1Error, V1Request, V1Result};
use crate::ingest::{CaptureError, InflateError};
use crate::telemetry::metrics;

/// `/i/v1/analytics/events`.
pub async fn events(State(state): State<AppState>, request: Request) -> Result<Response, V1Refused> {
    accept(&state, request, false).await
}

/// `/i/v1/ai/events`: the same for events of language models, which may be larger.
pub async fn ai_events(State(state): State<AppState>, request: Request) -> Result<Response, V1Refused> {
    accept(&state, request, true).await
}

async fn accept(state: &AppState, request: Request, is_ai: bool) -> Result<Response, V1Refused> {
    let read = read_headers(request.headers());
    let (request, origin) = origin_of(request, state).await;
    // Read to the end first: a connection with an unread body cannot be used again.
    let body = body::collect(request, state.config.limits.max_body_bytes).await?;
    let request = V1Request { body, is_ai, origin, ..read? };
    let results = state.door().accept_v1(request).await?;
    Ok(Json(json!({"results": results.into_iter().map(shown).collect::<Map<_, _>>()})).into_response())
}

fn shown(V1Result { uuid, outcome }: V1Result) -> (String, Value) {
    let result = match outcome {
        Outcome::Accepted => "ok",
        Outcome::Warning(_) => "warning",
        Outcome::Drop(_) => "drop",
    };
    (uuid, json!({"result": result, "details": outcome.tag()}))
}

/// All of a request that its headers tell.
fn read_headers(headers: &HeaderMap) -> Result<V1Request, V1Error> {
    let key = match text(headers, "authorization")?.and_then(|value| value.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            token.parse().map_err(|e| V1Error::Capture(CaptureError::InvalidKey(e)))?
        }
        _ => return Err(V1Error::MissingToken),
    };
    let content_type = required(headers, "content-type")?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(V1Error::UnsupportedMediaType);
    }
    required(headers, "user-agent")?;
    let sdk_info = required(headers, "posthog-sdk-info")?;
    if !sdk_info.rsplit_once('/').is_some_and(|(name, version)| !name.is_empty() && !version.is_empty()) {
        return Err(V1Error::InvalidHeader("posthog-sdk-info"));
    }
    if !required(headers, "posthog-attempt")?.parse::<u32>().is_ok_and(|attempt| attempt >= 1) {
        return Err(V1Error::InvalidHeader("posthog-attempt"));
    }
    if Uuid::parse_str(required(headers, "posthog-request-id")?).is_err() {
        return Err(V1Error::InvalidHeader("posthog-request-id"));
    }
    let sent_at = required(headers, "posthog-request-timestamp")?.parse::<Timestamp>();
    Ok(V1Request {
        key,
        sdk_info: sdk_info.to_owned(),
        sent_at: sent_at.map_err(|_| V1Error::InvalidHeader("posthog-request-timestamp"))?,
        content_encoding: text(headers, "content-encoding")?.map(str::to_owned),
        body: Bytes::new(),
        is_ai: false,
        origin: Origin::default(),
    })
}

fn required<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, V1Error> {
    text(headers, name)?.filter(|value| !value.is_empty()).ok_or(V1Error::MissingHeader(name))
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, V1Error> {
    let value = headers.get(name).map(HeaderValue::to_str).transpose();
    Ok(value.map_err(|_| V1Error::InvalidHeader(name))?.map(str::trim))
}

/// A [`V1Error`] as an answer.
#[derive(Debug)]
pub struct V1Refused(V1Error);

impl<E: Into<V1Error>> From<E> for V1Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

fn status_and_tag(error: &V1Error) -> (StatusCode, &'static str) {
    use CaptureError as C;
    use V1Error as E;
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    match error {
        E::EmptyBody | E::Capture(C::Decode(DecodeError::Empty)) => (BAD, "empty_body"),
        E::EmptyBatch | E::Capture(C::EmptyBatch) => (BAD, "empty_batch"),
        E::InvalidBatch | E::Capture(C::NotEvents | C::AllRejected(_) | C::Multipart(_)) => (BAD, "invalid_batch"),
        E::MissingUuid => (BAD, "missing_event_uuid"),
        E::InvalidUuid => (BAD, "invalid_event_uuid"),
        E::DuplicateUuid => (BAD, "duplicate_event_uuid"),
        E::MissingHeader(_) => (BAD, "missing_required_headers"),
        E::InvalidHeader(_) => (BAD, "invalid_header_value"),
        E::Capture(C::Decode(DecodeError::Inflate(InflateError::Damaged) | DecodeError::NotJson)) => {
            (BAD, "request_decoding_error")
        }
        E::Capture(C::Decode(DecodeError::Inflate(_)) | C::TooManyValues) => {
            (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large")
        }
        E::Capture(C::Decode(DecodeError::UnsupportedEncoding(_))) => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding")
        }
        E::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
        E::Capture(C::Json(_)) => (BAD, "request_parsing_error"),
        E::MissingToken | E::Capture(C::MissingKey | C::SeveralKeys) => {
            (StatusCode::UNAUTHORIZED, "missing_authorization")
        }
        E::Capture(C::InvalidKey(_) | C::UnknownKey) => (StatusCode::UNAUTHORIZED, "invalid_token"),
        E::Capture(C::TooMany { .. }) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
        E::Capture(C::Unavailable) => (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable"),
        E::Capture(C::Internal) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
    }
}

impl IntoResponse for V1Refused {
    fn into_response(self) -> Response {
        let (status, tag) = status_and_tag(&self.0);
        metrics::CAPTURE_REFUSED.with(tag).add(1);
        tracing::debug!(code = tag, "Refused a request of an SDK");
        let body = json!({"error": tag, "error_description": self.0.to_string(), "error_uri": ""});
        let mut response = (status, Json(body)).into_response();
        let wait = match &self.0 {
            V1Error::Capture(error @ CaptureError::TooMany { .. }) => retry_after_seconds(error),
            _ => status.is_server_error().then_some(1),
        };
        if let Some(seconds) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
