//! Where accepted events wait for the pipeline, and what an acknowledgement means.
//!
//! - By default it is the [`spool`](super::spool): 200 means that the events are on this machine's disk.
//! - With `TENREC_ACK=store` it is a bounded queue in memory (`queue`), for platforms whose disk is not kept: 200 means that
//!   both stores have the events. Requests that wait together are stored as one batch. When the stores take too long the
//!   sender hears 503 and sends again; events that were stored after all are then left out by their uuid, as ever.
//!
//! Door and pipeline see [`Intake`] and [`IntakeReader`] and cannot tell which it is.

mod either;
mod queue;

pub use either::{Intake, IntakeReader};
pub use queue::{Queue, QueueConfig, QueueReader};
