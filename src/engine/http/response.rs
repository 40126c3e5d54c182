//! The answer: its head, its body as it is made, and what a failure looks like before and after the
//! head is sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;
use tokio_util::task::TaskTracker;

use super::super::error::EngineError;
use super::super::ffi::Counters;
use super::super::pool::Engine;
use super::compression::{Encoder, Encoding};
use super::formats::content_type;
use super::status::status;

/// Between the text of a late exception and the break of the connection: time to send the text.
const BREAK_DELAY: Duration = Duration::from_millis(50);
const TAG_CHARS: usize = 16;

/// The client closed its connection: there is nobody to answer.
#[derive(Debug, thiserror::Error)]
#[error("the client closed its connection")]
pub struct ClientGone;

/// What the request's thread sends before the body.
pub struct Head {
    pub format: String,
    pub summary: String,
}

/// What it sends as the body.
pub enum Piece {
    Data(Bytes),
    End,
    /// A failure behind the head. Its text was sent; the response must not look complete.
    Broken,
}

/// The blocking end of a response.
pub struct ResponseWriter {
    head: Option<oneshot::Sender<Result<Head, EngineError>>>,
    body: mpsc::Sender<Piece>,
    encoder: Option<Encoder>,
    /// Marks the text of a late exception, so that no result can imitate one.
    exception_tag: String,
    version: String,
}

impl ResponseWriter {
    pub fn new(
        head: oneshot::Sender<Result<Head, EngineError>>,
        body: mpsc::Sender<Piece>,
        encoding: Encoding,
        exception_tag: &str,
        version: &str,
    ) -> Self {
        Self {
            head: Some(head),
            body,
            encoder: Some(Encoder::new(encoding)),
            exception_tag: exception_tag.to_owned(),
            version: version.to_owned(),
        }
    }

    /// Whether the status was sent: nothing can be run anew from then on.
    pub fn is_begun(&self) -> bool {
        self.head.is_none()
    }

    /// Whether there still is somebody to answer.
    pub fn is_wanted(&self) -> bool {
        self.head.as_ref().is_none_or(|head| !head.is_closed())
    }

    /// Sends the status and headers of a success.
    pub fn begin(&mut self, format: &str, counters: Counters, elapsed: Duration) -> Result<(), ClientGone> {
        let head = self.head.take().expect("a response begins once");
        head.send(Ok(Head { format: format.to_owned(), summary: summary(counters, elapsed) })).map_err(|_| ClientGone)
    }

    /// Sends a piece of the body; waits while the client is behind.
    pub fn write(&mut self, data: &[u8]) -> Result<(), ClientGone> {
        let encoder = self.encoder.as_mut().expect("no piece follows the end");
        let encoded = encoder.encode(data).expect("a Vec takes all bytes");
        self.send(encoded)
    }

    /// Ends the response, with an exception if there was one.
    pub fn end(mut self, error: Option<EngineError>) -> Result<(), ClientGone> {
        let Some(error) = error else {
            let rest = self.encoder.take().expect("ended once").finish().expect("a Vec takes all bytes");
            self.send(rest)?;
            return self.body.blocking_send(Piece::End).map_err(|_| ClientGone);
        };
        if let Some(head) = self.head.take() {
            return head.send(Err(error)).map_err(|_| ClientGone);
        }
        let message = format!("{}\n", error.with_version(&self.version));
        let tag = &self.exception_tag;
        let text = format!("\r\n__exception__\r\n{tag}\r\n{message}{} {tag}\r\n__exception__\r\n", message.len());
        self.write(text.as_bytes())?;
        self.body.blocking_send(Piece::Broken).map_err(|_| ClientGone)
    }

    fn send(&self, data: Vec<u8>) -> Result<(), ClientGone> {
        if data.is_empty() {
            return Ok(());
        }
        self.body.blocking_send(Piece::Data(data.into())).map_err(|_| ClientGone)
    }
}

/// The counters a client may read from `X-ClickHouse-Summary`; a streamed result's are those of its
/// first piece.
fn summary(counters: Counters, elapsed: Duration) -> String {
    let Counters { read_rows, read_bytes, written_rows, written_bytes, result_rows, result_bytes } = counters;
    let elapsed_ns = elapsed.as_nanos();
    format!(
        r#"{{"read_rows":"{read_rows}","read_bytes":"{read_bytes}","written_rows":"{written_rows}","written_bytes":"{written_bytes}","total_rows_to_read":"0","result_rows":"{result_rows}","result_bytes":"{result_bytes}","elapsed_ns":"{elapsed_ns}"}}"#
    )
}

/// A tag no result can contain by foresight.
pub fn exception_tag() -> String {
    let id = uuid::Uuid::new_v4();
    id.as_bytes().iter().take(TAG_CHARS).map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// The headers every answer has.
pub struct Common<'a> {
    pub engine: &'a Engine,
    pub query_id: &'a str,
}

impl Common<'_> {
    fn apply(&self, headers: &mut HeaderMap) {
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("x-clickhouse-query-id", self.query_id);
        set("x-clickhouse-server-display-name", "tenrec-engine");
        set("x-clickhouse-timezone", self.engine.timezone());
    }

    /// A success whose body is on its way.
    pub fn success(
        &self,
        head: &Head,
        encoding: Encoding,
        exception_tag: &str,
        body: ResponseBody,
    ) -> Response<ResponseBody> {
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        self.apply(headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(&head.format)));
        if let Some(name) = encoding.name() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        for (name, value) in [("x-clickhouse-format", &head.format), ("x-clickhouse-summary", &head.summary)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        if let Ok(tag) = HeaderValue::from_str(exception_tag) {
            headers.insert("x-clickhouse-exception-tag", tag);
        }
        response
    }

    /// A failure before anything was sent.
    pub fn failure(&self, error: &EngineError) -> Response<ResponseBody> {
        let text = format!("{}\n", error.with_version(self.engine.version()));
        let mut response = plain(status(error), text);
        self.apply(response.headers_mut());
        response.headers_mut().insert("x-clickhouse-exception-code", error.code().into());
        response
    }
}

/// A short text.
pub fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody { state: State::Text(Some(text.into())), cancel: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    response
}

/// A response's body, as hyper takes it. Dropped before its end, it cancels the statement.
pub struct ResponseBody {
    state: State,
    cancel: Option<CancelOnDrop>,
}

enum State {
    Text(Option<Bytes>),
    Pieces(mpsc::Receiver<Piece>),
    Breaking(Pin<Box<Sleep>>),
    Ended,
}

impl ResponseBody {
    pub fn new(pieces: mpsc::Receiver<Piece>, cancel: CancelOnDrop) -> Self {
        Self { state: State::Pieces(pieces), cancel: Some(cancel) }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            match &mut self.state {
                State::Text(text) => {
                    let text = text.take();
                    self.state = State::Ended;
                    return Poll::Ready(text.map(|text| Ok(Frame::data(text))));
                }
                State::Pieces(pieces) => match ready!(pieces.poll_recv(context)) {
                    Some(Piece::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Some(Piece::End) => self.finish(),
                    Some(Piece::Broken) => self.state = State::Breaking(Box::pin(tokio::time::sleep(BREAK_DELAY))),
                    // The thread died: what was sent is not the whole.
                    None => {
                        self.state = State::Ended;
                        return Poll::Ready(Some(Err(io::Error::other("the request's thread ended early"))));
                    }
                },
                State::Breaking(delay) => {
                    ready!(delay.as_mut().poll(context));
                    self.finish();
                    return Poll::Ready(Some(Err(io::Error::other("the statement failed after its result began"))));
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended | State::Text(None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match &self.state {
            State::Text(Some(text)) => hyper::body::SizeHint::with_exact(text.len() as u64),
            State::Text(None) | State::Ended => hyper::body::SizeHint::with_exact(0),
            State::Pieces(_) | State::Breaking(_) => hyper::body::SizeHint::default(),
        }
    }
}

impl ResponseBody {
    fn finish(&mut self) {
        self.state = State::Ended;
        if let Some(cancel) = self.cancel.take() {
            cancel.disarm();
        }
    }
}

/// Cancels a statement when its client goes away: dropped with the request or its response body.
pub struct CancelOnDrop {
    armed: Option<(Arc<Engine>, TaskTracker, String)>,
    ended: Arc<AtomicBool>,
}

/// Before each try to cancel a statement: it may not have begun when its client went, and takes a while to end.
const CANCEL_PAUSES_MS: [u64; 8] = [0, 20, 50, 100, 250, 500, 1_000, 2_000];

impl CancelOnDrop {
    pub fn new(engine: Arc<Engine>, tracker: TaskTracker, tag: String) -> Self {
        Self { armed: Some((engine, tracker, tag)), ended: Arc::default() }
    }

    /// Where the request's thread says that the statement has ended.
    pub fn ended(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ended)
    }

    /// The statement has ended.
    pub fn disarm(mut self) {
        self.armed = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some((engine, tracker, tag)) = self.armed.take() else { return };
        let ended = Arc::clone(&self.ended);
        let kills = tracker.clone();
        tracker.spawn(async move {
            for pause in CANCEL_PAUSES_MS {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let (engine, tag) = (Arc::clone(&engine), tag.clone());
                if let Ok(Err(error)) = kills.spawn_blocking(move || engine.cancel(&tag)).await {
                    tracing::warn!(%error, "could not cancel a statement whose client is gone");
                }
            }
        });
    }
}
