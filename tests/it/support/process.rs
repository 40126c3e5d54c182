//! The real program as a process, for what only a process can show: its start, its signals, its children, its end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stores::{parts_dir, scratch_dir};

/// A started `tenrec`. Dropping it kills it and removes what it made.
pub struct Tenrec {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    pub data_dir: PathBuf,
    owns_dir: bool,
}

impl Tenrec {
    /// A command on a data directory, with no variable of ours.
    pub fn command(data_dir: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenrec"));
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.env("TENREC_DATA_DIR", data_dir).env("TENREC_PARTS_DIR", parts_dir());
        command.env("HOST", "127.0.0.1").env("PORT", "0").args(args);
        command
    }

    /// A directory that children of another user may pass.
    pub fn fresh_data_dir() -> PathBuf {
        scratch_dir("process").join("data")
    }

    /// Starts to serve on a fresh data directory.
    pub fn serve() -> Self {
        let dir = Self::fresh_data_dir();
        let mut this = Self::spawn(Self::command(&dir, &["serve"]), dir);
        this.owns_dir = true;
        this
    }

    /// Starts to serve on one that is there.
    pub fn serve_on(dir: &Path) -> Self {
        Self::spawn(Self::command(dir, &["serve"]), dir.to_owned())
    }

    /// Starts any command; reads both outputs.
    pub fn spawn(mut command: Command, data_dir: PathBuf) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines, seen: Vec::new(), data_dir, owns_dir: false }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of output that contains this.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        let started = Instant::now();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(60).saturating_sub(started.elapsed())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("never said {text:?}; said:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Waits until it serves; gives its address.
    pub fn wait_until_ready(&mut self) -> String {
        let line = self.wait_for_line("is ready on ");
        let address = line.split("is ready on ").nth(1).unwrap().split(' ').next().unwrap();
        address.to_owned()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the end; gives it with everything that was said.
    pub fn wait(&mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "does not end; said:\n{}", self.seen.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        };
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
            self.seen.push(line);
        }
        (status, self.seen.join("\n"))
    }

    /// The process ids of its children whose command line contains this.
    pub fn children(&self, text: &str) -> Vec<u32> {
        children_of(self.child.id()).into_iter().filter(|pid| command_line(*pid).contains(text)).collect()
    }
}

impl Drop for Tenrec {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.owns_dir {
            // Children end with their parent, but not at the same instant.
            let scratch = self.data_dir.parent().unwrap();
            let started = Instant::now();
            while fs::remove_dir_all(scratch).is_err() && started.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

/// The process ids of a process' children, from `/proc`.
pub fn children_of(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    })
    .collect()
}

/// Whether a process of this id runs, other than as a zombie.
pub fn is_alive(pid: u32) -> bool {
    state_of(pid).is_some_and(|state| state != 'Z')
}

/// The letter that `/proc` gives for the state of a process, if there is one.
pub fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// The command line of a process, its arguments apart by spaces.
pub fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
