//! The accept loop.
//!
//! Q: why not `axum::serve`? It sets no timer, so a client that sends its head a byte a minute holds a connection for
//! ever. And hyper's own timer cannot tell a slow head (10 s) from a connection that rests between requests (60 s).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::pace::{Pace, Paced};
use super::peers::Peers;
use crate::telemetry::metrics;

/// How much a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Connections open at once; more wait in the system's queue.
    pub connections: usize,
    /// Connections open at once from one address; more are closed.
    pub connections_per_ip: usize,
    /// From a connection's or a request's first byte to the end of its head.
    pub head_within: Duration,
    /// Between requests.
    pub idle_within: Duration,
    /// While we have an answer to write and the other side does not read.
    pub stalled_within: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_ip: 2048,
            head_within: Duration::from_secs(10),
            idle_within: Duration::from_secs(60),
            stalled_within: Duration::from_secs(60),
        }
    }
}

/// Largest head of a request, and how much of a body is read ahead.
const BUFFER_MAX_BYTES: usize = 64 << 10;

/// Serves until `stop`; then takes no more connections and returns when the requests in flight are answered, or after
/// `answer_within`. The other side's address is in the request's extensions as [`ConnectInfo`]. Trusted proxies may open as
/// many connections as there are.
pub async fn serve_connections(
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
    answer_within: Duration,
    limits: ConnectionLimits,
    trusted_proxies: Vec<IpNet>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let peers = Peers::new(limits.connections_per_ip, trusted_proxies);
    let connections = TaskTracker::new();
    let end_now = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let Some(counted) = peers.enter(peer.ip()) else {
            metrics::HTTP_CONNECTIONS_REFUSED.add(1);
            continue;
        };
        let connection = serve_connection(stream, peer, routes.clone(), limits, stop.clone());
        let end_now = end_now.clone();
        connections.spawn(async move {
            metrics::HTTP_CONNECTIONS.add(1);
            tokio::select! {
                () = connection => {}
                () = end_now.cancelled() => {}
            }
            metrics::HTTP_CONNECTIONS.add(-1);
            drop((place, counted));
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(answer_within, connections.wait()).await.is_err() {
        tracing::warn!("{} requests were not answered within {answer_within:?}", connections.len());
        end_now.cancel();
        connections.wait().await;
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.expect("nobody closes the semaphore");
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are written whole; waiting for more to send with them would only delay them.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(e) => {
            // A connection that ended before we took it is nothing; no more file handles is, and waiting may help.
            tracing::debug!("could not accept a connection: {e}");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    limits: ConnectionLimits,
    stop: CancellationToken,
) {
    let pace = Arc::new(Pace::new(limits));
    let io = TokioIo::new(Paced::new(stream, Arc::clone(&pace)));
    let answering = Arc::clone(&pace);
    let service = service_fn(move |request| answer(request, peer, routes.clone(), Arc::clone(&answering)));
    let connection = http1::Builder::new().max_buf_size(BUFFER_MAX_BYTES).serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(e) = result {
                    tracing::debug!("a connection ended early: {e}");
                }
                return;
            }
            part = pace.too_slow() => {
                metrics::HTTP_TIMEOUTS.with(part).add(1);
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    routes: Router,
    pace: Arc<Pace>,
) -> Result<Response, Infallible> {
    let started = Instant::now();
    let busy = Busy::new(pace);
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = routes.oneshot(request).await?;
    metrics::HTTP_SECONDS.record(started.elapsed());
    metrics::HTTP_RESPONSES.with(class(response.status())).add(1);
    Ok(response.map(|body| Body::new(WithBusy { body, _busy: busy })))
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}

/// From a request's head to the end of its answer the connection is busy: no limit of ours runs but that on a stall.
struct Busy(Arc<Pace>);

impl Busy {
    fn new(pace: Arc<Pace>) -> Self {
        pace.begin_request();
        Self(pace)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.end_request();
    }
}

/// A body that keeps its connection busy until it is dropped.
struct WithBusy {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for WithBusy {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}
