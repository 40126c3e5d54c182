//! Tenrec's one binary: parses the command line, starts the log, hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    match tenrec::cli::parse(std::env::args_os()) {
        Ok(command) => tenrec::cli::run(command),
        Err(error) => error.exit(),
    }
}
