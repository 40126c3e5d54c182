//! The way in: from a capture request to events that are safe on disk.
//!
//! Most requests are plain: `decode → glance → find the project → spool`, and the rest of the work is done behind the spool,
//! where it holds up nobody. What a [`glance`](super::glance) does not let pass goes the long way at once: `parse JSON → take
//! apart → find the project → check, complete and normalise each event → enrich → spool`.

use std::sync::Arc;

use serde_json::Value;

use super::ai_event::PartOutcome;
use super::cookieless::{self, Cookieless};
use super::enrich::{Enricher, Origin};
use super::inflate::InflateError;
use super::intake::Intake;
use super::project_keys::ProjectKeys;
use super::refusal::{CaptureError, Rejection};
use super::rejected::Arrivals;
use super::request::{CaptureRequest, Glanced, ReadRequest};
use super::scanned::{Facts, ScannedRequest};
use super::spool::SpoolError;
use super::v1::{V1Error, V1Request, V1Result};
use crate::config::LimitsConfig;
use crate::model::{Clock, ProjectApiKey, ProjectId, TokenBuckets};
use crate::storage::pg::Pg;
use crate::telemetry::metrics;

/// Larger bodies are read on a thread of their own, so that they do not hold up small ones.
const LARGE_BODY_BYTES: usize = 32 << 10;

/// Accepts events. Clones share what they know of keys, and the intake.
#[derive(Debug, Clone)]
pub struct Door {
    keys: ProjectKeys,
    clock: Clock,
    limits: LimitsConfig,
    intake: Intake,
    enricher: Enricher,
    cookieless: Cookieless,
    /// Events of each project.
    rate: Arc<Option<TokenBuckets<ProjectId>>>,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// How many of its events are on disk.
    pub events: usize,
    /// The events that are not, by their place in the request.
    pub rejected: Vec<(usize, Rejection)>,
}

impl Door {
    /// Puts the door in front of where accepted events wait.
    #[must_use]
    pub fn new(pg: Pg, clock: Clock, limits: LimitsConfig, intake: impl Into<Intake>) -> Self {
        let rate = Arc::new(TokenBuckets::new(limits.events_per_second, limits.events_burst, &clock));
        let cookieless = Cookieless::new(pg.clone(), clock.clone());
        let keys = ProjectKeys::new(pg, clock.clone());
        Self { keys, clock, limits, intake: intake.into(), enricher: Enricher::default(), cookieless, rate }
    }

    /// The same door, adding to events by this.
    #[must_use]
    pub fn with_enricher(self, enricher: Enricher) -> Self {
        Self { enricher, ..self }
    }

    /// Accepts the events of a request: when this returns, they are on disk.
    ///
    /// An event that cannot be accepted is left out alone and its neighbours are kept; only a request of nothing but such
    /// events is an error. What is known of those left out is on disk, too.
    ///
    /// # Errors
    /// See [`CaptureError`]; after an error nothing was accepted.
    pub async fn accept(&self, request: CaptureRequest) -> Result<Accepted, CaptureError> {
        self.accept_within(request, self.limits.clone()).await
    }

    /// Accepts events of language models, which may be larger than others.
    ///
    /// # Errors
    /// As [`Door::accept`].
    pub async fn accept_ai(&self, request: CaptureRequest) -> Result<Accepted, CaptureError> {
        self.accept_within(request, self.ai_limits()).await
    }

    /// Accepts one event of a language model that came as a form; `key` is the one in the request's headers. Says what became
    /// of each part: of what is no text, or does not fit, the event keeps the name only.
    ///
    /// # Errors
    /// As [`Door::accept`].
    pub async fn accept_form(
        &self,
        request: CaptureRequest,
        key: Option<ProjectApiKey>,
    ) -> Result<(Accepted, Vec<PartOutcome>), CaptureError> {
        let (body_bytes, limits, origin) = (request.body.len(), self.ai_limits(), request.origin.clone());
        let (form, limits) =
            off_the_reactor(body_bytes, move || (request.read_form(key.as_ref(), &limits), limits)).await?;
        let (read, parts) = form?;
        let accepted = self.accept_read(read, limits, origin, body_bytes).await?;
        for reason in parts.iter().filter_map(|part| part.dropped) {
            metrics::AI_PARTS_DROPPED.with(reason.code()).add(1);
        }
        Ok((accepted, parts))
    }

    /// Accepts the events of a request of capture v1: those that are not dropped are on disk when this returns.
    ///
    /// # Errors
    /// See [`V1Error`]; after an error nothing was accepted.
    pub async fn accept_v1(&self, request: V1Request) -> Result<Vec<V1Result>, V1Error> {
        let project_id = self.find_project(&request.key).await?;
        let body_bytes = request.body.len();
        let limits = if request.is_ai { self.ai_limits() } else { self.limits.clone() };
        let (clock, enricher) = (self.clock.clone(), self.enricher.clone());
        let (mut checked, visitors) = off_the_reactor(body_bytes, move || {
            let mut checked = request.check(project_id, &clock, &limits)?;
            let visitors = cookieless::visitors(&checked.accepted, &request.origin);
            enricher.enrich(&mut checked.accepted, &request.origin);
            Ok::<_, V1Error>((checked, visitors))
        })
        .await??;
        self.pace(project_id, checked.results.len())?;
        let dropped = self.cookieless.settle(project_id, &mut checked.accepted, visitors).await?;
        checked.drop_accepted(dropped);
        let arrivals = Arrivals { events: checked.accepted, rejected: checked.noted };
        self.keep(&arrivals).await?;
        Ok(checked.results)
    }

    /// Counts events of a project against its rate, those of a migration too: a limit that a sender can lift is none.
    fn pace(&self, project_id: ProjectId, events: usize) -> Result<(), CaptureError> {
        let Some(rate) = &*self.rate else { return Ok(()) };
        rate.take(&project_id, events).map_err(|wait| {
            metrics::EVENTS_LIMITED.add(events as u64);
            CaptureError::too_many("events of this project", wait)
        })
    }

    /// What a language model is told and says is long: only its whole event is limited.
    fn ai_limits(&self) -> LimitsConfig {
        let mut limits = LimitsConfig { max_event_bytes: self.limits.max_ai_event_bytes, ..self.limits.clone() };
        limits.event.max_text_bytes = limits.event.max_text_bytes.max(limits.max_ai_event_bytes);
        limits
    }

    async fn accept_within(&self, request: CaptureRequest, limits: LimitsConfig) -> Result<Accepted, CaptureError> {
        let body_bytes = request.body.len();
        let origin = request.origin.clone();
        let (glanced, limits) = off_the_reactor(body_bytes, move || (request.glance(&limits), limits)).await?;
        let read = match glanced? {
            Glanced::Read(read) => read,
            Glanced::Scanned { glance, query_clock, json } => {
                let project_id = self.find_project(&glance.key).await?;
                self.pace(project_id, glance.events as usize)?;
                let facts = Facts {
                    project_id,
                    received_at: self.clock.now(),
                    query_clock,
                    sender: self.enricher.locate(&origin),
                    uuids: (0..glance.without_uuid).map(|_| self.clock.new_uuid()).collect(),
                    limits: limits.event,
                };
                let request = ScannedRequest { facts, events: glance.events, json };
                self.intake.append_request(request).await.map_err(|e| self.refuse(&e))?;
                metrics::EVENTS_ACCEPTED.add(glance.events.into());
                return Ok(Accepted { events: glance.events as usize, rejected: Vec::new() });
            }
        };
        self.accept_read(read, limits, origin, body_bytes).await
    }

    async fn accept_read(
        &self,
        read: ReadRequest,
        limits: LimitsConfig,
        origin: Origin,
        body_bytes: usize,
    ) -> Result<Accepted, CaptureError> {
        let project_id = self.find_project(read.key()).await?;
        self.pace(project_id, read.event_count())?;
        let (clock, enricher) = (self.clock.clone(), self.enricher.clone());
        let (mut checked, visitors) = off_the_reactor(body_bytes, move || {
            let mut checked = read.check(project_id, &clock, &limits);
            let visitors = cookieless::visitors(&checked.accepted, &origin);
            enricher.enrich(&mut checked.accepted, &origin);
            (checked, visitors)
        })
        .await?;
        let dropped = self.cookieless.settle(project_id, &mut checked.accepted, visitors).await?;
        checked.drop_accepted(dropped);

        let rejected = checked.rejected;
        let arrivals = Arrivals { events: checked.accepted, rejected: checked.noted };
        self.keep(&arrivals).await?;
        if let Some(mistake) = rejected.iter().map(|(_, reason)| *reason).find(|reason| reason.is_mistake())
            && arrivals.events.is_empty()
        {
            return Err(CaptureError::AllRejected(mistake));
        }
        Ok(Accepted { events: arrivals.events.len(), rejected })
    }

    /// Makes what a request brought durable, the rejected ones too: the ledger counts them behind the spool.
    async fn keep(&self, arrivals: &Arrivals) -> Result<(), CaptureError> {
        self.intake.append(arrivals).await.map_err(|e| self.refuse(&e))?;
        metrics::EVENTS_ACCEPTED.add(arrivals.events.len() as u64);
        for rejected in &arrivals.rejected {
            metrics::EVENTS_REJECTED.with(rejected.reason.code()).add(rejected.count.into());
        }
        Ok(())
    }

    /// The project that a key names.
    ///
    /// # Errors
    /// [`CaptureError::UnknownKey`], or [`CaptureError::Unavailable`] if that cannot be known now.
    pub async fn find_project(&self, key: &ProjectApiKey) -> Result<ProjectId, CaptureError> {
        self.keys.find(key).await
    }

    /// The JSON of a request that holds no events but is encoded like one: flags, mostly.
    ///
    /// # Errors
    /// If it cannot be decoded or is no JSON.
    pub async fn read_json(&self, request: CaptureRequest) -> Result<Value, CaptureError> {
        let limits = self.limits.clone();
        off_the_reactor(request.body.len(), move || request.json(&limits)).await?
    }

    fn refuse(&self, error: &SpoolError) -> CaptureError {
        match error {
            SpoolError::TooLarge => InflateError::TooLarge { max_bytes: self.limits.max_body_bytes }.into(),
            SpoolError::Full => CaptureError::Unavailable,
            SpoolError::Failed(cause) => {
                tracing::error!(error = %cause, "Events could not be made durable and were refused");
                CaptureError::Unavailable
            }
        }
    }
}

/// Runs work elsewhere if there is much of it.
async fn off_the_reactor<T: Send + 'static>(
    body_bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CaptureError> {
    if body_bytes < LARGE_BODY_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|e| {
        tracing::error!(error = %e, "A request could not be read");
        CaptureError::Internal
    })
}
