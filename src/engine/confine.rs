//! Confinement of the engine process by the kernel (Landlock).
//!
//! SQL reaches files and addresses: `file()`, `INTO OUTFILE`, `url()`, `remote()`. The engine has no
//! users or grants in-process, so the kernel draws the line instead: the data directory, and nothing
//! else of the file system or the network. Threads inherit the line only if they start behind it, so
//! this runs before any is started.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// The newest kernel interface this was tested with; older kernels enforce what they know of it.
const TESTED_ABI: ABI = ABI::V7;

/// Read for metrics, stack traces, time zones, and to know `localhost` (a dictionary filled by a query
/// names it); other names stay unknown, without `resolv.conf`.
///
/// Every thread of a query reads its `/proc/self/task/TID/schedstat`, and where it may not, the engine composes an error with a
/// stack trace, eleven times for `SELECT 1`: most of what a short statement costs. Of a thread one may read what the process
/// knows anyway; its environment is empty.
///
/// Otherwise single files rather than all of `/proc`: Landlock does not keep a process from reading another's
/// `/proc/PID/environ` (measured on 6.18), which holds the secrets Tenrec was started with.
const READABLE: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/vmstat",
    "/proc/sys/vm",
    "/proc/self/cgroup",
    "/proc/self/io",
    "/proc/self/limits",
    "/proc/self/loginuid",
    "/proc/self/maps",
    "/proc/self/mountinfo",
    "/proc/self/stat",
    "/proc/self/statm",
    "/proc/self/status",
    "/proc/self/task",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/usr/share/zoneinfo",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/timezone",
    "/dev/random",
    "/dev/urandom",
];

/// How much of the confinement this kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Files and network.
    Full,
    /// An older kernel: some rights are not covered (before 6.7, the network).
    Partial,
    /// The kernel has no Landlock, or it is switched off.
    None,
}

/// Confines this process for good to its data directory. In the socket's directory it may only remove
/// files (its socket, at the end). What is already open, listeners included, stays usable.
pub fn confine(data_dir: &Path, socket_dir: Option<&Path>) -> Result<Confinement, RulesetError> {
    let readable = READABLE.iter().map(|path| (PathBuf::from(path), AccessFs::from_read(TESTED_ABI)));
    let null = (PathBuf::from("/dev/null"), AccessFs::ReadFile | AccessFs::WriteFile);
    let data = (data_dir.to_owned(), AccessFs::from_all(TESTED_ABI));
    let socket = socket_dir.map(|path| (path.to_owned(), AccessFs::RemoveFile.into()));

    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(TESTED_ABI))?
        .handle_access(AccessNet::from_all(TESTED_ABI))?
        .scope(Scope::from_all(TESTED_ABI))?
        .create()?;
    for (path, access) in readable.chain([null, data]).chain(socket) {
        // Not every machine has every one of them; what is missing needs no permission.
        let Ok(opened) = PathFd::new(&path) else {
            continue;
        };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(TESTED_ABI) };
        rules = rules.add_rule(PathBeneath::new(&opened, access))?;
        // A file of /proc is made anew once nothing holds it, and a rule is on the file, not its name.
        std::mem::forget(opened);
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Confinement::Full,
        RulesetStatus::PartiallyEnforced => Confinement::Partial,
        RulesetStatus::NotEnforced => Confinement::None,
    })
}
