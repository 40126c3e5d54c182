//! What people may ask about themselves: everything that is stored of one person ([`export`]), and to be erased ([`erase`]).
//!
//! # An erasure
//!
//! 1. *At once*, while no instance stores: what Postgres holds of the person goes in one transaction, and their distinct ids
//!    are marked by a keyed hash with the moment. From then on the pipeline leaves out what happened or came in before,
//!    whether it waits in a spool, is handed out again, or is sent again by its client.
//! 2. *Hide*: their rows leave every query of ClickHouse, and their lines every file of the quarantine. *Settle* does it once
//!    more when what was under way is over, and counts. Everybody of a project whose erasure is at these steps goes with the
//!    same deletes, each counted alone.
//! 3. *Scrub*: ClickHouse writes the parts anew without the rows, Postgres the tables, its planner's samples and, where it lets
//!    us, its log.
//! 4. *Wait*: until ClickHouse has removed the old parts (eight minutes by its defaults) and the spool the segments that it keeps
//!    for a while (`TENREC_SPOOL_KEEP_MINUTES`). Then the receipt is signed.
//!
//! The job is a row in Postgres, each step may be done twice, and whichever instance finds it goes on with it ([`worker`]).
//!
//! # What is left
//!
//! - Blocks that a deleted file had on the disk are not overwritten, and backups are not touched.
//! - A large installation rewrites its tables of persons at most twelve hours later: it takes their lock.
//! - A managed Postgres keeps its log as long as it wants; a ClickHouse server what it logs of queries.
//! - What *other* people's events say about the person stays: a refused merge names both.
//! - A session that two people shared goes for both.
//! - Other instances clean their own quarantine within seconds, and their spools by age; the receipt counts those of the instance
//!   that did the job.

pub mod erase;
pub mod error;
pub mod export;
mod hiding;
mod job;
mod preview;
mod receipt;
mod spool_count;
mod steps;
pub mod worker;
mod zip;

use std::sync::Arc;

use tokio::sync::Notify;
use uuid::Uuid;

use crate::ingest::intake::Intake;
use crate::ingest::pipeline::PipelineHandle;
use crate::model::Clock;
use crate::storage::ch::ClickHouse;
use crate::storage::pg::Pg;

pub use error::PrivacyError;
pub use export::Export;
pub use preview::Preview;
pub use receipt::{SignedReceipt, verify};

/// The door to all of it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Privacy {
    pg: Pg,
    ch: ClickHouse,
    clock: Clock,
    intake: Intake,
    pipeline: PipelineHandle,
    /// Wakes the worker.
    wake: Arc<Notify>,
    /// Names this run of this instance.
    run: Uuid,
}

impl Privacy {
    /// On these stores, this spool and this quarantine.
    #[must_use]
    pub fn new(pg: Pg, ch: ClickHouse, clock: Clock, intake: Intake, pipeline: PipelineHandle) -> Self {
        let run = clock.new_uuid();
        Self { pg, ch, clock, intake, pipeline, wake: Arc::default(), run }
    }
}
