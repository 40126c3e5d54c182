//! posthog-js itself, from our own address (PROTOCOL §4.7).
//!
//! The SDK asks for its parts under its own version first, then without. There is one version here, so both are the same file;
//! only under its own version may a browser keep it for long.

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::assets;

const AN_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// `GET /static/{file}`, such as `/static/array.js` in the snippet.
pub async fn newest(Path(file): Path<String>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let asked = query.as_deref().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("v=")));
    bundle(&file, asked, &headers)
}

/// `GET /static/{version}/{file}`.
pub async fn of_version(Path((version, file)): Path<(String, String)>, headers: HeaderMap) -> Response {
    bundle(&file, Some(&version), &headers)
}

fn bundle(file: &str, version: Option<&str>, headers: &HeaderMap) -> Response {
    let Some(asset) = file.strip_suffix(".js").and_then(assets::sdk) else {
        return (StatusCode::NOT_FOUND, "no such script\n").into_response();
    };
    let mut response = asset.response(headers);
    let lifetime = if version == Some(assets::sdk_version()) { FOR_EVER } else { AN_HOUR };
    response.headers_mut().insert(header::CACHE_CONTROL, lifetime);
    response
}
