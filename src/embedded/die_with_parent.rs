//! A child must not outlive Tenrec, however Tenrec ends.

use std::process::Command;

use nix::sys::signal::Signal;

/// Has the kernel send `signal` to the child when **the thread that spawns it** ends: spawn from a thread that lives as long
/// as the child may. Elsewhere than on Linux this does nothing.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a hook between fork and exec has no safe form; this one makes two system calls")]
pub(super) fn die_with_parent(command: &mut Command, signal: Signal) {
    use std::io;
    use std::os::unix::process::CommandExt;

    use nix::sys::prctl::set_pdeathsig;
    use nix::unistd::{Pid, getppid};

    let parent = Pid::this();
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; prctl and getppid are, and nothing here
    // allocates. It runs after the child took its uid, which would clear the setting.
    unsafe {
        command.pre_exec(move || {
            set_pdeathsig(signal)?;
            // Tenrec may have ended before the setting took effect.
            if getppid() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(nix::libc::ESRCH)) }
        });
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn die_with_parent(_: &mut Command, _: Signal) {}
