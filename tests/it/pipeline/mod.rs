//! From the spool into both stores: exactly once, whatever dies on the way.

mod crashes;
mod identity;
mod ledger;
mod merges;
mod mirrors;
mod people_mirror;
pub mod proxy;
mod restored;
mod rig;
mod round_trip;
mod sessions;
mod turns;
