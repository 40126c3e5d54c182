//! Postgres as a child.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::child::{Plan, Supervised};
use super::data_dir::make_private_dir;
use super::files::PostgresFiles;
use super::{DataDir, EmbeddedError, Parts};

/// For a small machine and one client: little memory, no idle work, no network. `fsync`, full page writes and checksums
/// stay on.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "max_connections=50",
    "shared_buffers=64MB",
    "work_mem=4MB",
    "maintenance_work_mem=32MB",
    "wal_buffers=1MB",
    "min_wal_size=32MB",
    "max_wal_size=256MB",
    // A file that is used again still holds what it held: who is erased shall be gone with the next checkpoint.
    "wal_recycle=off",
    "max_wal_senders=2",
    "max_replication_slots=2",
    "io_method=sync",
    "jit=off",
    "max_parallel_workers=0",
    "max_parallel_workers_per_gather=0",
    "max_worker_processes=2",
    "max_logical_replication_workers=0",
    "autovacuum_worker_slots=2",
    "autovacuum_max_workers=2",
    "autovacuum_naptime=5min",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_line_prefix=",
    // What a statement held, and the values an error names, are people's data.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
];

/// First in order, with a checkpoint; then at once, to recover on the next start.
const STOP: &[(Signal, Duration)] =
    &[(Signal::SIGINT, Duration::from_secs(8)), (Signal::SIGQUIT, Duration::from_secs(2))];

/// The start of the socket's name, which sqlx and libpq complete from the port.
const PORT: u16 = 5432;

/// Prepares the files and starts the child. Gives it with the directory of its socket.
pub(super) fn start(data: &DataDir, parts: &Parts, run: &Path) -> Result<(Supervised, PathBuf), EmbeddedError> {
    let files = PostgresFiles::prepare(data, parts)?;
    let sockets = socket_dir(run);
    if !sockets.exists() {
        make_private_dir(&sockets)?;
    }
    fs::set_permissions(&sockets, fs::Permissions::from_mode(0o700))
        .map_err(EmbeddedError::file("set the mode of", &sockets))?;
    if let Some(uid) = files.runs_as {
        chown(&sockets, Some(uid), Some(uid)).map_err(EmbeddedError::file("change the owner of", &sockets))?;
    }
    let (cluster, socket_arg) = (files.cluster.clone(), sockets.clone());
    let child = Supervised::start(Plan {
        name: "Postgres",
        command: Box::new(move || {
            clear_leftovers(&files.cluster, &socket_arg)?;
            let mut command = files.command("postgres");
            command.arg("-D").arg(&files.cluster).arg("-k").arg(&socket_arg).args(["-p", &PORT.to_string()]);
            command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
            Ok(command)
        }),
        is_ready: Box::new(move |pid| {
            PidFile::read(&cluster).is_some_and(|file| file.is_ready && u32::try_from(file.pid) == Ok(pid))
        }),
        // Ends at once and recovers on the next start; an orderly end could keep the next Tenrec waiting.
        death_signal: Signal::SIGQUIT,
        stop: STOP,
        passes_by_itself,
        log,
    });
    Ok((child, sockets))
}

/// The directory of the socket, inside the one for sockets.
pub(super) fn socket_dir(run: &Path) -> PathBuf {
    run.join("postgres")
}

fn log(line: &str) {
    if ["WARNING:", "FATAL:", "PANIC:"].iter().any(|level| line.starts_with(level)) && !is_harmless(line) {
        tracing::warn!(child = "Postgres", "{line}");
    } else {
        tracing::debug!(child = "Postgres", "{line}");
    }
}

/// What Postgres calls fatal for a connection, and is only the end of one.
fn is_harmless(line: &str) -> bool {
    ["terminating connection", "the database system is starting up", "the database system is shutting down"]
        .iter()
        .any(|text| line.contains(text))
}

/// What `postmaster.pid` says.
struct PidFile {
    pid: i32,
    is_ready: bool,
}

impl PidFile {
    fn path(cluster: &Path) -> PathBuf {
        cluster.join("postmaster.pid")
    }

    fn read(cluster: &Path) -> Option<Self> {
        let text = fs::read_to_string(Self::path(cluster)).ok()?;
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        Some(Self { pid, is_ready: lines.nth(6).is_some_and(|status| status.trim() == "ready") })
    }
}

/// Ends what a killed postmaster or a killed Tenrec left behind on this cluster, then removes the pid file and the lock of the
/// socket: a pid in them that another process got by now, or a zombie still has, would block the start. The data directory's
/// lock is held, so no living Tenrec owns any of it.
fn clear_leftovers(cluster: &Path, sockets: &Path) -> io::Result<()> {
    let asked = Instant::now();
    loop {
        let left = processes_of(cluster);
        if left.is_empty() {
            break;
        }
        let signal = if asked.elapsed() < Duration::from_secs(5) { Signal::SIGQUIT } else { Signal::SIGKILL };
        for pid in left {
            let _ = kill(Pid::from_raw(pid), signal);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for file in [PidFile::path(cluster), sockets.join(format!(".s.PGSQL.{PORT}.lock"))] {
        match fs::remove_file(file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// The processes of a Postgres on this cluster: each works in the cluster's directory. Where `/proc` is missing or closed to
/// us these stay unseen, and Postgres refuses to start until they are gone.
fn processes_of(cluster: &Path) -> Vec<i32> {
    // The system names the directory without links.
    let (Ok(cluster), Ok(entries)) = (fs::canonicalize(cluster), fs::read_dir("/proc")) else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let works_there = |pid: &i32| {
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
        // Asked in this order, because nearly all processes differ in the first.
        link("cwd") == cluster && link("exe").file_name().is_some_and(|name| name == "postgres")
    };
    pids.filter(works_there).collect()
}

/// A failed start that is worth another try: memory that processes of the last run have not let go of yet.
fn passes_by_itself(reason: &str) -> bool {
    reason.contains("pre-existing shared memory block")
}
