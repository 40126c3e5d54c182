//! Stands between the pipeline and ClickHouse, and fails on request.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone)]
pub struct Proxy(Arc<State>);

struct State {
    target: PathBuf,
    is_closed: AtomicBool,
    hangs: AtomicBool,
    answers_to_drop: AtomicU32,
    dropped: AtomicU32,
    /// Whose inserts lose their answers.
    table: Mutex<&'static str>,
}

impl Proxy {
    /// Listens until the process ends.
    pub fn start(socket: &Path, target: PathBuf) -> Self {
        let state = State {
            target,
            is_closed: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
            answers_to_drop: AtomicU32::new(0),
            dropped: AtomicU32::new(0),
            table: Mutex::new("events"),
        };
        let proxy = Self(Arc::new(state));
        let listener = UnixListener::bind(socket).unwrap();
        let this = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (this, client) = (this.clone(), client.unwrap());
                std::thread::spawn(move || this.serve(client));
            }
        });
        proxy
    }

    /// From now on every connection breaks, as if ClickHouse were gone; or not any more.
    pub fn set_closed(&self, is_closed: bool) {
        self.0.is_closed.store(is_closed, Ordering::SeqCst);
    }

    /// From now on nothing is carried over, though connections stay open, as if ClickHouse hung; or not any more.
    pub fn set_hanging(&self, hangs: bool) {
        self.0.hangs.store(hangs, Ordering::SeqCst);
    }

    /// The answers to the next inserts of events get lost, though ClickHouse has carried them out.
    pub fn drop_answers(&self, count: u32) {
        self.drop_answers_of("events", count);
    }

    /// The same for inserts into any table.
    pub fn drop_answers_of(&self, table: &'static str, count: u32) {
        *self.0.table.lock().unwrap() = table;
        self.0.answers_to_drop.store(count, Ordering::SeqCst);
    }

    /// How many were lost.
    pub fn dropped(&self) -> u32 {
        self.0.dropped.load(Ordering::SeqCst)
    }

    fn serve(&self, client: UnixStream) {
        if self.0.is_closed.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = UnixStream::connect(&self.0.target) else { return };
        let is_insert = Arc::new(AtomicBool::new(false));
        let (this, up) = (self.clone(), (client.try_clone().unwrap(), server.try_clone().unwrap()));
        let seen = Arc::clone(&is_insert);
        let requests = std::thread::spawn(move || {
            this.copy(&up.0, &up.1, |this, bytes| {
                if bytes.starts_with(b"POST ") {
                    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
                    let insert = format!("INSERT+INTO+{}", this.0.table.lock().unwrap());
                    seen.store(head.contains(&insert), Ordering::SeqCst);
                }
                !this.0.is_closed.load(Ordering::SeqCst)
            });
        });
        self.copy(&server, &client, |this, bytes| {
            let is_answer = bytes.starts_with(b"HTTP/1.1 ") && is_insert.load(Ordering::SeqCst);
            let take = |left: u32| left.checked_sub(1);
            if is_answer && this.0.answers_to_drop.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
                this.0.dropped.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            !this.0.is_closed.load(Ordering::SeqCst)
        });
        requests.join().ok();
    }

    /// Carries bytes over while `may_pass` says so; then breaks both ends.
    fn copy(&self, mut from: &UnixStream, mut to: &UnixStream, may_pass: impl Fn(&Self, &[u8]) -> bool) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            while self.0.hangs.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            if !may_pass(self, &buffer[..n]) || to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        from.shutdown(Shutdown::Both).ok();
        to.shutdown(Shutdown::Both).ok();
    }
}
