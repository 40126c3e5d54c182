//! Stops a process at its k-th touch of the disk, by ptrace.
//!
//! What `strace --inject=…:signal=SIGKILL:when=k` does, with two differences that an enumeration needs: touches are counted
//! over all threads of the process (strace counts each thread by itself, so that which touch is the k-th of a pool of
//! threads is chance), and the process ends *before* the call takes effect, so that k = 1, 2, 3 … goes through every state
//! that a crash can leave.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

/// What `ptrace_syscall_info::op` says at the entry of a call.
const ENTRY: u8 = 1;

/// A call that changes files, about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    pub call: &'static str,
    /// What it is done to; of a rename, the old name.
    pub path: PathBuf,
}

impl Touch {
    /// How it is told in a message: the call and the end of the path.
    pub fn describe(&self) -> String {
        let mut parts: Vec<_> = self.path.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
        parts.reverse();
        format!("{} {}", self.call, parts.join("/"))
    }
}

/// A process whose touches are counted, until it ends.
pub struct Trace {
    thread: JoinHandle<Vec<Touch>>,
}

/// Which touches count.
pub type Filter = Box<dyn Fn(&Touch) -> bool + Send>;

impl Trace {
    /// Attaches to all threads of a process and lets it run. It is killed right before its `kill_at`-th touch, if one is
    /// given and it comes so far; the last of [`Trace::touches`] is then the one that was not made.
    ///
    /// While it is traced nobody else of this process may wait for it: the kernel would hand them its stops.
    pub fn attach(process: u32, filter: Filter, kill_at: Option<usize>) -> Self {
        let (attached, wait) = mpsc::channel();
        let process = Pid::from_raw(process.cast_signed());
        let thread = std::thread::spawn(move || {
            let mut tracer = Tracer { process, filter, kill_at, touches: Vec::new(), calls: changing_calls() };
            tracer.attach();
            attached.send(()).expect("somebody waits for this");
            tracer.run();
            tracer.touches
        });
        wait.recv().expect("ptrace is needed here: as root or the same user, without a seccomp filter that forbids it");
        Self { thread }
    }

    /// Waits for the end of the process; gives what it touched until then, in order.
    pub fn touches(self) -> Vec<Touch> {
        self.thread.join().expect("the tracer does not panic")
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Where the file is among the arguments of a call.
#[derive(Clone, Copy)]
enum Place {
    Descriptor,
    Path(usize),
    /// Relative to the descriptor before it.
    PathAt(usize),
}

fn changing_calls() -> HashMap<i64, (&'static str, Place)> {
    let mut calls: HashMap<i64, (&'static str, Place)> = [
        (libc::SYS_write, "write", Place::Descriptor),
        (libc::SYS_writev, "writev", Place::Descriptor),
        (libc::SYS_pwrite64, "pwrite", Place::Descriptor),
        (libc::SYS_pwritev, "pwritev", Place::Descriptor),
        (libc::SYS_pwritev2, "pwritev", Place::Descriptor),
        (libc::SYS_fsync, "fsync", Place::Descriptor),
        (libc::SYS_fdatasync, "fdatasync", Place::Descriptor),
        (libc::SYS_ftruncate, "ftruncate", Place::Descriptor),
        (libc::SYS_fallocate, "fallocate", Place::Descriptor),
        (libc::SYS_truncate, "truncate", Place::Path(0)),
        (libc::SYS_renameat2, "rename", Place::PathAt(1)),
        (libc::SYS_unlinkat, "unlink", Place::PathAt(1)),
        (libc::SYS_mkdirat, "mkdir", Place::PathAt(1)),
        (libc::SYS_linkat, "link", Place::PathAt(1)),
    ]
    .map(|(number, name, place)| (number, (name, place)))
    .into();
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        (libc::SYS_rename, ("rename", Place::Path(0))),
        (libc::SYS_renameat, ("rename", Place::PathAt(1))),
        (libc::SYS_unlink, ("unlink", Place::Path(0))),
        (libc::SYS_rmdir, ("rmdir", Place::Path(0))),
        (libc::SYS_mkdir, ("mkdir", Place::Path(0))),
        (libc::SYS_link, ("link", Place::Path(0))),
    ]);
    calls
}

struct Tracer {
    process: Pid,
    filter: Filter,
    kill_at: Option<usize>,
    touches: Vec<Touch>,
    calls: HashMap<i64, (&'static str, Place)>,
}

impl Tracer {
    /// Takes every thread. One that is started meanwhile is taken with the thread that starts it, or found by looking again.
    fn attach(&self) {
        let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
        let mut taken = Vec::new();
        loop {
            let threads = std::fs::read_dir(format!("/proc/{}/task", self.process)).expect("the process runs");
            let ids = threads.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
            let new: Vec<i32> = ids.filter(|id| !taken.contains(id)).collect();
            if new.is_empty() {
                return;
            }
            for id in new {
                taken.push(id);
                match ptrace::seize(Pid::from_raw(id), options) {
                    Ok(()) => drop(ptrace::interrupt(Pid::from_raw(id))),
                    // It has ended, or was taken with its starter.
                    Err(Errno::ESRCH | Errno::EPERM) if id != self.process.as_raw() => {}
                    Err(error) => panic!("could not trace process {}: {error}", self.process),
                }
            }
        }
    }

    /// Serves every stop until the process has ended. Its end is left for its parent to see.
    fn run(&mut self) {
        let ours = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let look = ours | WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
        loop {
            let seen = match waitid(Id::All, look) {
                Ok(seen) => seen,
                Err(Errno::EINTR) => continue,
                // Nobody is left to trace.
                Err(_) => return,
            };
            let Some(thread) = seen.pid() else { continue };
            if matches!(seen, WaitStatus::Exited(..) | WaitStatus::Signaled(..)) && thread == self.process {
                return;
            }
            match waitpid(thread, Some(ours)) {
                Ok(WaitStatus::PtraceSyscall(_)) => {
                    if ptrace::syscall_info(thread).is_ok_and(|info| info.op == ENTRY) {
                        self.enter(thread);
                    }
                    let _ = ptrace::syscall(thread, None);
                }
                // Our own doing, a new thread's first stop, or a stop of the whole process, which a trace need not keep.
                Ok(WaitStatus::PtraceEvent(..)) => drop(ptrace::syscall(thread, None)),
                Ok(WaitStatus::Stopped(_, signal)) => drop(ptrace::syscall(thread, signal)),
                _ => {}
            }
        }
    }

    fn enter(&mut self, thread: Pid) {
        let Some(touch) = self.touch(thread) else { return };
        let is_killed = self.kill_at.is_some_and(|at| self.touches.len() >= at);
        if is_killed || !(self.filter)(&touch) {
            return;
        }
        self.touches.push(touch);
        if self.kill_at == Some(self.touches.len()) {
            // A call that is entered by a killed thread is not made.
            let _ = kill(self.process, Signal::SIGKILL);
        }
    }

    /// The call that a stopped thread is about to make, if it changes files.
    fn touch(&self, thread: Pid) -> Option<Touch> {
        let text = std::fs::read_to_string(format!("/proc/{thread}/syscall")).ok()?;
        let mut words = text.split_whitespace();
        let (call, place) = *self.calls.get(&words.next()?.parse().ok()?)?;
        let arguments: Vec<u64> =
            words.map_while(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok()).collect();
        let opened = |argument: usize| {
            let descriptor = *arguments.get(argument)? as u32 as i32;
            let link = if descriptor == libc::AT_FDCWD { "cwd".to_owned() } else { format!("fd/{descriptor}") };
            std::fs::read_link(format!("/proc/{thread}/{link}")).ok()
        };
        let path = match place {
            Place::Descriptor => opened(0)?,
            Place::Path(argument) => text_at(thread, *arguments.get(argument)?)?,
            Place::PathAt(argument) => {
                let path = text_at(thread, *arguments.get(argument)?)?;
                if path.is_absolute() { path } else { opened(argument - 1)?.join(path) }
            }
        };
        Some(Touch { call, path })
    }
}

/// A C string in a process' memory.
fn text_at(process: Pid, address: u64) -> Option<PathBuf> {
    let memory = File::open(format!("/proc/{process}/mem")).ok()?;
    let mut bytes = Vec::new();
    // Byte by page: a string may end right before memory that is not there.
    while bytes.len() < 4096 {
        let at = address + bytes.len() as u64;
        let mut page = vec![0; (4096 - at % 4096) as usize];
        memory.read_exact_at(&mut page, at).ok()?;
        let end = page.iter().position(|byte| *byte == 0);
        bytes.extend_from_slice(&page[..end.unwrap_or(page.len())]);
        if end.is_some() {
            break;
        }
    }
    Some(Path::new(std::str::from_utf8(&bytes).ok()?).to_owned())
}
