//! What every handler may reach.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Limits;
use crate::config::{Config, QueryLimits};
use crate::ingest::Door;
use crate::ingest::enrich::Enricher;
use crate::ingest::intake::Intake;
use crate::ingest::pipeline::PipelineHandle;
use crate::insights::running::{QueueLimits, Running, RunningLimits};
use crate::model::Clock;
use crate::privacy::Privacy;
use crate::storage::ch::ClickHouse;
use crate::storage::pg::Pg;

/// Questions of a project that may wait for their turn.
const MAX_WAITING_PER_PROJECT: usize = 100;

/// The state of the server, shared by all handlers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    limits: Limits,
    door: Door,
    privacy: Privacy,
    running: Running,
}

/// The parts of [`AppState`].
#[derive(Debug)]
pub struct Parts {
    pub config: Config,
    pub clock: Clock,
    pub pg: Pg,
    pub ch: ClickHouse,
    /// Where accepted events wait; an append returns when they may be acknowledged.
    pub intake: Intake,
    /// What is added to events.
    pub enricher: Enricher,
    /// What became of them.
    pub pipeline: PipelineHandle,
    /// Cancelled when the server takes no more requests: an answer that waits for something ends then.
    pub shutdown: CancellationToken,
    /// Where a handler starts a task that outlives its answer, so that the end waits for it.
    pub tasks: TaskTracker,
}

impl AppState {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let limits = Limits::new(&parts.clock, &parts.config.limits);
        let door = Door::new(parts.pg.clone(), parts.clock.clone(), parts.config.limits.clone(), parts.intake.clone())
            .with_enricher(parts.enricher.clone());
        let (pg, ch, clock) = (parts.pg.clone(), parts.ch.clone(), parts.clock.clone());
        let stores = (ch.clone(), pg.clone(), clock.clone());
        let privacy = Privacy::new(pg, ch, clock, parts.intake.clone(), parts.pipeline.clone());
        let run = running_limits(&parts.config.limits.queries);
        let running = Running::new(stores, parts.tasks.clone(), parts.shutdown.clone(), run);
        Self(Arc::new(Inner { parts, limits, door, privacy, running }))
    }

    /// Where events come in.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.0.door
    }

    /// What people may ask about themselves.
    #[must_use]
    pub fn privacy(&self) -> &Privacy {
        &self.0.privacy
    }

    /// What runs questions.
    #[must_use]
    pub fn running(&self) -> &Running {
        &self.0.running
    }

    /// How often is too often.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

/// How the configuration says that questions are run.
fn running_limits(config: &QueryLimits) -> RunningLimits {
    RunningLimits {
        cache_bytes: config.query_cache_mb << 20,
        queue: QueueLimits {
            places: config.max_queries,
            places_per_project: config.max_queries_per_project,
            waiting_per_project: MAX_WAITING_PER_PROJECT,
            patience: Duration::from_secs(config.query_wait_seconds),
        },
    }
}
