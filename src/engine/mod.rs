//! The embedded ClickHouse: one process that loads the engine as a library and speaks ClickHouse's
//! HTTP interface, so that the rest of Tenrec (and any ClickHouse client) cannot tell it from a server.
//!
//! `options` → `process` starts it: lock, listeners, library, confinement, engine, server, orderly end.
//! A request goes `http::service` → `http::request` (parameters, body) → a thread of its own, where
//! `http::execution` opens a session (`pool`), splits an insert's data from its statement
//! (`statement`, `lexer`) and runs it (`ffi`) → `http::response` (streamed back as it is made).
//!
//! Q: why split the data off? The library cuts inline binary rows at the first empty line, without an
//! error; given apart from the statement they arrive whole.
//! Q: why not stream every answer? Formats with a footer (`JSON`, `Pretty`, …) count only the last
//! piece in it when streamed; they are made whole instead.

mod confine;
mod error;
mod ffi;
mod http;
mod lexer;
mod options;
mod pool;
mod process;
mod server_config;
mod statement;

pub use options::{EngineOptions, InvalidOptions};
pub use process::run;
