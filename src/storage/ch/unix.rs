//! HTTP over a Unix socket, for the embedded engine.

use std::future::Future;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// Connects to one socket, whatever host a request names.
#[derive(Debug, Clone)]
pub struct UnixConnector {
    socket: Arc<PathBuf>,
}

impl UnixConnector {
    /// A connector to the socket at this path; it need not exist yet.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket: Arc::new(socket) }
    }
}

impl tower::Service<Uri> for UnixConnector {
    type Response = TokioIo<UnixConnection>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = Arc::clone(&self.socket);
        Box::pin(async move { Ok(TokioIo::new(UnixConnection(UnixStream::connect(socket.as_path()).await?))) })
    }
}

/// A connected socket, as hyper's client wants it.
#[derive(Debug)]
pub struct UnixConnection(UnixStream);

impl Connection for UnixConnection {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for UnixConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for UnixConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    /// Were it not, hyper would copy each block behind the head of its request, and keep memory for the largest.
    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_head_and_a_body_go_out_together_uncopied() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        let mut ours = UnixConnection(ours);
        assert!(ours.is_write_vectored());
        let parts = [IoSlice::new(b"head "), IoSlice::new(b"body")];
        assert_eq!(ours.write_vectored(&parts).await.expect("the other end is there"), 9);
        drop(ours);
        let mut read = String::new();
        theirs.read_to_string(&mut read).await.expect("all of it");
        assert_eq!(read, "head body");
    }
}
