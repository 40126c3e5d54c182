//! Between Tenrec and the engine: an HTTP proxy on a TCP port that loses answers, dawdles, lies, and goes away.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tenrec::storage::ch::UnixConnector;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::rng::Rng;

/// What happens to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is carried out, and its answer lost with the connection.
    DropAnswer,
    /// It is carried out, but the answer says 500.
    ErrorAfter,
    /// It is not carried out, and the answer says 500.
    ErrorBefore,
    /// The connection breaks before it is carried out.
    DropRequest,
    /// It is carried out late.
    DelayBefore,
    /// It is carried out, and its answer is late.
    DelayAfter,
    /// The connection breaks, and it is carried out a little later all the same.
    CarryOutLate,
}

/// The proxy. Clones share it; it ends with the runtime.
#[derive(Clone)]
pub struct Proxy(Arc<State>);

struct State {
    engine: Client<UnixConnector, Full<Bytes>>,
    address: SocketAddr,
    /// Cancelled to break all connections and give the port back.
    open: Mutex<CancellationToken>,
    faults: Mutex<Faults>,
    inserts: AtomicU64,
    faulty: AtomicU64,
    is_open: AtomicBool,
    tasks: TaskTracker,
}

struct Faults {
    rng: Rng,
    kinds: Vec<Fault>,
    percent_of_inserts: u64,
    percent_of_questions: u64,
    delay_ms: u64,
}

impl Proxy {
    /// Listens on a free port, for the engine on this socket.
    pub async fn start(engine: PathBuf, rng: Rng) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let kinds = Vec::new();
        let faults = Faults { rng, kinds, percent_of_inserts: 0, percent_of_questions: 0, delay_ms: 0 };
        let this = Self(Arc::new(State {
            engine: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(UnixConnector::new(engine)),
            address: listener.local_addr().unwrap(),
            open: Mutex::new(CancellationToken::new()),
            faults: Mutex::new(faults),
            inserts: AtomicU64::new(0),
            faulty: AtomicU64::new(0),
            is_open: AtomicBool::new(true),
            tasks: TaskTracker::new(),
        }));
        this.accept(listener);
        this
    }

    /// The address for `CLICKHOUSE_URL`.
    pub fn url(&self, database: &str) -> String {
        format!("http://{}/{database}", self.0.address)
    }

    /// From now on so many of a hundred inserts, and of a hundred questions, meet one of these faults.
    pub fn set_faults(&self, kinds: &[Fault], percent_of_inserts: u64, percent_of_questions: u64, delay_ms: u64) {
        let mut faults = self.0.faults.lock().unwrap();
        faults.kinds = kinds.to_vec();
        (faults.percent_of_inserts, faults.percent_of_questions) = (percent_of_inserts, percent_of_questions);
        faults.delay_ms = delay_ms;
    }

    /// Everything works again.
    pub fn set_honest(&self) {
        self.set_faults(&[], 0, 0, 0);
    }

    /// Closes the port: every connection breaks, and new ones are refused.
    pub fn close(&self) {
        assert!(self.0.is_open.swap(false, Ordering::SeqCst));
        self.0.open.lock().unwrap().cancel();
    }

    /// Opens it again.
    pub async fn open(&self) {
        assert!(!self.0.is_open.swap(true, Ordering::SeqCst));
        let mut tries = 0;
        let listener = loop {
            match TcpListener::bind(self.0.address).await {
                Ok(listener) => break listener,
                Err(error) => assert!(tries < 100, "{error}"),
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        *self.0.open.lock().unwrap() = CancellationToken::new();
        self.accept(listener);
    }

    /// How many inserts came, and how many statements met a fault.
    pub fn counts(&self) -> (u64, u64) {
        (self.0.inserts.load(Ordering::SeqCst), self.0.faulty.load(Ordering::SeqCst))
    }

    fn accept(&self, listener: TcpListener) {
        let (this, closed) = (self.clone(), self.0.open.lock().unwrap().clone());
        self.0.tasks.spawn(async move {
            while let Some(Ok((stream, _))) = closed.run_until_cancelled(listener.accept()).await {
                let (this, closed, tasks) = (this.clone(), closed.clone(), this.0.tasks.clone());
                tasks.spawn(async move {
                    let service = service_fn(|request| this.serve(request));
                    let connection =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    // An error is what we are here for.
                    let _ = closed.run_until_cancelled(connection).await;
                });
            }
        });
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, &'static str> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| "the client went away")?.to_bytes();
        let is_insert = head.uri.query().is_some_and(|query| query.contains("INSERT+INTO+events"));
        self.0.inserts.fetch_add(u64::from(is_insert), Ordering::SeqCst);
        let (fault, delay) = self.choose(is_insert);
        self.0.faulty.fetch_add(u64::from(fault.is_some()), Ordering::SeqCst);
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(head.method).uri(format!("http://engine{path}"));
        for (name, value) in &head.headers {
            if !["host", "connection", "transfer-encoding", "content-length"].contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        let request = request.body(Full::new(body)).unwrap();
        let error = || {
            let mut response = Response::new(Full::from("the proxy is out of order"));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            Ok(response)
        };
        match fault {
            None => self.forward(request).await,
            Some(Fault::DropAnswer) => {
                self.forward(request).await?;
                Err("the answer is dropped")
            }
            Some(Fault::ErrorAfter) => {
                self.forward(request).await?;
                error()
            }
            Some(Fault::ErrorBefore) => error(),
            Some(Fault::DropRequest) => Err("the request is dropped"),
            Some(Fault::DelayBefore) => {
                tokio::time::sleep(delay).await;
                self.forward(request).await
            }
            Some(Fault::DelayAfter) => {
                let answer = self.forward(request).await;
                tokio::time::sleep(delay).await;
                answer
            }
            Some(Fault::CarryOutLate) => {
                let this = self.clone();
                self.0.tasks.spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = this.forward(request).await;
                });
                Err("the connection breaks")
            }
        }
    }

    fn choose(&self, is_insert: bool) -> (Option<Fault>, Duration) {
        let mut faults = self.0.faults.lock().unwrap();
        let Faults { percent_of_inserts, percent_of_questions, delay_ms, .. } = *faults;
        let percent = if is_insert { percent_of_inserts } else { percent_of_questions };
        if !faults.rng.percent(percent) || faults.kinds.is_empty() {
            return (None, Duration::ZERO);
        }
        let kinds = std::mem::take(&mut faults.kinds);
        let fault = *faults.rng.pick(&kinds);
        faults.kinds = kinds;
        (Some(fault), Duration::from_millis(faults.rng.below(delay_ms + 1)))
    }

    async fn forward(&self, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, &'static str> {
        let response = self.0.engine.request(request).await.map_err(|_| "the engine does not answer")?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| "the engine breaks off")?.to_bytes();
        Ok(Response::from_parts(head, Full::new(body)))
    }
}
