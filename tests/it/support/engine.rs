//! The real `tenrec engine` process on a data directory of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use clickhouse::Client;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tenrec::storage::ch::UnixConnector;

const LIBRARY: &str = "node_modules/@chdb/lib-linux-x64-gnu/libchdb.so";
/// A start takes well under a second; this only ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// How the engine under test differs from its defaults.
#[derive(Default)]
pub struct Options {
    pub password: Option<&'static str>,
    pub max_queries: Option<u32>,
    pub is_supervised: bool,
}

/// A running engine, killed when dropped.
pub struct Engine {
    child: Child,
    data: TempDir,
}

/// One that listens on TCP too.
pub struct TcpEngine {
    pub engine: Engine,
    pub url: String,
}

impl Engine {
    pub fn start() -> Self {
        Self::start_with(&Options::default())
    }

    pub fn start_with(options: &Options) -> Self {
        let data = TempDir::new().unwrap();
        let (child, _) = spawn(data.path(), options).unwrap_or_else(|error| panic!("{error}"));
        Self { child, data }
    }

    pub fn start_on_tcp(password: &'static str) -> TcpEngine {
        let data = TempDir::new().unwrap();
        let options = Options { password: Some(password), ..Options::default() };
        let (child, url) = spawn(data.path(), &options).unwrap_or_else(|error| panic!("{error}"));
        TcpEngine { engine: Self { child, data }, url: url.expect("it listens on TCP") }
    }

    /// Kills it with no warning and starts it again on the same data.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (child, _) = spawn(self.data.path(), &Options::default()).unwrap_or_else(|error| panic!("{error}"));
        self.child = child;
    }

    /// What a second engine on the same data says before it ends.
    pub fn second_opener(&self) -> String {
        spawn(self.data.path(), &Options::default()).map(drop).unwrap_err()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Closes standard input, as the death of a supervisor does.
    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if started.elapsed() > PATIENCE => panic!("the engine does not end"),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.data.path().join("run/engine.sock")
    }

    /// The official client, over the socket.
    pub fn client(&self) -> Client {
        let http = HttpClient::builder(TokioExecutor::new()).build(UnixConnector::new(self.socket()));
        Client::with_http_client(http).with_url("http://localhost")
    }

    /// The official client in a database of its own.
    pub async fn database(&self, name: &str) -> Client {
        self.client().query(&format!("CREATE DATABASE {name}")).execute().await.unwrap();
        self.client().with_database(name)
    }

    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        kilobytes.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the process and waits until it serves. `Err` holds what it said when it ended instead.
fn spawn(data: &Path, options: &Options) -> Result<(Child, Option<String>), String> {
    let library = repository().join(LIBRARY);
    assert!(library.exists(), "the engine library is missing: run `npm ci`");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenrec"));
    command.arg("engine").arg("--library").arg(library);
    command.arg("--data-dir").arg(data.join("data")).arg("--socket").arg(data.join("run/engine.sock"));
    if let Some(password) = options.password {
        command.args(["--listen", "127.0.0.1:0"]).env("TENREC_ENGINE_PASSWORD", password);
    }
    if let Some(max_queries) = options.max_queries {
        command.args(["--max-queries", &max_queries.to_string()]);
    }
    if options.is_supervised {
        command.arg("--exit-with-stdin").stdin(Stdio::piped());
    }
    let mut child = command
        .env("RUST_LOG", "warn")
        .env_remove("RUST_BACKTRACE")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut listening = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut url = None;
    let expected = 1 + usize::from(options.password.is_some());
    for _ in 0..expected {
        let Some(line) = listening.next() else {
            let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
            let _ = child.wait();
            return Err(said);
        };
        let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("unexpected line: {line}"));
        url = address.starts_with("http://").then(|| address.to_owned()).or(url);
    }
    // What it says later belongs to the test's own output.
    let errors = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || errors.lines().map_while(Result::ok).for_each(|line| eprintln!("engine: {line}")));
    Ok((child, url))
}
