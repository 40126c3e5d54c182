//! `tenrec demo`: a month in the life of a plausible small shop, sent through the same door as everybody's events.
//!
//! Everything follows from a seed: who the people are, when they come, what they do. Uuids too, so a second run with the
//! same options adds nothing. [`DemoOptions::events`] makes the events, in the order they happened and in the form an SDK
//! sends; [`Sender`] posts them.
//!
//! The shop has things in it worth finding: growth, a weekly rhythm, a newsletter on Tuesdays, an experiment with a new
//! checkout that helps, and four days on which payments were broken in Safari.

mod browser;
mod calendar;
mod catalogue;
mod events;
mod people;
mod rng;
mod send;
mod story;

#[cfg(test)]
mod tests;

pub use browser::DemoEvent;
pub use events::{DemoEvents, DemoOptions};
pub use send::{LastBatch, SendError, Sender};
