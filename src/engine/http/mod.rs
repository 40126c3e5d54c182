//! ClickHouse's HTTP interface, as far as its official clients use it.
//!
//! Not offered: sessions that outlive a request (`session_id` is accepted and ignored), external data
//! tables, roles, and `KILL QUERY` by the `query_id` of a client (one that goes away cancels its statement).

mod auth;
mod compression;
mod execution;
mod formats;
mod multipart;
mod request;
mod response;
mod server;
mod service;
mod status;

pub use auth::Access;
pub use server::Server;
