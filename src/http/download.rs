//! Files that are sent while they are written.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::privacy::Export;

impl IntoResponse for Export {
    /// Breaks off if a store fails, so that half a file is not taken for a whole one.
    fn into_response(self) -> Response {
        let pieces =
            stream::unfold(self.write(), |mut pieces| async { pieces.recv().await.map(|piece| (piece, pieces)) });
        let headers = [
            (header::CONTENT_TYPE, "application/zip"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"person.zip\""),
        ];
        (headers, Body::from_stream(pieces)).into_response()
    }
}
