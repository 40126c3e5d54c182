//! Where is my event? Looked for in the spool, among what was not stored, and in the store.

use std::io;

use jiff::Timestamp;
use uuid::Uuid;

use super::intake::Intake;
use super::pipeline::PipelineHandle;
use crate::model::ProjectId;
use crate::storage::ch::{ChError, ClickHouse, EventRecord};
use crate::storage::pg::{Pg, PgError, UnstoredRow};

/// Most events of each kind in an answer.
const MOST_FOUND: usize = 20;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Sought {
    /// A uuid or a distinct id.
    pub id: String,
    /// Only what happened or came in from here on.
    pub from: Option<Timestamp>,
    /// Only what happened or came in before this.
    pub until: Option<Timestamp>,
}

/// An event that is accepted but not stored yet, or will be listed as rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    pub event: Option<String>,
    pub received_at: Timestamp,
    pub is_rejected: bool,
}

/// A stored event, and whether its person has another number by now: merged, or with a first profile.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    pub event: EventRecord,
    pub has_moved: bool,
}

/// Where events with the id are.
#[derive(Debug)]
pub struct Trace {
    pub waiting: Vec<WaitingEvent>,
    /// Whether all that waits was looked at.
    pub saw_all_waiting: bool,
    pub unstored: Vec<UnstoredRow>,
    /// Or why ClickHouse could not say.
    pub stored: Result<Vec<StoredEvent>, ChError>,
}

impl Trace {
    /// Whether nothing is known of such an event, and everything could be looked at.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.waiting.is_empty()
            && self.saw_all_waiting
            && self.unstored.is_empty()
            && self.stored.as_ref().is_ok_and(Vec::is_empty)
    }
}

/// Looks for events in every place where they can be. The spool comes first: what leaves it meanwhile is then found in the
/// store.
///
/// # Errors
/// If Postgres does not answer.
pub async fn trace(
    pg: &Pg,
    ch: &ClickHouse,
    intake: &Intake,
    pipeline: &PipelineHandle,
    project: ProjectId,
    sought: &Sought,
) -> Result<Trace, PgError> {
    let Sought { id, from, until } = sought;
    let uuid = Uuid::parse_str(id).ok();
    let waiting = search_spool(intake, pipeline.status().stored_seq, project, sought.clone(), uuid).await;
    let (waiting, saw_all_waiting) = waiting.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "The spool could not be searched");
        (Vec::new(), false)
    });
    let unstored = pg.find_unstored_events(project, id, *from, *until, MOST_FOUND as i64).await?;
    let found = ch.or_away(ch.find_events_by_id(project, id, uuid, *from, *until, MOST_FOUND)).await;
    let stored = match found {
        Ok(events) => {
            let mut stored = Vec::with_capacity(events.len());
            for event in events {
                let has_moved = pg.has_person_override(project, event.person).await?;
                stored.push(StoredEvent { event, has_moved });
            }
            Ok(stored)
        }
        Err(error) => Err(error),
    };
    Ok(Trace { waiting, saw_all_waiting, unstored, stored })
}

async fn search_spool(
    intake: &Intake,
    stored_seq: u64,
    project: ProjectId,
    Sought { id, from, until }: Sought,
    uuid: Option<Uuid>,
) -> io::Result<(Vec<WaitingEvent>, bool)> {
    let is_in_time = move |at: Timestamp| from.is_none_or(|from| at >= from) && until.is_none_or(|until| at < until);
    let mut left = MOST_FOUND;
    let found = intake
        .search(stored_seq, move |arrivals| {
            let events = arrivals.events.into_iter().filter(|event| {
                event.project_id == project
                    && (Some(event.uuid) == uuid || event.distinct_id == id)
                    && (is_in_time(event.received_at) || is_in_time(event.timestamp))
            });
            let events = events.map(|event| WaitingEvent {
                event: Some(event.event),
                received_at: event.received_at,
                is_rejected: false,
            });
            let uuid = uuid.map(|uuid| uuid.to_string());
            let rejected = arrivals.rejected.into_iter().filter(|event| {
                event.project_id == project
                    && (event.uuid.as_deref() == Some(&id)
                        || (uuid.is_some() && event.uuid == uuid)
                        || event.distinct_id.as_deref() == Some(&id))
                    && is_in_time(event.received_at)
            });
            let rejected = rejected.map(|event| WaitingEvent {
                event: event.event,
                received_at: event.received_at,
                is_rejected: true,
            });
            let found: Vec<_> = events.chain(rejected).take(left).collect();
            left -= found.len();
            found
        })
        .await?;
    Ok((found.found, found.is_complete))
}
