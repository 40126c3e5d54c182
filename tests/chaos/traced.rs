//! A Tenrec that is traced from its first instruction on, and may end at any.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::state_of;
use crate::tracer::{Filter, Touch, Trace};
use crate::world::{World, signal};

/// A start or an end that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// The process. Dropping it kills it.
pub struct Traced {
    child: Child,
    trace: Option<Trace>,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Traced {
    /// Starts it on the data of a world in which nothing runs; see [`Trace::attach`].
    pub fn start(world: &World, filter: Filter, kill_at: Option<usize>) -> Self {
        let plain = world.command();
        // It stops itself before it becomes Tenrec, so that the tracer comes in time.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "kill -STOP $$; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let errors = sender.clone();
        let (output, error) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        std::thread::spawn(move || {
            BufReader::new(error).lines().map_while(Result::ok).try_for_each(|l| errors.send(l))
        });
        let asked = Instant::now();
        while state_of(child.id()) != Some('T') {
            assert!(asked.elapsed() < PATIENCE, "a shell does not stop");
            std::thread::sleep(Duration::from_millis(1));
        }
        let trace = Some(Trace::attach(child.id(), filter, kill_at));
        signal(child.id(), Signal::SIGCONT);
        Self { child, trace, lines, said: Vec::new() }
    }

    /// Waits until it serves and gives its address; nothing if it ended before.
    pub fn address(&mut self) -> Option<String> {
        let asked = Instant::now();
        loop {
            match self.lines.recv_timeout(PATIENCE.saturating_sub(asked.elapsed())) {
                Ok(line) => {
                    let address = line.split("is ready on ").nth(1).and_then(|rest| rest.split(' ').next());
                    let address = address.map(str::to_owned);
                    self.said.push(line);
                    if address.is_some() {
                        return address;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("is never ready; said:\n{}", self.said.join("\n")),
            }
        }
    }

    /// Asks it to end unless it is killed meanwhile; gives what it touched until the end.
    pub fn end(mut self) -> Vec<Touch> {
        signal(self.child.id(), Signal::SIGTERM);
        let touches = self.trace.take().expect("it is taken once").touches();
        let status = self.child.wait().unwrap();
        self.said.extend(self.lines.iter());
        let said = self.said.join("\n");
        assert!(status.signal() == Some(Signal::SIGKILL as i32) || status.code() == Some(0), "{status}; said:\n{said}");
        assert!(!said.contains("panicked"), "{said}");
        touches
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = self.child.kill();
        drop(self.trace.take().map(Trace::touches));
        let _ = self.child.wait();
    }
}
