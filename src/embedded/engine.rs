//! The ClickHouse engine as a child: this same program, as `tenrec engine`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::child::{Plan, Supervised};
use super::{DataDir, EmbeddedError, Parts};

/// It drains, then closes the database.
const STOP: &[(Signal, Duration)] = &[(Signal::SIGTERM, Duration::from_secs(8))];

/// Starts the child. Gives it with its socket.
pub(super) fn start(
    data: &DataDir,
    parts: &Parts,
    run: &Path,
    program: &Path,
    memory_mb: u64,
) -> Result<(Supervised, PathBuf), EmbeddedError> {
    let library = parts.engine_library()?;
    let socket = socket(run);
    let (program, dir, listen, probe) =
        (program.to_owned(), data.path().join("clickhouse"), socket.clone(), socket.clone());
    let child = Supervised::start(Plan {
        name: "ClickHouse engine",
        command: Box::new(move || {
            let mut command = Command::new(&program);
            // Nothing of our environment: it holds secrets, and the engine runs what queries say.
            command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
            command.arg("engine").arg("--data-dir").arg(&dir).arg("--socket").arg(&listen);
            command.arg("--library").arg(&library).args(["--memory-limit-bytes", &(memory_mb << 20).to_string()]);
            Ok(command)
        }),
        is_ready: Box::new(move |_| answers(&probe)),
        // It holds nothing that was acknowledged and not written: the quickest end frees its data for the next one.
        death_signal: Signal::SIGKILL,
        stop: STOP,
        // The lock of an engine that is being killed.
        passes_by_itself: |reason| reason.contains("another engine"),
        log: |line| {
            if line.contains("WARN") || line.contains("ERROR") || line.starts_with("error") {
                tracing::warn!(child = "ClickHouse engine", "{line}");
            } else {
                tracing::debug!(child = "ClickHouse engine", "{line}");
            }
        },
    });
    Ok((child, socket))
}

/// The socket, in a directory of its own inside the one for sockets: the engine may remove files there.
pub(super) fn socket(run: &Path) -> PathBuf {
    run.join("clickhouse").join("engine.sock")
}

/// Whether the engine answers its ping.
fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(1024).read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}
