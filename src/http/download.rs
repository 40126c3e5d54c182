//! Files that are sent while they are written.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::privacy::Export;

impl IntoResponse for Export {
    /// Breaks off if a store fails, so that half a file is not taken for a whole one.
    fn into_response(self) -> Response {
        let mut pieces = self.write();
        // Whatever compresses it asks once more after the end.
        let pieces = stream::poll_fn(move |context| pieces.poll_recv(context));
        let headers = [
            (header::CONTENT_TYPE, "application/zip"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"person.zip\""),
        ];
        (headers, Body::from_stream(pieces)).into_response()
    }
}
