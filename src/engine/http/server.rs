//! Accepts connections until told to stop, then lets running requests end.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::pool::Engine;
use super::auth::Access;
use super::service::{Context, handle};

/// For a request's head, and for an idle connection's next one: as long as the engine's server gives.
/// Bodies may take as long as their rows take to make.
const HEADER_DEADLINE: Duration = Duration::from_secs(30);
/// After a failed accept, typically for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The HTTP server over all listeners of the engine process.
pub struct Server {
    engine: Arc<Engine>,
    shutdown: CancellationToken,
    abort: CancellationToken,
    tracker: TaskTracker,
}

impl Server {
    /// Once `shutdown` is cancelled, no connection is accepted and idle ones are closed.
    pub fn new(engine: Arc<Engine>, shutdown: CancellationToken) -> Self {
        Self { engine, shutdown, abort: CancellationToken::new(), tracker: TaskTracker::new() }
    }

    /// Serves a Unix socket: whoever can connect may ask.
    pub fn serve_unix(&self, listener: UnixListener) {
        let server = self.connections(Access::Open);
        let shutdown = self.shutdown.clone();
        self.tracker.spawn(async move {
            while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
                match accepted {
                    Ok((stream, _)) => server.serve(stream),
                    Err(error) => pause(&error).await,
                }
            }
        });
    }

    /// Serves a TCP address to those who pass `access`.
    pub fn serve_tcp(&self, listener: TcpListener, access: Access) {
        let server = self.connections(access);
        let shutdown = self.shutdown.clone();
        self.tracker.spawn(async move {
            while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
                match accepted {
                    Ok((stream, _)) => {
                        // Small answers go out at once.
                        let _ = stream.set_nodelay(true);
                        server.serve(stream);
                    }
                    Err(error) => pause(&error).await,
                }
            }
        });
    }

    /// Waits until no connection, request or statement is left. Call after `shutdown` was cancelled.
    pub async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Breaks the connections that are left; their statements are cancelled.
    pub fn abort(&self) {
        self.abort.cancel();
    }

    fn connections(&self, access: Access) -> Connections {
        let context = Context { engine: Arc::clone(&self.engine), access, tracker: self.tracker.clone() };
        Connections { context, shutdown: self.shutdown.clone(), abort: self.abort.clone() }
    }
}

async fn pause(error: &std::io::Error) {
    tracing::warn!(%error, "could not accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

struct Connections {
    context: Context,
    shutdown: CancellationToken,
    abort: CancellationToken,
}

impl Connections {
    fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let context = self.context.clone();
        let (shutdown, abort) = (self.shutdown.clone(), self.abort.clone());
        let service = service_fn(move |request| handle(context.clone(), request));
        self.context.tracker.spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_DEADLINE)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let outcome = tokio::select! {
                outcome = connection.as_mut() => Some(outcome),
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    abort.run_until_cancelled(connection).await
                }
            };
            if let Some(Err(error)) = outcome {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}
