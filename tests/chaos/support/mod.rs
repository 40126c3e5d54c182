//! What this test has in common with the integration tests: the real program as a process, and stores of its own.

#![allow(dead_code, unused_imports, reason = "shared with another test, which uses more of it")]

#[path = "../../it/support/browser.rs"]
mod browser;
#[path = "../../it/support/process.rs"]
mod process;
#[path = "../../it/support/reply.rs"]
mod reply;
#[path = "../../it/support/stores.rs"]
mod stores;

pub use browser::Browser;
pub use process::{Tenrec, children_of, command_line, is_alive, state_of};
pub use reply::Reply;
pub use stores::{SharedStores, eventually};
