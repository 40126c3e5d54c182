//! Retention: of those who did something in an interval, how many did something so many intervals later.
//!
//! Where it is enough to know in which intervals of the calendar somebody was there, [`bits`] asks: a bit for each interval,
//! and people who were there in the same intervals are counted before their intervals are laid beside each other. Where the
//! moments or the events matter (windows from the moment, several events a return, sums of a property) [`moments`] keeps those
//! of each person.

mod bits;
mod moments;
mod question;

pub use question::{
    Begins, RetentionPoint, RetentionQuestion, ValueOf, retention_others, retention_people_sql, retention_sql,
};
