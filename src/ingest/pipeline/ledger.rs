//! What a batch ended in, and its line in the ledger.
//!
//! A batch that is repeated after a crash ends in the same: what it stored carries its id, so it is stored and no duplicate;
//! what a store refuses is refused again. So its counts are written once, after everything else and before the cursor
//! moves, in one transaction with the number of its last frame; a repetition finds that number and adds nothing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use crate::ingest::ledger::hour_of;
use crate::ingest::rejected::sample;
use crate::ingest::{AcceptedEvent, RejectedEvent, Rejection};
use crate::model::ProjectId;
use crate::storage::pg::{self, LedgerBatch, LedgerCount, LedgerOutcome, Pg, PgError, UnstoredEvent, UnstoredKind};
use crate::telemetry::metrics;

/// How often old samples are looked for.
const PRUNE_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Most samples of a batch that are written; of one project and kind no more are kept anyway.
const MAX_UNSTORED: usize = 1000;
const MAX_DETAIL_CHARS: usize = 500;

/// The counts of one batch while it is under way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: BTreeMap<(ProjectId, Timestamp, LedgerOutcome, &'static str), u64>,
    unstored: Vec<UnstoredEvent>,
}

impl Tally {
    /// What came: counted before anything is done with it.
    pub fn received(events: &[AcceptedEvent], rejected: Vec<RejectedEvent>) -> Self {
        let mut tally = Self::default();
        for event in events {
            tally.count(event, LedgerOutcome::Received, "");
        }
        for rejected in rejected {
            let count = u64::from(rejected.count);
            for (outcome, reason) in [(LedgerOutcome::Received, ""), (LedgerOutcome::Rejected, rejected.reason.code())]
            {
                tally.add(rejected.project_id, rejected.received_at, outcome, reason, count);
            }
            tally.unstored.push(UnstoredEvent {
                project_id: rejected.project_id,
                kind: UnstoredKind::Rejected,
                received_at: rejected.received_at,
                reason: rejected.reason.code().to_owned(),
                detail: String::new(),
                count,
                event: rejected.event,
                distinct_id: rejected.distinct_id,
                uuid: rejected.uuid,
                sample: rejected.sample,
            });
        }
        tally
    }

    /// One that is in the store now. What bots send is there too, but no part of what counts.
    pub fn stored(&mut self, event: &AcceptedEvent) {
        match event.properties.get("$bot_class") {
            None | Some(Value::Null) => self.count(event, LedgerOutcome::Stored, ""),
            Some(_) => self.count(event, LedgerOutcome::Quarantined, "bot"),
        }
    }

    /// One that was stored before.
    pub fn duplicate(&mut self, event: &AcceptedEvent) {
        self.count(event, LedgerOutcome::Duplicate, "");
    }

    /// One that is left out for whose it is. Nothing of it is kept but the count.
    pub fn left_out(&mut self, event: &AcceptedEvent, reason: Rejection) {
        self.count(event, LedgerOutcome::Rejected, reason.code());
    }

    /// One that no store takes.
    pub fn quarantined(&mut self, event: &AcceptedEvent, reason: &'static str, detail: &str) {
        self.count(event, LedgerOutcome::Quarantined, reason);
        self.unstored.push(UnstoredEvent {
            project_id: event.project_id,
            kind: UnstoredKind::Quarantined,
            received_at: event.received_at,
            reason: reason.to_owned(),
            detail: printable(detail),
            count: 1,
            event: Some(printable(&event.event)),
            distinct_id: Some(printable(&event.distinct_id)),
            uuid: Some(event.uuid.to_string()),
            sample: sample(&event.properties),
        });
    }

    fn count(&mut self, event: &AcceptedEvent, outcome: LedgerOutcome, reason: &'static str) {
        self.add(event.project_id, event.received_at, outcome, reason, 1);
    }

    fn add(&mut self, project: ProjectId, at: Timestamp, outcome: LedgerOutcome, reason: &'static str, events: u64) {
        *self.counts.entry((project, hour_of(at), outcome, reason)).or_default() += events;
    }
}

/// The ledger's side of the pipeline.
#[derive(Debug)]
pub(super) struct Ledger {
    pg: Pg,
    node: Uuid,
    pruned_at: Option<Timestamp>,
}

impl Ledger {
    pub fn new(pg: Pg, node: Uuid) -> Self {
        Self { pg, node, pruned_at: None }
    }

    /// How far this node's spool is counted; see [`Pg::open_ledger`].
    pub async fn open(&self, durable: u64) -> Result<u64, PgError> {
        self.pg.open_ledger(self.node, durable).await
    }

    /// Writes what the batch ended in, unless it was written before.
    pub async fn write(&mut self, seq: u64, tally: &Tally, now: Timestamp) -> Result<(), PgError> {
        let counts: Vec<LedgerCount> = tally
            .counts
            .iter()
            .map(|((project, hour, outcome, reason), events)| LedgerCount {
                project_id: *project,
                hour: *hour,
                outcome: *outcome,
                reason,
                events: *events,
            })
            .collect();
        let unstored = &tally.unstored[tally.unstored.len().saturating_sub(MAX_UNSTORED)..];
        let batch = LedgerBatch { node: self.node, seq, counts: &counts, unstored };
        let is_new = match self.pg.record_ledger(batch).await {
            Err(error) if pg::blames_data(&error) => {
                tracing::error!(error = %error, "Samples of events cannot be kept; they are counted all the same");
                self.pg.record_ledger(LedgerBatch { unstored: &[], ..batch }).await?
            }
            written => written?,
        };
        if is_new {
            for count in &counts {
                metrics::LEDGER_EVENTS.with(count.outcome.as_str()).add(count.events);
            }
        }
        if self.pruned_at.is_none_or(|at| now.duration_since(at) >= PRUNE_EVERY) {
            self.pg.prune_unstored_events(now).await?;
            self.pruned_at = Some(now);
        }
        Ok(())
    }
}

/// As Postgres takes it, and not endless.
fn printable(text: &str) -> String {
    text.chars().take(MAX_DETAIL_CHARS).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}
