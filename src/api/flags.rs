//! `/flags/` and `/decide/`: what SDKs ask for feature flags (PROTOCOL §4.1).
//!
//! No flag can be defined yet, so every answer is the valid empty one, in the shape of the asking SDK's generation. The
//! evaluation will stand between reading the request and shaping the answer.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::capture::{Refused, SdkRequest};
use super::remote_config::remote_config;
use crate::http::{ApiUser, AppState};
use crate::ingest::parse::key_of;
use crate::ingest::{CaptureError, CaptureRequest};
use crate::model::ProjectApiKey;

/// `POST /flags/`.
pub async fn evaluate(State(state): State<AppState>, SdkRequest(request): SdkRequest) -> Result<Response, Refused> {
    let wants_config = parameter(&request, "config").as_deref() == Some("true");
    let version = version(&request);
    let key = asking_project(&state, request).await?;
    let mut answer = if version < 2 { featureless_v1() } else { featureless_v2() };
    answer.insert("requestId".to_owned(), state.clock.new_uuid().to_string().into());
    answer.insert("evaluatedAt".to_owned(), state.clock.now().as_millisecond().into());
    if wants_config {
        answer.extend(remote_config(&key));
    }
    Ok(Json(answer).into_response())
}

/// `GET /flags/`: names nobody, so there is nothing to evaluate.
pub async fn evaluate_nobody(State(state): State<AppState>) -> Response {
    let mut answer = featureless_v2();
    answer.insert("requestId".to_owned(), state.clock.new_uuid().to_string().into());
    Json(answer).into_response()
}

/// `POST /decide/`: flags and configuration in one answer, for browser SDKs of 2020 to 2025.
pub async fn decide(State(state): State<AppState>, SdkRequest(request): SdkRequest) -> Result<Response, Refused> {
    let version = version(&request);
    let key = asking_project(&state, request).await?;
    let mut answer = remote_config(&key);
    answer.extend(decide_extras());
    answer.extend(match version {
        0 | 1 => Map::from_iter([("featureFlags".to_owned(), json!([]))]),
        2 => Map::from_iter([("featureFlags".to_owned(), json!({}))]),
        3 => featureless_v1(),
        _ => featureless_v2(),
    });
    Ok(Json(answer).into_response())
}

/// `GET /decide/`: the first browser SDK asks without a key, for configuration only.
pub async fn decide_nobody() -> Response {
    let mut answer = decide_extras();
    answer.insert("supportedCompression".to_owned(), json!(["gzip", "gzip-js"]));
    answer.insert("featureFlags".to_owned(), json!([]));
    answer.insert("sessionRecording".to_owned(), json!(false));
    Json(answer).into_response()
}

/// `GET /flags/definitions` and its older address: what server SDKs evaluate by themselves. For holders of a personal API
/// key only, since targeting rules are nobody else's business.
pub async fn definitions(_: ApiUser) -> Response {
    Json(json!({"flags": [], "group_type_mapping": {}, "cohorts": {}})).into_response()
}

/// Reads who asks. A project that is not known is refused as by capture.
async fn asking_project(state: &AppState, request: CaptureRequest) -> Result<ProjectApiKey, CaptureError> {
    let Value::Object(mut fields) = state.door().read_json(request).await? else { return Err(CaptureError::NotEvents) };
    let key = key_of(&mut fields)?;
    state.door().find_project(&key).await?;
    Ok(key)
}

fn featureless_v1() -> Map<String, Value> {
    Map::from_iter([
        ("featureFlags".to_owned(), json!({})),
        ("featureFlagPayloads".to_owned(), json!({})),
        ("errorsWhileComputingFlags".to_owned(), json!(false)),
    ])
}

/// Also what version 4 would be: its records differ, and there are none.
fn featureless_v2() -> Map<String, Value> {
    Map::from_iter([("flags".to_owned(), json!({})), ("errorsWhileComputingFlags".to_owned(), json!(false))])
}

fn decide_extras() -> Map<String, Value> {
    Map::from_iter([
        ("config".to_owned(), json!({"enable_collect_everything": true})),
        ("editorParams".to_owned(), json!({})),
    ])
}

fn version(request: &CaptureRequest) -> u32 {
    parameter(request, "v").and_then(|v| v.parse().ok()).unwrap_or(1)
}

fn parameter(request: &CaptureRequest, name: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&request.query).ok()?;
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}
