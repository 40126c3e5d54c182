//! `RetentionQuery`: of those who did something in an interval, how many did something in the intervals after.
//!
//! Rows are the intervals of the range: those up to its end, as many as are asked for, if it says no start. Each row looks
//! as many intervals ahead as are asked for, never beyond the end of the range.

mod answer;
mod breakdown;
mod entity;
mod range;
mod read;

pub use answer::{retention_people, run_retention};
