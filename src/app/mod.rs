//! The composition root: stores, state, routers, workers, and their orderly end.

mod lifecycle;
mod migrate;
mod router;
mod sdk_routes;
mod serve;
mod server;
mod stores;

pub use lifecycle::Lifecycle;
pub use migrate::migrate;
pub use router::router;
pub use serve::{prepare, serve};
pub use server::Server;
pub use stores::Stores;
