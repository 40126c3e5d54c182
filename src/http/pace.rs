//! How slow the other side of a connection may be.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::serve::ConnectionLimits;

/// What a connection is doing and since when. Nothing ticks: a timer is set only for the next limit.
#[derive(Debug)]
pub(super) struct Pace {
    limits: ConnectionLimits,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    since: Instant,
    /// Since when there is something to write that the other side does not take.
    stalled_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request is coming in.
    Head,
    /// A request is being answered.
    Busy,
    /// Between requests.
    Idle,
}

impl Pace {
    /// Of a new connection, which owes the head of its first request.
    pub fn new(limits: ConnectionLimits) -> Self {
        let state = State { phase: Phase::Head, since: Instant::now(), stalled_since: None };
        Self { limits, state: Mutex::new(state), changed: Notify::new() }
    }

    /// A request's head is complete.
    pub fn begin_request(&self) {
        self.enter(Phase::Busy);
    }

    /// A request's answer is written, or given up.
    pub fn end_request(&self) {
        self.enter(Phase::Idle);
    }

    /// Returns when a limit is passed, with what the other side was slow with.
    pub async fn too_slow(&self) -> &'static str {
        loop {
            let changed = self.changed.notified();
            let Some((deadline, part)) = self.deadline() else {
                changed.await;
                continue;
            };
            if deadline <= Instant::now() {
                return part;
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline.into()) => {}
                () = changed => {}
            }
        }
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        let state = *self.lock();
        let of_phase = match state.phase {
            Phase::Head => Some((state.since + self.limits.head_within, "head")),
            Phase::Idle => Some((state.since + self.limits.idle_within, "idle")),
            Phase::Busy => None,
        };
        let of_stall = state.stalled_since.map(|since| (since + self.limits.stalled_within, "answer"));
        of_phase.into_iter().chain(of_stall).min_by_key(|(deadline, _)| *deadline)
    }

    fn enter(&self, phase: Phase) {
        {
            let mut state = self.lock();
            state.phase = phase;
            state.since = Instant::now();
        }
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn has_read(&self) {
        let is_first = self.lock().phase == Phase::Idle;
        if is_first {
            self.enter(Phase::Head);
        }
    }

    fn has_written(&self, is_stalled: bool) {
        {
            let mut state = self.lock();
            if state.stalled_since.is_some() == is_stalled {
                return;
            }
            state.stalled_since = is_stalled.then(Instant::now);
        }
        self.changed.notify_one();
    }
}

/// A connection that tells its [`Pace`] what passes.
#[derive(Debug)]
pub(super) struct Paced {
    stream: TcpStream,
    pace: Arc<Pace>,
}

impl Paced {
    pub fn new(stream: TcpStream, pace: Arc<Pace>) -> Self {
        Self { stream, pace }
    }

    fn wrote<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.pace.has_written(result.is_pending());
        result
    }
}

impl AsyncRead for Paced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.pace.has_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
