//! Lists of events, with the names of who sent them.

use jiff::Timestamp;
use uuid::Uuid;

use super::people::{person_labels, search_event_ids};
use super::{ExploreError, PersonName};
use crate::model::query::{PropertyGroup, Traffic};
use crate::model::{PersonId, ProjectId};
use crate::storage::ch::{ClickHouse, EventFilter, EventPage, EventRecord, Wanted};
use crate::storage::pg::Pg;

/// Which events a page asks for.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Any of these names; all if empty.
    pub names: Vec<String>,
    /// What was typed to find a person.
    pub person: Option<String>,
    /// These persons' events only.
    pub persons: Option<Vec<PersonId>>,
    /// Of this group: the index of its type, and its key.
    pub group: Option<(i16, String)>,
    /// Conditions on properties.
    pub properties: PropertyGroup,
    /// Whose events.
    pub traffic: Traffic,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Which properties the page shows.
    pub wanted: Wanted,
    /// Whether these are one person's events, and few among all.
    pub is_narrow: bool,
}

/// An event and who sent it, as they are called now.
#[derive(Debug, Clone)]
pub struct EventLine {
    pub event: EventRecord,
    pub person: PersonName,
}

/// A page of events, newest first.
#[derive(Debug, Clone, Default)]
pub struct EventList {
    pub lines: Vec<EventLine>,
    pub has_more: bool,
}

/// One page of a project's events.
///
/// # Errors
/// If a store does not answer.
pub async fn list_events(
    pg: &Pg,
    ch: &ClickHouse,
    project: ProjectId,
    query: &EventQuery,
    page: EventPage,
    limit: usize,
    now: Timestamp,
) -> Result<EventList, ExploreError> {
    let persons = match (&query.persons, &query.person) {
        (Some(persons), _) => Some(persons.clone()),
        (None, Some(search)) => Some(search_event_ids(pg, project, search).await?),
        (None, None) => None,
    };
    let filter = EventFilter {
        names: query.names.clone(),
        persons,
        group: query.group.clone(),
        properties: query.properties.clone(),
        traffic: query.traffic,
        from: query.from,
        until: query.until,
        is_narrow: query.is_narrow,
    };
    let slice = ch.list_events(project, &filter, &query.wanted, page, limit, now).await?;
    Ok(EventList { lines: with_names(pg, project, slice.events).await?, has_more: slice.has_more })
}

/// Events received after a moment, the latest received first: what the live page shows.
///
/// # Errors
/// If a store does not answer.
pub async fn list_received(
    pg: &Pg,
    ch: &ClickHouse,
    project: ProjectId,
    after: Timestamp,
    traffic: Traffic,
    wanted: &Wanted,
    limit: usize,
) -> Result<Vec<EventLine>, ExploreError> {
    let events = ch.list_received_events(project, after, traffic, wanted, limit).await?;
    with_names(pg, project, events).await
}

/// How many events were received after a moment.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn count_received(
    ch: &ClickHouse,
    project: ProjectId,
    after: Timestamp,
    traffic: Traffic,
) -> Result<u64, ExploreError> {
    Ok(ch.count_received_events(project, after, traffic).await?)
}

/// One event by its uuid.
///
/// # Errors
/// If a store does not answer.
pub async fn find_event(
    pg: &Pg,
    ch: &ClickHouse,
    project: ProjectId,
    uuid: Uuid,
    at: Option<Timestamp>,
) -> Result<Option<EventLine>, ExploreError> {
    let event = ch.find_event(project, uuid, at).await?;
    Ok(with_names(pg, project, event.into_iter().collect()).await?.pop())
}

async fn with_names(pg: &Pg, project: ProjectId, events: Vec<EventRecord>) -> Result<Vec<EventLine>, ExploreError> {
    let labels = person_labels(pg, project, events.iter().map(|event| event.distinct_id.clone()).collect()).await?;
    Ok(events
        .into_iter()
        .map(|event| {
            let label = labels.get(&event.distinct_id);
            line(event, label)
        })
        .collect())
}

fn line(event: EventRecord, label: Option<&crate::storage::pg::PersonLabel>) -> EventLine {
    EventLine { person: PersonName::new(&event.distinct_id, label), event }
}
