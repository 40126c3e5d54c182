//! What every test stands on: the real stores, started once per process, and a real server with fresh databases.

#![allow(dead_code, unused_imports, reason = "each test uses what it needs")]

mod app;
mod browser;
mod engine;
mod packing;
mod people;
mod process;
mod reply;
mod stores;

pub use app::{TestApp, TestAppBuilder};
pub use browser::Browser;
pub use engine::{Engine, Options, repository};
pub use packing::{gzip, zlib};
pub use people::{Owner, PASSWORD, setup_fields};
pub use process::{Tenrec, children_of, command_line, is_alive};
pub use reply::Reply;
pub use stores::{SharedStores, eventually, parts_dir};
