//! Load over loopback: a closed loop that sends as fast as it is answered, and an open one that keeps to a timetable.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::events::Request;

/// What is sent next: fills the request; `false` when there is no more.
pub type Source<'a> = dyn FnMut(&mut Request) -> bool + 'a;

/// How a closed loop went.
#[derive(Debug, Default)]
pub struct Answered {
    pub events: u64,
    pub seconds: f64,
    /// From the first byte sent to the last received, in milliseconds, in order.
    pub latencies_ms: Vec<f64>,
}

impl Answered {
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// When a closed loop is measured.
#[derive(Debug, Clone, Copy)]
pub enum Window {
    /// For so long, after a time to get warm; `on_edge` is called at both ends.
    Timed { warm: Duration, measured: Duration },
    /// From the first to the last answer, until the source has no more.
    All,
}

/// So many connections, each sending its next request when the last is answered. One thread: the cores are for the server.
pub fn closed_loop(
    address: SocketAddr,
    connections: usize,
    window: Window,
    source: &mut Source<'_>,
    mut on_edge: impl FnMut(),
) -> Result<Answered> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let source = RefCell::new(source);
    let answered = RefCell::new(Answered::default());
    let (is_measured, is_over) = (Cell::new(matches!(window, Window::All)), Cell::new(false));
    let worker = || async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut request = Request::default();
        let mut answer = Vec::with_capacity(4096);
        while !is_over.get() && (source.borrow_mut())(&mut request) {
            let sent = Instant::now();
            stream.write_all(&request.bytes).await?;
            answer.clear();
            while !is_whole(&answer)? {
                ensure!(stream.read_buf(&mut answer).await? > 0, "the connection was closed without an answer");
            }
            if is_measured.get() {
                let mut answered = answered.borrow_mut();
                answered.events += request.events;
                answered.latencies_ms.push(sent.elapsed().as_secs_f64() * 1e3);
            }
        }
        anyhow::Ok(())
    };
    let started = Instant::now();
    runtime.block_on(async {
        let timer = async {
            let Window::Timed { warm, measured } = window else { return };
            tokio::time::sleep(warm).await;
            on_edge();
            let began = Instant::now();
            is_measured.set(true);
            tokio::time::sleep(measured).await;
            is_measured.set(false);
            answered.borrow_mut().seconds = began.elapsed().as_secs_f64();
            on_edge();
            is_over.set(true);
        };
        let workers = try_join_all((0..connections).map(|_| worker()));
        let (outcome, ()) = tokio::join!(workers, timer);
        outcome.map(drop)
    })?;
    let mut answered = answered.into_inner();
    if matches!(window, Window::All) {
        answered.seconds = started.elapsed().as_secs_f64();
    }
    answered.latencies_ms.sort_by(f64::total_cmp);
    Ok(answered)
}

/// Sends each request when it is due: `requests` of them, one every `every`. The latency counts from when one was due, so a
/// server that stalls is charged for all that should have been sent meanwhile. Gives latencies in milliseconds, in order.
pub fn open_loop(
    address: SocketAddr,
    requests: usize,
    every: Duration,
    make: &(dyn Fn(usize, &mut Request) + Sync),
) -> Result<Vec<f64>> {
    const CONNECTIONS: usize = 32;
    let all = Mutex::new(Vec::with_capacity(requests));
    let first = Instant::now() + Duration::from_millis(100);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|nth| {
                let all = &all;
                scope.spawn(move || {
                    let mut stream = TcpStream::connect(address)?;
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
                    let (mut request, mut answer, mut piece) = (Request::default(), Vec::new(), [0; 4096]);
                    for number in (nth..requests).step_by(CONNECTIONS) {
                        make(number, &mut request);
                        let due = first + every * u32::try_from(number)?;
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        stream.write_all(&request.bytes)?;
                        answer.clear();
                        while !is_whole(&answer)? {
                            let read = stream.read(&mut piece).context("no answer")?;
                            ensure!(read > 0, "the connection was closed without an answer");
                            answer.extend_from_slice(&piece[..read]);
                        }
                        let latency_ms = due.elapsed().as_secs_f64() * 1e3;
                        all.lock().expect("no holder panics").push(latency_ms);
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("it does not panic"))
    })?;
    let mut latencies_ms = all.into_inner().expect("no holder panicked");
    latencies_ms.sort_by(f64::total_cmp);
    Ok(latencies_ms)
}

/// Whether this is a whole answer.
///
/// # Errors
/// If it is another one than 200 with nothing rejected.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(head_bytes) = answer.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) else { return Ok(false) };
    let head = String::from_utf8_lossy(&answer[..head_bytes]).to_ascii_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .context("the answer does not say how long it is")?;
    let body = &answer[head_bytes..];
    if body.len() < length {
        return Ok(false);
    }
    if !head.starts_with("http/1.1 200") || body.windows(8).any(|w| w == b"rejected") {
        bail!("not what an SDK wants to hear: {}", String::from_utf8_lossy(answer));
    }
    Ok(true)
}

/// The value below which this part of a sorted list lies.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = (part * sorted.len() as f64) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
