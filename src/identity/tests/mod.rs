//! The rules of identity on a store in memory.

mod parting;
mod rules;
mod store;
