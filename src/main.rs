//! Tenrec's one binary: parses the command line, starts the log, hands over.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A batch of events is many small pieces, made and let go within a second: glibc's allocator asks the kernel for the pages
/// anew each time, and keeps twice as much.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match tenrec::cli::parse(std::env::args_os()) {
        Ok(command) => tenrec::cli::run(command),
        Err(error) => error.exit(),
    }
}
