//! One Tenrec with stores of its own, and ways to kill parts of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tenrec::storage::ch::UnixConnector;
use tenrec::storage::pg::PgAddress;

use crate::drivers::Target;
use crate::judge::Stores;
use crate::support::{SharedStores, Tenrec, children_of, eventually};
use crate::wire::KEY;

/// What the program calls the engine and Postgres in their command lines.
pub const ENGINE: &str = "tenrec engine";
pub const POSTGRES: &str = "postgres -D";

/// A running `tenrec serve`, or the data of one that was killed.
pub struct World {
    pub dir: PathBuf,
    owns_dir: bool,
    variables: Vec<(String, String)>,
    tenrec: Option<Tenrec>,
    /// If they are not embedded.
    stores: Option<Stores>,
    /// Where it listens now.
    pub target: Target,
}

impl World {
    /// Starts on a fresh data directory, with one project.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with these variables as well.
    pub async fn start_with(variables: &[(&str, String)]) -> Self {
        let mut this = Self::new(Tenrec::fresh_data_dir(), variables);
        this.owns_dir = true;
        this.restart().await;
        this
    }

    /// Starts on stores that are there already, and reaches ClickHouse by this URL.
    pub async fn start_on(shared: &SharedDatabase, clickhouse_url: &str) -> Self {
        let urls = [("DATABASE_URL", shared.pg_url.clone()), ("CLICKHOUSE_URL", clickhouse_url.to_owned())];
        let mut this = Self::new(Tenrec::fresh_data_dir(), &urls);
        this.owns_dir = true;
        this.stores = Some(shared.stores.clone());
        this.restart().await;
        this
    }

    /// On this directory, not started yet.
    pub fn new(dir: PathBuf, variables: &[(&str, String)]) -> Self {
        let own = [
            ("TENREC_INIT_EMAIL", "ada@example.com"),
            ("TENREC_INIT_PASSWORD", "correct horse battery staple"),
            ("TENREC_INIT_PROJECT_KEY", KEY),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let given = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let variables = own.into_iter().chain(given).collect();
        Self { dir, owns_dir: false, variables, tenrec: None, stores: None, target: Target::default() }
    }

    /// Starts it again; gives how long it took until it served.
    pub async fn restart(&mut self) -> Duration {
        assert!(self.tenrec.is_none(), "it runs already");
        let started = Instant::now();
        let mut tenrec = Tenrec::spawn(self.command(), self.dir.clone());
        let url = tokio::task::block_in_place(|| tenrec.wait_until_ready());
        let took = started.elapsed();
        self.target.set(&url);
        self.tenrec = Some(tenrec);
        took
    }

    /// How it is started.
    pub fn command(&self) -> Command {
        let mut command = Tenrec::command(&self.dir, &["serve"]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The process.
    pub fn tenrec(&self) -> &Tenrec {
        self.tenrec.as_ref().expect("it runs")
    }

    /// Its child of this command line; one that was killed before may still be on its way back.
    pub async fn child(&self, text: &str) -> u32 {
        eventually("the child runs", async || self.tenrec().children(text).first().copied()).await
    }

    /// Kills the child of this command line with no warning.
    pub async fn kill_child(&self, text: &str) {
        signal(self.child(text).await, Signal::SIGKILL);
    }

    /// Kills Tenrec with no warning; the kernel ends its children.
    pub fn kill(&mut self) {
        let mut tenrec = self.tenrec.take().expect("it runs");
        signal(tenrec.pid(), Signal::SIGKILL);
        tokio::task::block_in_place(|| tenrec.wait());
    }

    /// Kills Tenrec and everything it started at one instant, as when the machine runs out of memory.
    pub fn kill_group(&mut self) {
        let tenrec = self.tenrec.take().expect("it runs");
        let mut all = vec![tenrec.pid()];
        let mut at = 0;
        while let Some(pid) = all.get(at) {
            let children = children_of(*pid);
            all.extend(children);
            at += 1;
        }
        // In this order none is left to start another again.
        for pid in all {
            signal(pid, Signal::SIGKILL);
        }
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        let mut tenrec = self.tenrec.take().expect("it runs");
        tenrec.signal(Signal::SIGTERM);
        let (status, said) = tokio::task::block_in_place(|| tenrec.wait());
        assert!(status.success(), "{status}; said:\n{said}");
    }

    /// Its stores.
    pub fn stores(&self) -> Stores {
        self.stores.clone().unwrap_or_else(|| Stores { ch: engine_client(&self.dir), pg: self.pg() })
    }

    fn pg(&self) -> sqlx::postgres::PgConnectOptions {
        PgAddress::Socket { dir: self.dir.join("run/postgres"), database: "tenrec".to_owned() }.options()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tenrec = None;
        if self.owns_dir {
            let scratch = self.dir.parent().unwrap();
            let started = Instant::now();
            while fs::remove_dir_all(scratch).is_err() && started.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

/// Databases of one test in stores that all tests of this process share.
pub struct SharedDatabase {
    pub name: String,
    /// For `DATABASE_URL`.
    pub pg_url: String,
    /// The engine's.
    pub socket: PathBuf,
    pub stores: Stores,
}

impl SharedDatabase {
    /// Makes empty ones.
    pub async fn create() -> Self {
        let shared = tokio::task::spawn_blocking(SharedStores::get).await.unwrap();
        let name = shared.fresh_name();
        shared.create_empty_pg(&name).await;
        let sockets = shared.data_dir().join("run");
        let dir: String = sockets.join("postgres").to_str().unwrap().replace('/', "%2F");
        Self {
            pg_url: format!("postgres://tenrec@localhost/{name}?host={dir}"),
            socket: sockets.join("clickhouse/engine.sock"),
            stores: Stores { ch: shared.ch_client(&name), pg: shared.pg_options(&name) },
            name,
        }
    }
}

/// Sends a signal, even if the process has just ended.
pub fn signal(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}

fn engine_client(dir: &Path) -> clickhouse::Client {
    let socket = UnixConnector::new(dir.join("run/clickhouse/engine.sock"));
    let http = Client::builder(TokioExecutor::new()).build(socket);
    clickhouse::Client::with_http_client(http).with_url("http://engine").with_database("tenrec")
}
