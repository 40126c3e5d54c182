//! `PathsQuery`: what people do one after another, and how often.
//!
//! An item is what an event is called here: a page view by its address, a screen by its name, others by the event's name or
//! by an expression. A path is a sitting's items until its steps are full, from a start or up to an end if one is given;
//! or what those who are at a step of a funnel did around it.

mod answer;
mod around;
mod read;

pub use answer::{paths_people, run_paths};
