//! What the browser SDK asks when a page loads: which parts of it to switch on (PROTOCOL §4.6).
//!
//! Every key that the SDK reads stands here, because an absent one has a meaning of its own: without `autocapture_opt_out` a
//! new visitor is not autocaptured, without `sessionRecording` the recorder waits for ever, and `surveys: false` costs every
//! page a script, so that key is left out until there are surveys.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::capture::Refused;
use crate::http::{AppState, assets};
use crate::ingest::CaptureError;
use crate::model::ProjectApiKey;

/// Browsers may keep a project's configuration for so long.
const CACHE: &str = "public, max-age=120";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The configuration of a project, the same for all of them until there is something to configure.
///
/// `hasFeatureFlags` is true although there are none: with false the SDK never calls those who wait for flags.
#[must_use]
pub fn remote_config(key: &ProjectApiKey) -> Map<String, Value> {
    let config = json!({
        "token": key.as_str(),
        "supportedCompression": ["gzip", "gzip-js"],
        "hasFeatureFlags": true,
        // Relative, so that it works behind whatever prefix the page reaches us by.
        "analytics": {"endpoint": "/i/v0/e/"},
        "autocapture_opt_out": false,
        "elementsChainAsString": true,
        "captureDeadClicks": false,
        "heatmaps": false,
        "capturePerformance": false,
        "autocaptureExceptions": false,
        "errorTracking": {"autocaptureExceptions": false, "captureExtensionExceptions": false, "suppressionRules": []},
        "logs": {"captureConsoleLogs": false},
        "defaultIdentifiedOnly": true,
        "sessionRecording": false,
        "productTours": false,
        "conversations": false,
        "siteApps": [],
        "toolbarParams": {},
        "isAuthenticated": false,
    });
    match config {
        Value::Object(config) => config,
        _ => unreachable!("it was written as an object"),
    }
}

/// `GET /array/{key}/config`.
pub async fn as_json(State(state): State<AppState>, Path(key): Path<String>) -> Result<Response, Refused> {
    let key = known(&state, &key).await?;
    Ok(([(header::CACHE_CONTROL, CACHE)], Json(remote_config(&key))).into_response())
}

/// `GET /array/{key}/config.js`: the same as a script, which the SDK tries first.
pub async fn as_script(State(state): State<AppState>, Path(key): Path<String>) -> Result<Response, Refused> {
    let key = known(&state, &key).await?;
    Ok(([(header::CONTENT_TYPE, SCRIPT), (header::CACHE_CONTROL, CACHE)], script(&key)).into_response())
}

/// `GET /array/{key}/array.js`: the SDK's bundle behind its configuration.
pub async fn with_bundle(State(state): State<AppState>, Path(key): Path<String>) -> Result<Response, Refused> {
    let key = known(&state, &key).await?;
    let Some(bundle) = assets::sdk("array") else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let text = [script(&key).as_bytes(), b"\n", &bundle.text()].concat();
    Ok(([(header::CONTENT_TYPE, SCRIPT), (header::CACHE_CONTROL, CACHE)], text).into_response())
}

/// While it cannot be known whether a project has the key, the browser gets the configuration: it is no secret, and a page
/// that loads meanwhile would miss its events for good.
async fn known(state: &AppState, key: &str) -> Result<ProjectApiKey, CaptureError> {
    let key: ProjectApiKey = key.parse()?;
    match state.door().find_project(&key).await {
        Ok(_) | Err(CaptureError::Unavailable) => Ok(key),
        Err(e) => Err(e),
    }
}

fn script(key: &ProjectApiKey) -> String {
    // In a script, `<` could end the element it stands in, should somebody inline it.
    let inert = |value: Value| value.to_string().replace('<', "\\u003c");
    let config = inert(Value::Object(remote_config(key)));
    let key = inert(key.as_str().into());
    format!(
        "(function(){{var all=window._POSTHOG_REMOTE_CONFIG=window._POSTHOG_REMOTE_CONFIG||{{}};\
         all[{key}]={{config:{config},siteApps:[]}};}})();\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_break_out_of_the_script() {
        let key = "\"]</script><script>".parse().expect("printable letters make a key");
        let script = script(&key);
        assert!(!script.contains('<') && script.contains(r#"all["\"]\u003c/script>\u003cscript>"]"#), "{script}");
    }

    #[test]
    fn the_keys_that_must_exist_do() {
        let config = remote_config(&"phc_1".parse().expect("a key"));
        assert_eq!(config["autocapture_opt_out"], false);
        assert_eq!(config["sessionRecording"], false);
        assert!(config["supportedCompression"].as_array().is_some_and(|c| c.contains(&"gzip-js".into())));
        assert!(!config.contains_key("surveys"));
    }
}
