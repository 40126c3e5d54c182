//! Reading sessions: pages of the list, one session, a person's.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use super::events_read::{micros, push_moment, stretches};
use super::sessions_sql::{SessionScope, sessions_sql};
use super::{ChError, ClickHouse, EventCursor, EventFilter, EventPage, Sql};
use crate::model::{PersonId, ProjectId};

/// Whose sessions: programs' are kept and set apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visitors {
    #[default]
    Humans,
    Bots,
    All,
}

/// Which sessions to read. The default is all humans' of a project.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Begun at this moment or later.
    pub from: Option<Timestamp>,
    /// Begun before this moment.
    pub until: Option<Timestamp>,
    /// All numbers of one or more persons; an empty list matches nothing.
    pub persons: Option<Vec<PersonId>>,
    pub visitors: Visitors,
    /// Entered on exactly this path.
    pub entry_pathname: Option<String>,
}

/// A place in the list of sessions: latest start first, and by id where starts are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCursor {
    pub start: Timestamp,
    pub session_id: String,
}

/// Which page of the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SessionPage {
    #[default]
    Newest,
    /// The sessions that follow this place downwards.
    OlderThan(SessionCursor),
    /// The sessions just above this place.
    NewerThan(SessionCursor),
}

/// A page of sessions, latest start first.
#[derive(Debug, Clone, Default)]
pub struct SessionSlice {
    pub sessions: Vec<SessionRecord>,
    /// Whether more follow in the direction that was read.
    pub has_more: bool,
}

/// A session as it is known now; see the columns of `sessions_sql.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Row")]
pub struct SessionRecord {
    pub session_id: String,
    pub start: Timestamp,
    pub end: Timestamp,
    /// Seconds between the two, each cut to the second.
    pub duration_seconds: i64,
    pub distinct_id: String,
    /// Of the last event, after merges.
    pub person: PersonId,
    pub event_count: u64,
    pub pageview_count: u64,
    pub screen_count: u64,
    pub autocapture_count: u64,
    pub unique_url_count: u64,
    /// None for a session without any view.
    pub is_bounce: Option<bool>,
    /// What it took from its entry and exit, by the names of [`ENTRY_TEXTS`] and [`EXIT_TEXTS`].
    ///
    /// [`ENTRY_TEXTS`]: crate::model::session::ENTRY_TEXTS
    /// [`EXIT_TEXTS`]: crate::model::session::EXIT_TEXTS
    pub texts: BTreeMap<String, String>,
    pub click_ids: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Row {
    session_id: String,
    start_us: i64,
    end_us: i64,
    duration: i64,
    distinct_id: String,
    person: u64,
    event_count: u64,
    pageview_count: u64,
    screen_count: u64,
    autocapture_count: u64,
    unique_url_count: u64,
    is_bounce: Option<bool>,
    click_ids: BTreeMap<String, String>,
    #[serde(flatten)]
    texts: BTreeMap<String, Option<String>>,
}

impl From<Row> for SessionRecord {
    fn from(row: Row) -> Self {
        Self {
            session_id: row.session_id,
            start: micros(row.start_us),
            end: micros(row.end_us),
            duration_seconds: row.duration,
            distinct_id: row.distinct_id,
            person: PersonId::from_event(row.person),
            event_count: row.event_count,
            pageview_count: row.pageview_count,
            screen_count: row.screen_count,
            autocapture_count: row.autocapture_count,
            unique_url_count: row.unique_url_count,
            is_bounce: row.is_bounce,
            texts: row.texts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect(),
            click_ids: row.click_ids,
        }
    }
}

impl SessionRecord {
    /// What it took from its entry or exit under this name.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<&str> {
        self.texts.get(column).map(String::as_str)
    }
}

impl ClickHouse {
    /// One page of a project's sessions. `now` is where the widening look backwards starts.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn list_sessions(
        &self,
        project: ProjectId,
        filter: &SessionFilter,
        page: &SessionPage,
        limit: usize,
        now: Timestamp,
    ) -> Result<SessionSlice, ChError> {
        let mut sessions = Vec::new();
        for scope in scopes(filter, page, now) {
            let wanted = limit + 1 - sessions.len();
            sessions.append(&mut self.json_rows(&page_sql(project, filter, &scope, page, wanted)).await?);
            if sessions.len() > limit {
                break;
            }
        }
        let has_more = sessions.len() > limit;
        sessions.truncate(limit);
        if matches!(page, SessionPage::NewerThan(_)) {
            sessions.reverse();
        }
        Ok(SessionSlice { sessions, has_more })
    }

    /// One session by its id.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn find_session(&self, project: ProjectId, session_id: &str) -> Result<Option<SessionRecord>, ChError> {
        let scope = SessionScope { session_id: Some(session_id.to_owned()), ..SessionScope::default() };
        let mut sql = Sql::new(COLUMNS);
        sql.append(&sessions_sql(project, &scope)).push("\n)");
        Ok(self.json_rows(&sql).await?.pop())
    }
}

const COLUMNS: &str = "SELECT * EXCEPT (start_at, end_at), toUnixTimestamp64Micro(start_at) AS start_us, \
                       toUnixTimestamp64Micro(end_at) AS end_us\nFROM (\n";

fn page_sql(project: ProjectId, filter: &SessionFilter, scope: &SessionScope, page: &SessionPage, limit: usize) -> Sql {
    let mut sql = Sql::new(COLUMNS);
    sql.append(&sessions_sql(project, scope)).push("\n)\nWHERE ");
    sql.push(match filter.visitors {
        Visitors::Humans => "bot_class IS NULL",
        Visitors::Bots => "bot_class IS NOT NULL",
        Visitors::All => "true",
    });
    if let Some(path) = &filter.entry_pathname {
        sql.push("\n  AND entry_pathname = ").param("String", path);
    }
    match page {
        SessionPage::Newest => {}
        SessionPage::OlderThan(cursor) => {
            push_moment(sql.push("\n  AND (start_at < "), cursor.start);
            push_moment(sql.push(" OR start_at = "), cursor.start);
            sql.push(" AND session_id > ").param("String", &cursor.session_id).push(")");
        }
        SessionPage::NewerThan(cursor) => {
            push_moment(sql.push("\n  AND (start_at > "), cursor.start);
            push_moment(sql.push(" OR start_at = "), cursor.start);
            sql.push(" AND session_id < ").param("String", &cursor.session_id).push(")");
        }
    }
    sql.push(match page {
        SessionPage::NewerThan(_) => "\nORDER BY start_at, session_id DESC\nLIMIT ",
        SessionPage::Newest | SessionPage::OlderThan(_) => "\nORDER BY start_at DESC, session_id\nLIMIT ",
    });
    sql.param("UInt64", limit as u64);
    sql
}

/// The stretches of time in which a page is looked for, nearest first, inside the filter's bounds.
fn scopes(filter: &SessionFilter, page: &SessionPage, now: Timestamp) -> Vec<SessionScope> {
    let place = |cursor: &SessionCursor| EventCursor { at: cursor.start, uuid: Uuid::nil() };
    let (event_page, least, most) = match page {
        SessionPage::Newest => (EventPage::Newest, None, None),
        SessionPage::OlderThan(cursor) => {
            let just_after = cursor.start.checked_add(SignedDuration::from_micros(1)).ok();
            (EventPage::OlderThan(place(cursor)), None, just_after)
        }
        SessionPage::NewerThan(cursor) => (EventPage::NewerThan(place(cursor)), Some(cursor.start), None),
    };
    let bounds = EventFilter { from: filter.from, until: filter.until, ..EventFilter::default() };
    let latest = |bounds: [Option<Timestamp>; 3]| bounds.into_iter().flatten().max();
    let earliest = |bounds: [Option<Timestamp>; 3]| bounds.into_iter().flatten().min();
    stretches(&bounds, event_page, now)
        .into_iter()
        .map(|(from, until)| SessionScope {
            from: latest([from, filter.from, least]),
            until: earliest([until, filter.until, most]),
            persons: filter.persons.clone(),
            ..SessionScope::default()
        })
        .collect()
}
