//! Tenrec's one binary: parses the command line, starts the log, hands over.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A batch of events is many small pieces, made and let go within a second: glibc's allocator asks the kernel for the pages
/// anew each time, and keeps twice as much.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    take_small_pages();
    match tenrec::cli::parse(std::env::args_os()) {
        Ok(command) => tenrec::cli::run(command),
        Err(error) => error.exit(),
    }
}

/// The allocator asks for huge pages, of which a batch's pieces use a part. The kernel clears all of each: a fifth of the time
/// that storing took here. Both embedded stores, its children, go without them too. Where the kernel does not know the
/// question, all stays as it was.
fn take_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}
