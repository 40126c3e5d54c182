//! The stores that come with Tenrec: Postgres and the ClickHouse engine as supervised child processes.
//!
//! Each child has a thread of its own that starts it, waits for it and starts it again; the kernel ends the child if that
//! thread dies, so nothing is left over after a crash of Tenrec. Both listen on Unix sockets only, in a directory that
//! nobody else may enter.

mod child;
mod data_dir;
mod die_with_parent;
mod engine;
mod error;
mod files;
mod parts;
mod postgres;
mod stores;

pub use data_dir::DataDir;
pub use error::EmbeddedError;
pub use parts::{Parts, geoip_database};
pub use stores::{Embedded, EmbeddedSockets};
