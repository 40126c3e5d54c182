//! Everything with a door, tested through it, on the real engines.

mod layering;
