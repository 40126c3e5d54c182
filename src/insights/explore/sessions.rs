//! Lists of sessions, with the names of whose they are, and what happened in one.

use jiff::{SignedDuration, Timestamp};

use super::people::{person_labels, search_event_ids};
use super::{EventList, EventQuery, ExploreError, PersonName, list_events};
use crate::model::ProjectId;
use crate::model::query::{Operator, PropertyFilter, PropertyGroup, PropertyScope};
use crate::storage::ch::{
    ClickHouse, EventCursor, EventPage, SessionFilter, SessionPage, SessionRecord, Visitors, Wanted,
};
use crate::storage::pg::Pg;

/// Which sessions a page asks for.
#[derive(Debug, Clone, Default)]
pub struct SessionQuery {
    /// What was typed to find a person.
    pub person: Option<String>,
    pub visitors: Visitors,
    /// Entered on exactly this path.
    pub entry_pathname: Option<String>,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// A session and whose it is, as they are called now.
#[derive(Debug, Clone)]
pub struct SessionLine {
    pub session: SessionRecord,
    pub person: PersonName,
}

/// A page of sessions, latest start first.
#[derive(Debug, Clone, Default)]
pub struct SessionList {
    pub lines: Vec<SessionLine>,
    pub has_more: bool,
}

/// One page of a project's sessions.
///
/// # Errors
/// If a store does not answer.
pub async fn list_sessions(
    pg: &Pg,
    ch: &ClickHouse,
    project: ProjectId,
    query: &SessionQuery,
    page: &SessionPage,
    limit: usize,
    now: Timestamp,
) -> Result<SessionList, ExploreError> {
    let persons = match &query.person {
        Some(search) => Some(search_event_ids(pg, project, search).await?),
        None => None,
    };
    let filter = SessionFilter {
        from: query.from,
        until: query.until,
        persons,
        visitors: query.visitors,
        entry_pathname: query.entry_pathname.clone(),
    };
    let slice = ch.list_sessions(project, &filter, page, limit, now).await?;
    Ok(SessionList { lines: with_names(pg, project, slice.sessions).await?, has_more: slice.has_more })
}

/// One session by its id.
///
/// # Errors
/// If a store does not answer.
pub async fn find_session(
    pg: &Pg,
    ch: &ClickHouse,
    project: ProjectId,
    session_id: &str,
) -> Result<Option<SessionLine>, ExploreError> {
    let session = ch.find_session(project, session_id).await?;
    Ok(with_names(pg, project, session.into_iter().collect()).await?.pop())
}

/// The events of a session in the order they happened, from the first one or from behind a place on.
///
/// # Errors
/// If a store does not answer.
pub async fn list_session_events(
    pg: &Pg,
    ch: &ClickHouse,
    project: ProjectId,
    session: &SessionRecord,
    after: Option<EventCursor>,
    wanted: &Wanted,
    limit: usize,
) -> Result<EventList, ExploreError> {
    let step = SignedDuration::from_micros(1);
    let before_first =
        EventCursor { at: session.start.checked_sub(step).unwrap_or(session.start), uuid: uuid::Uuid::nil() };
    let of_session = PropertyFilter {
        scope: PropertyScope::Event,
        key: "$session_id".to_owned(),
        operator: Operator::Exact,
        values: vec![session.session_id.clone()],
    };
    let query = EventQuery {
        properties: PropertyGroup::all(vec![of_session]),
        from: Some(session.start),
        until: session.end.checked_add(step).ok(),
        wanted: wanted.clone(),
        ..EventQuery::default()
    };
    let page = EventPage::NewerThan(after.unwrap_or(before_first));
    let mut list = list_events(pg, ch, project, &query, page, limit, session.end).await?;
    list.lines.reverse();
    Ok(list)
}

async fn with_names(
    pg: &Pg,
    project: ProjectId,
    sessions: Vec<SessionRecord>,
) -> Result<Vec<SessionLine>, ExploreError> {
    let labels = person_labels(pg, project, sessions.iter().map(|one| one.distinct_id.clone()).collect()).await?;
    let named = |session: SessionRecord| SessionLine {
        person: PersonName::new(&session.distinct_id, labels.get(&session.distinct_id)),
        session,
    };
    Ok(sessions.into_iter().map(named).collect())
}
