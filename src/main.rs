//! Tenrec's one binary.

fn main() {}
