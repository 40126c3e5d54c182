//! How questions are run: not twice, not all at once, and not for nobody.
//!
//! [`Running`] holds what was answered a moment ago, joins whoever asks what is being answered already, and lets questions in by
//! turns.
//!
//! # What is used again
//!
//! An answer is fresh for so long ([`fresh_for`]), and is given to whoever asks the same of the same project within that time:
//!
//! | the question's dates | by | fresh for |
//! |---|---|---|
//! | reach into the present, or are none | minute | 2 s |
//! | | hour, or no interval | 5 s |
//! | | day | 10 s |
//! | | week | 20 s |
//! | | month | 30 s |
//! | ended, and only late events can come | any | 60 s |
//!
//! So a new event shows within seconds, and nothing that is called an answer is older than a minute. Its age counts from when
//! the store was asked, not from when it was done. Answers stay ten minutes longer for who asks for any answer there is; those
//! that were asked before somebody was erased are used no more. All of it is in memory, bounded in bytes, and of this process.
//!
//! # Whose turn it is
//!
//! Each question takes a place from [`Queue`] before a store hears of it: so many in all, fewer for one project, and fewer still
//! for the programs among those who ask. Whoever waits too long, or behind too many, is told to come again.
//!
//! # For whom
//!
//! A question runs as long as somebody waits for it. When the last one goes, it is dropped, which ends its statements in
//! ClickHouse (see `storage/ch/client.rs`).

mod answer;
mod cache;
mod flights;
mod freshness;
mod key;
mod queue;
mod reply;
mod runner;
mod statuses;

pub use answer::JsonAnswer;
pub use freshness::fresh_for;
pub use key::QueryKey;
pub use queue::{Crowded, Lane, Place, Queue, QueueLimits};
pub use reply::{Answered, Asking, Ran, Reply, Wish};
pub use runner::{Running, RunningLimits};
pub use statuses::{QueryStatus, StatusState};
