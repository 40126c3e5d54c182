//! The two stores. Nothing outside this module holds a database client.

pub mod ch;
pub mod pg;
