//! A child process that is started again when it ends.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::EmbeddedError;
use super::die_with_parent::die_with_parent;
use crate::telemetry::metrics;

/// How often a child may end before it was ever ready; then it is given up.
const FIRST_ATTEMPTS: u32 = 5;
/// How long a failure that passes by itself may take to do so.
const PASSES_WITHIN: Duration = Duration::from_secs(30);
/// How long a child may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After so long a life the next pause is the shortest again.
const LONG_LIFE: Duration = Duration::from_secs(30);
/// How often a starting child is asked whether it is ready, and a ready one whether it lives.
const LOOK_WHILE_STARTING: Duration = Duration::from_millis(10);
const LOOK_WHILE_READY: Duration = Duration::from_millis(250);

/// How to run a child.
pub(super) struct Plan {
    /// How the log and errors call it.
    pub name: &'static str,
    /// Makes the command anew for every start, after clearing what the last run may have left.
    pub command: Box<dyn Fn() -> io::Result<Command> + Send>,
    /// Whether the child of this pid serves.
    pub is_ready: Box<dyn Fn(u32) -> bool + Send>,
    /// What the kernel sends it when Tenrec dies.
    pub death_signal: Signal,
    /// What ends it, one after the other, each with its patience; SIGKILL follows.
    pub stop: &'static [(Signal, Duration)],
    /// Whether what it said before it ended will pass by itself: what the last run has not let go of yet.
    pub passes_by_itself: fn(&str) -> bool,
    /// Writes one line of its output to the log.
    pub log: fn(&str),
}

/// A child under supervision. Dropping it stops the child.
pub(super) struct Supervised {
    name: &'static str,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    phase: Phase,
    stop_requested: bool,
    pid: Option<u32>,
    last_lines: VecDeque<String>,
    output_ended: bool,
}

#[derive(Default)]
enum Phase {
    #[default]
    Starting,
    Ready,
    Failed(String),
    Stopped,
}

impl fmt::Debug for Supervised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised").field("name", &self.name).field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl Supervised {
    /// Starts the child on a thread of its own.
    pub fn start(plan: Plan) -> Self {
        let name = plan.name;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || supervise(&plan, &theirs))
            .expect("the system gives one more thread");
        Self { name, shared, thread: Some(thread) }
    }

    /// Waits until the child serves for the first time.
    ///
    /// # Errors
    /// If it ended [`FIRST_ATTEMPTS`] times before, or took longer than [`READY_WITHIN`].
    pub fn wait_until_ready(&self) -> Result<(), EmbeddedError> {
        let mut state = self.shared.lock();
        loop {
            match &state.phase {
                Phase::Ready => return Ok(()),
                Phase::Failed(reason) => {
                    return Err(EmbeddedError::Start { name: self.name, reason: reason.clone() });
                }
                Phase::Stopped => {
                    return Err(EmbeddedError::Start { name: self.name, reason: "it was stopped".to_owned() });
                }
                Phase::Starting => state = self.shared.changed.wait(state).unwrap_or_else(|e| e.into_inner()),
            }
        }
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.shared.lock().pid
    }

    /// Asks the child to end and waits until it has; as long as its plan says, then it is killed.
    pub fn stop(&mut self) {
        self.shared.lock().stop_requested = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn set(&self, phase: Phase) {
        self.lock().phase = phase;
        self.changed.notify_all();
    }

    /// Waits for so long, or until somebody asks for the end. Gives whether somebody did.
    fn pause(&self, time: Duration) -> bool {
        let state = self.lock();
        let (state, _) =
            self.changed.wait_timeout_while(state, time, |s| !s.stop_requested).unwrap_or_else(|e| e.into_inner());
        state.stop_requested
    }
}

/// The life of the supervising thread.
fn supervise(plan: &Plan, shared: &Arc<Shared>) {
    let began = Instant::now();
    let mut was_ready = false;
    let mut failures = 0;
    let mut pause = SHORTEST_PAUSE;
    loop {
        let started = Instant::now();
        let end = run_once(plan, shared, &mut was_ready);
        shared.lock().pid = None;
        let reason = match end {
            End::Stopped => return shared.set(Phase::Stopped),
            End::Ended(reason) => reason,
        };
        failures += 1;
        let may_pass = (plan.passes_by_itself)(&reason) && began.elapsed() < PASSES_WITHIN;
        if !was_ready && failures >= FIRST_ATTEMPTS && !may_pass {
            return shared.set(Phase::Failed(reason));
        }
        if started.elapsed() > LONG_LIFE {
            pause = SHORTEST_PAUSE;
        }
        if was_ready {
            tracing::warn!(child = plan.name, "{} ended ({reason}); starting it again in {pause:?}", plan.name);
        } else {
            tracing::debug!(child = plan.name, "{} did not start ({reason}); trying again in {pause:?}", plan.name);
        }
        shared.lock().phase = Phase::Starting;
        if shared.pause(pause) {
            return shared.set(Phase::Stopped);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        metrics::CHILD_RESTARTS.with(plan.name).add(1);
    }
}

enum End {
    Stopped,
    Ended(String),
}

/// One life of the child, until it ends or somebody asks for the end.
fn run_once(plan: &Plan, shared: &Arc<Shared>, was_ready: &mut bool) -> End {
    let mut child = match spawn(plan, shared) {
        Ok(child) => child,
        Err(e) => return End::Ended(format!("could not run it: {e}")),
    };
    let started = Instant::now();
    let mut is_ready = false;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return End::Ended(why(shared, status)),
            Ok(None) => {}
            Err(e) => return End::Ended(format!("could not wait for it: {e}")),
        }
        if !is_ready && (plan.is_ready)(child.id()) {
            is_ready = true;
            if *was_ready {
                tracing::info!(child = plan.name, "{} is back after {:.1?}", plan.name, started.elapsed());
            }
            *was_ready = true;
            shared.set(Phase::Ready);
        }
        if !is_ready && started.elapsed() > READY_WITHIN {
            end(plan, &mut child);
            return End::Ended(format!("not ready within {} s", READY_WITHIN.as_secs()));
        }
        if shared.pause(if is_ready { LOOK_WHILE_READY } else { LOOK_WHILE_STARTING }) {
            end(plan, &mut child);
            return End::Stopped;
        }
    }
}

fn spawn(plan: &Plan, shared: &Arc<Shared>) -> io::Result<Child> {
    let (output, input) = io::pipe()?;
    let mut command = (plan.command)()?;
    // Its own process group: Ctrl-C on the terminal is for Tenrec, which stops its children when it has drained.
    command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input).process_group(0);
    die_with_parent(&mut command, plan.death_signal);
    let child = command.spawn()?;
    {
        let mut state = shared.lock();
        state.pid = Some(child.id());
        state.output_ended = false;
        state.last_lines.clear();
    }
    let (log, theirs) = (plan.log, Arc::clone(shared));
    std::thread::Builder::new().name(format!("{} output", plan.name)).spawn(move || forward(output, log, &theirs))?;
    Ok(child)
}

/// Writes a child's output to the log, and remembers the last lines.
fn forward(output: PipeReader, log: fn(&str), shared: &Shared) {
    const LINE_MAX_BYTES: u64 = 8192;
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.by_ref().take(LINE_MAX_BYTES).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if text.is_empty() {
            continue;
        }
        log(&text);
        let mut state = shared.lock();
        state.last_lines.push_back(text);
        if state.last_lines.len() > 20 {
            state.last_lines.pop_front();
        }
    }
    shared.lock().output_ended = true;
    shared.changed.notify_all();
}

/// What a child said before it ended, else how it ended: one line.
fn why(shared: &Shared, status: ExitStatus) -> String {
    let state = shared.lock();
    // Its own children may hold the pipe a moment longer than it does.
    let (state, _) = shared
        .changed
        .wait_timeout_while(state, Duration::from_millis(300), |s| !s.output_ended)
        .unwrap_or_else(|e| e.into_inner());
    let telling = |line: &&String| ["FATAL", "PANIC", "rror"].iter().any(|word| line.contains(word));
    let last = state.last_lines.iter().rev().find(telling).or(state.last_lines.back());
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    };
    match last {
        Some(line) if status.code().is_some() => format!("{line} ({how})"),
        _ => how,
    }
}

/// Ends a child as its plan says.
fn end(plan: &Plan, child: &mut Child) {
    let pid = i32::try_from(child.id()).map(Pid::from_raw).expect("a process id is an i32");
    for (signal, patience) in plan.stop {
        let _ = kill(pid, *signal);
        let asked = Instant::now();
        while asked.elapsed() < *patience {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        tracing::warn!(child = plan.name, "{} did not end within {patience:?} after {signal}", plan.name);
    }
    let _ = child.kill();
    let _ = child.wait();
}
