//! Answers one request.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::super::error::EngineError;
use super::super::pool::{Engine, SessionSetup};
use super::auth::Access;
use super::execution::{Failure, Job, execute};
use super::multipart;
use super::request::{BodyChunk, BodyReader, Parameters, content_encoding};
use super::response::{CancelOnDrop, ClientGone, Common, ResponseBody, ResponseWriter, exception_tag, plain};

/// Chunks of a body, or pieces of a result, that wait for their reader.
const QUEUED_CHUNKS: usize = 4;
/// A form holds a statement and its parameters, no rows.
const MAX_FORM_BYTES: usize = 64 << 20;

/// What every request of a listener needs.
#[derive(Clone)]
pub struct Context {
    pub engine: Arc<Engine>,
    pub access: Access,
    pub tracker: TaskTracker,
}

/// Routes a request; never fails, as errors are answers.
pub async fn handle(context: Context, request: Request<Incoming>) -> Result<Response<ResponseBody>, Infallible> {
    let is_reading = request.method() == Method::GET || request.method() == Method::HEAD;
    Ok(match request.uri().path() {
        "/ping" | "/replicas_status" if is_reading => plain(StatusCode::OK, "Ok.\n"),
        "/" if is_reading && request.uri().query().is_none_or(str::is_empty) => plain(StatusCode::OK, "Ok.\n"),
        "/" if request.method() == Method::GET || request.method() == Method::POST => query(context, request).await,
        "/" => plain(StatusCode::NOT_IMPLEMENTED, "Only GET and POST are answered here.\n"),
        path => plain(
            StatusCode::NOT_FOUND,
            format!("There is no handle {path}\nUse / for queries, /ping for a health check.\n"),
        ),
    })
}

async fn query(context: Context, request: Request<Incoming>) -> Response<ResponseBody> {
    let mut query_id = uuid::Uuid::new_v4().to_string();
    match try_query(&context, request, &mut query_id).await {
        Ok(response) => response,
        Err(error) => {
            tracing::debug!(query_id, %error, "a query failed");
            Common { engine: &context.engine, query_id: &query_id }.failure(&error)
        }
    }
}

async fn try_query(
    context: &Context,
    request: Request<Incoming>,
    query_id: &mut String,
) -> Result<Response<ResponseBody>, EngineError> {
    let (parts, body) = request.into_parts();
    let mut parameters = Parameters::new(&parts.method, parts.uri.query().unwrap_or_default(), &parts.headers)?;
    // Before the body is read: strangers are not listened to.
    context.access.check(&parts.headers, parameters.user.as_deref(), parameters.password.as_deref())?;

    let boundary = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(multipart::boundary);
    let reader = match boundary {
        Some(boundary) => {
            let form = Limited::new(body, MAX_FORM_BYTES).collect().await;
            let form =
                form.map_err(|error| EngineError::bad_arguments(&format!("Cannot read the form: {error}")))?.to_bytes();
            parameters.add(multipart::fields(&form, boundary)?)?;
            BodyReader::empty()
        }
        None => feed(&context.tracker, body),
    };
    let mut tag = query_id.clone();
    if let Some(id) = parameters.query_id.take() {
        // The library gives statements ids of its own: the client's stands in front of the tag, where it can be found.
        tag.insert_str(0, &format!("{id} "));
        *query_id = id;
    }
    let encoding = parameters.encoding(&parts.headers);
    let job = Job {
        setup: SessionSetup {
            database: parameters.database.filter(|name| !name.is_empty()),
            settings: parameters.settings,
            tag: tag.clone(),
            is_read_only: parameters.is_read_only,
        },
        query: parameters.query,
        body: reader,
        content_encoding: content_encoding(&parts.headers),
        is_body_native: parameters.is_body_native,
        params: parameters.params,
        default_format: parameters.default_format.filter(|format| !format.is_empty()),
        is_whole: parameters.is_whole,
    };

    let slot = Arc::clone(context.engine.slots()).acquire_owned().await.expect("the semaphore is never closed");
    let exception_tag = exception_tag();
    let (head_sender, head) = oneshot::channel();
    let (piece_sender, pieces) = mpsc::channel(QUEUED_CHUNKS);
    let mut writer = ResponseWriter::new(head_sender, piece_sender, encoding, &exception_tag, context.engine.version());
    let cancel = CancelOnDrop::new(Arc::clone(&context.engine), context.tracker.clone(), tag);
    let engine = Arc::clone(&context.engine);
    let ended = cancel.ended();
    context.tracker.spawn_blocking(move || {
        let outcome = if writer.is_wanted() { execute(&engine, job, &mut writer) } else { Err(ClientGone.into()) };
        ended.store(true, Ordering::Release);
        drop(slot);
        let error = match outcome {
            Ok(()) => None,
            Err(Failure::Engine(error)) => Some(error),
            Err(Failure::ClientGone(gone)) => return tracing::debug!("{gone}"),
        };
        if let Err(gone) = writer.end(error) {
            tracing::debug!("{gone}");
        }
    });
    match head.await {
        Ok(Ok(head)) => {
            let body = ResponseBody::new(pieces, cancel);
            Ok(Common { engine: &context.engine, query_id }.success(&head, encoding, &exception_tag, body))
        }
        Ok(Err(error)) => {
            cancel.disarm();
            Err(error)
        }
        Err(_) => Err(EngineError::no_answer()),
    }
}

/// Hands a body's chunks to the request's thread. Reads on when that thread needs no more: a client
/// that still sends would not see its answer otherwise.
fn feed(tracker: &TaskTracker, mut body: Incoming) -> BodyReader {
    let (sender, receiver) = mpsc::channel(QUEUED_CHUNKS);
    tracker.spawn(async move {
        while let Some(frame) = body.frame().await {
            // Without an end marker the reader sees a broken body.
            let Ok(frame) = frame else { return };
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                let _ = sender.send(BodyChunk::Data(Bytes::clone(&data))).await;
            }
        }
        let _ = sender.send(BodyChunk::End).await;
    });
    BodyReader::new(receiver)
}
