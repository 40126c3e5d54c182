//! The front end and the SDK bundles, built into `dist/` by `npm run assets` and embedded in the binary.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::RustEmbed;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/dist"]
#[allow_missing = true]
struct Dist;

#[derive(Debug, Default, Deserialize)]
struct Manifest {
    assets: BTreeMap<String, String>,
    sdk: SdkManifest,
}

#[derive(Debug, Default, Deserialize)]
struct SdkManifest {
    version: String,
}

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    Dist::get("assets.json").and_then(|file| serde_json::from_slice(&file.data).ok()).unwrap_or_default()
});

/// A file of the front end, gzipped.
#[derive(Debug)]
pub struct Asset {
    gzipped: Cow<'static, [u8]>,
    content_type: &'static str,
}

/// The path of an asset under its name with the content hash: `asset("app.css")` is `/assets/app-0123456789.css`.
///
/// An unknown name keeps its own, so that the page asks for it, gets 404 and the browser tests see it.
#[must_use]
pub fn asset(name: &str) -> String {
    format!("/assets/{}", MANIFEST.assets.get(name).map_or(name, String::as_str))
}

/// A bundle of posthog-js, such as `array` or `lazy-recorder`.
#[must_use]
pub fn sdk(name: &str) -> Option<Asset> {
    let file = Dist::get(&format!("sdk/{name}.js.gz"))?;
    Some(Asset { gzipped: file.data, content_type: "text/javascript; charset=utf-8" })
}

/// The version of posthog-js whose bundles are embedded; empty if the front end was not built.
#[must_use]
pub fn sdk_version() -> &'static str {
    &MANIFEST.sdk.version
}

/// `GET /assets/{name}`: immutable, because the name holds the content's hash.
pub async fn get(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(file) = Dist::get(&format!("assets/{name}.gz")) else {
        return (StatusCode::NOT_FOUND, "no such asset").into_response();
    };
    let content_type = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    let mut response = Asset { gzipped: file.data, content_type }.response(&headers);
    let immutable = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, immutable);
    response
}

impl Asset {
    /// The file as an answer to a request with these headers: gzipped if the client takes that, 304 if it has it already.
    #[must_use]
    pub fn response(self, request: &HeaderMap) -> Response {
        let digest = Sha256::digest(&self.gzipped);
        let tag = format!("\"{}\"", digest[..8].iter().map(|b| format!("{b:02x}")).collect::<String>());
        let names = |name, token: &str| {
            request.get(name).and_then(|v: &HeaderValue| v.to_str().ok()).is_some_and(|v| v.contains(token))
        };
        let known = names(header::IF_NONE_MATCH, &tag);
        let common = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.content_type)),
            (header::ETAG, HeaderValue::from_str(&tag).expect("hex digits make a header")),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        if known {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        if names(header::ACCEPT_ENCODING, "gzip") {
            let encoding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
            return (common, encoding, self.gzipped.into_owned()).into_response();
        }
        (common, self.text()).into_response()
    }

    /// The file as it was before gzip.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut unpack = flate2::read::GzDecoder::new(&*self.gzipped);
        unpack.read_to_end(&mut text).expect("the build gzipped it");
        text
    }
}
