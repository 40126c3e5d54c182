//! `TrendsQuery`: numbers of events, of people, of whatever an event holds, over time or for a whole range.
//!
//! [`read`] says what is asked, [`measure`] what a series counts and [`breakdown`] by which values it is split; [`ask`] asks
//! the store one statement a series, over the same values where a formula needs that ([`together`]), [`laid_out`] lays its
//! numbers over the buckets, [`derived`] and [`formula`] make further ones of these lines, and [`shape`] writes the answer. [`people`] are
//! those behind a number.

mod ask;
mod breakdown;
mod derived;
mod formula;
mod formula_parser;
mod laid_out;
mod line;
mod measure;
mod page;
mod people;
mod read;
mod run;
mod shape;
mod together;

pub use page::run_trends;
pub use people::trends_people;
pub use run::run_trends_query;
