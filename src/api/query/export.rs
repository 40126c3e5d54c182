//! All rows of a question, as a file.

use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

use super::run::QueryIn;
use crate::api::projects::Body;
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause};
use crate::insights::running::Lane;
use crate::insights::sql::export_csv;
use crate::insights::{InsightError, QueryContext};

/// `POST /api/projects/{project}/query/export.csv`: a `HogQLQuery` as CSV, as its rows come and however many they are.
/// A failure on the way breaks the connection, so that half a file is not taken for a whole one.
pub async fn export(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Body(body): Body<QueryIn>,
) -> Result<Response, ApiError> {
    let query = body.question()?;
    let kind = query.get("kind").and_then(|kind| kind.as_str());
    if kind != Some("HogQLQuery") {
        return Err(Cause::invalid("query.kind", "A HogQLQuery can be exported as CSV.").into());
    }
    let place = state.running().queue().enter(access.project.id, Lane::Machine).await.map_err(InsightError::from)?;
    let settings = state.pg.get_project_settings(access.project.id).await?;
    let context = QueryContext {
        ch: &state.ch,
        pg: &state.pg,
        clock: &state.clock,
        project: &access.project,
        settings: &settings,
    };
    let (columns, mut rows) = export_csv(context, &query).await?;
    // The first piece is awaited: a question that is refused is an answer of its own, not half a file.
    let first = rows.next().await.map_err(|error| crate::insights::sql::sql_error(error, "query"))?;
    let head: Vec<String> = columns.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    let start = [Some(Bytes::from(format!("{}\r\n", head.join(",")))), first].into_iter().flatten().map(Ok);
    // Its place is free when the last row is sent, or the reader goes.
    let rest = stream::unfold(Some((rows, place)), async |rows| {
        let (mut rows, place) = rows?;
        match rows.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some((rows, place)))),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "An export broke off");
                Some((Err(std::io::Error::other("the export broke off")), None))
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"export.csv\""),
    ];
    let body = futures_util::StreamExt::chain(stream::iter(start), rest);
    Ok((headers, HttpBody::from_stream(body)).into_response())
}
