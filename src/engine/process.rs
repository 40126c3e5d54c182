//! The life of the engine process: what is opened in which order, and how it ends.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::fcntl::{Flock, FlockArg};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::confine::{Confinement, confine};
use super::ffi::{Library, exit_now};
use super::http::{Access, Server};
use super::options::EngineOptions;
use super::pool::Engine;
use super::server_config::server_config;

/// Statements still running this long after the signal to end are cancelled.
const DRAIN: Duration = Duration::from_secs(5);
/// A cancelled statement, or a closing engine, that takes longer than this is left behind: what was
/// acknowledged is on disk.
const CLOSE: Duration = Duration::from_secs(10);

/// Runs the engine until SIGTERM, SIGINT or the supervisor's end; then ends the process with code 0.
///
/// To be called before any thread is started: the confinement must hold for all of them. Returns only
/// if it cannot start. Prints `listening on …` for each listener once requests are served.
pub fn run(options: &EngineOptions) -> anyhow::Result<()> {
    options.validate()?;
    let data_dir = create_private_dir(&options.data_dir)?;
    let _lock = lock(&data_dir)?;
    let config_path = data_dir.join("engine.xml");
    fs::write(&config_path, server_config(&data_dir, options.memory_limit_bytes))
        .with_context(|| format!("could not write {}", config_path.display()))?;
    for name in ["store", "backups", "user_files"] {
        create_private_dir(&data_dir.join(name))?;
    }

    let unix = options.socket.as_deref().map(bind_unix).transpose()?;
    let tcp = options.listen.map(bind_tcp).transpose()?;
    let library = Library::load(&options.library)?;
    let socket_dir = options.socket.as_deref().and_then(Path::parent);
    match confine(&data_dir, socket_dir).context("could not confine the engine process")? {
        Confinement::Full => {
            tracing::info!("The kernel confines the engine to {}", data_dir.display())
        }
        Confinement::Partial => {
            tracing::warn!("This kernel confines the engine's files, but not its network: 6.7 or newer does")
        }
        Confinement::None => {
            tracing::warn!("This kernel has no Landlock: the engine runs unconfined")
        }
    }

    // Threads start only here, behind the confinement. The library is called by them alone: for the main
    // thread it would look up the stack in /proc/self/maps, which need not be readable.
    std::thread::scope(|scope| {
        let serving = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn_scoped(scope, || open_and_serve(options, library, &data_dir, &config_path, unix, tcp))
            .context("could not start a thread")?;
        serving.join().unwrap_or_else(|_| bail!("the engine's main thread panicked"))
    })?;
    if let Some(socket) = &options.socket {
        let _ = fs::remove_file(socket);
    }
    let _ = std::io::stdout().flush();
    exit_now(0)
}

/// Opens the engine, serves until told to end, and closes it.
fn open_and_serve(
    options: &EngineOptions,
    library: Library,
    data_dir: &Path,
    config_path: &Path,
    unix: Option<UnixListener>,
    tcp: Option<TcpListener>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(2 * options.max_queries + 8)
        .thread_name("engine-http")
        .enable_all()
        .build()
        .context("could not start threads")?;
    let engine = Engine::start(library, &data_dir.join("store"), config_path, options.max_queries)
        .with_context(|| format!("could not open {}", data_dir.display()))?;
    let engine = Arc::new(engine);
    tracing::info!(version = engine.version(), "The engine is open");
    runtime.block_on(serve(options, &engine, unix, tcp))?;
    end_within(CLOSE, move || engine.close());
    // A thread that still waits for the engine must not hold up the end.
    runtime.shutdown_background();
    Ok(())
}

async fn serve(
    options: &EngineOptions,
    engine: &Arc<Engine>,
    unix: Option<UnixListener>,
    tcp: Option<TcpListener>,
) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let server = Server::new(Arc::clone(engine), shutdown.clone());
    let mut announcements = Vec::new();
    if let (Some(listener), Some(path)) = (unix, &options.socket) {
        let listener = tokio::net::UnixListener::from_std(listener).context("could not serve the socket")?;
        announcements.push(format!("listening on unix:{}", path.display()));
        server.serve_unix(listener);
    }
    if let (Some(listener), Some(password)) = (tcp, &options.password) {
        let listener = tokio::net::TcpListener::from_std(listener).context("could not serve the address")?;
        announcements.push(format!("listening on http://{}", listener.local_addr()?));
        server.serve_tcp(listener, Access::password(password));
    }
    let mut terminate = signal(SignalKind::terminate()).context("could not watch signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not watch signals")?;
    let stdin_closed = watch_stdin(options.exit_with_stdin);
    // The supervisor reads these lines: they mean that requests are answered from now on.
    for line in announcements {
        println!("{line}");
    }
    std::io::stdout().flush().context("could not write to standard output")?;

    tokio::select! {
        _ = terminate.recv() => tracing::info!("Ending on SIGTERM"),
        _ = interrupt.recv() => tracing::info!("Ending on SIGINT"),
        () = stdin_closed.cancelled() => tracing::info!("Ending: the supervisor is gone"),
    }
    shutdown.cancel();
    if tokio::time::timeout(DRAIN, server.drained()).await.is_err() {
        tracing::info!("Cancelling statements that still run");
        server.abort();
        if let Err(error) = engine.cancel_all() {
            tracing::warn!(%error, "could not cancel running statements");
        }
        if tokio::time::timeout(CLOSE, server.drained()).await.is_err() {
            tracing::warn!("leaving a statement behind that cannot be cancelled");
            // Its connection is open, so the engine cannot close; acknowledged data is on disk.
            exit_now(0);
        }
    }
    Ok(())
}

/// Cancelled when standard input ends; never, unless `is_watched`.
fn watch_stdin(is_watched: bool) -> CancellationToken {
    let closed = CancellationToken::new();
    if is_watched {
        let guard = closed.clone().drop_guard();
        // A plain thread: a blocked read would keep the runtime from ending.
        std::thread::spawn(move || {
            let _guard = guard;
            let mut stdin = std::io::stdin().lock();
            let mut buffer = [0; 64];
            while matches!(stdin.read(&mut buffer), Ok(read) if read > 0) {}
        });
    } else {
        // Nobody cancels it: keep a clone alive for the life of the process.
        std::mem::forget(closed.clone());
    }
    closed
}

fn end_within(limit: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    if wait.recv_timeout(limit).is_err() {
        tracing::warn!("the engine did not close in time; acknowledged data is on disk");
    }
}

/// Creates the directory for this user alone, or takes it as it is; returns its absolute path.
fn create_private_dir(path: &Path) -> anyhow::Result<PathBuf> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::canonicalize(path))
        .with_context(|| format!("could not create the directory {}", path.display()))
}

/// One engine per data directory: a second one would corrupt it. Held until the process ends.
fn lock(data_dir: &Path) -> anyhow::Result<Flock<File>> {
    let path = data_dir.join("engine.lock");
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.with_context(|| format!("could not open {}", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            lock.set_len(0)
                .and_then(|()| write!(lock, "{}", std::process::id()))
                .with_context(|| format!("could not write {}", path.display()))?;
            Ok(lock)
        }
        Err((mut file, _)) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!("another engine (process {}) has {} open", holder.trim(), data_dir.display())
        }
    }
}

/// Binds the socket, replacing one left behind. Only this user may connect.
fn bind_unix(path: &Path) -> anyhow::Result<UnixListener> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_private_dir(parent)?;
    }
    // Ours by the lock on the data directory; a live server there would be another program's.
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("another process serves {}", path.display());
    }
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| format!("could not bind {}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(0o600))
        .with_context(|| format!("could not protect {}", path.display()))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn bind_tcp(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| format!("could not listen on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
