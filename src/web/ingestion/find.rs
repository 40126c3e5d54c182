//! `GET /project/{project}/ingestion/find`: why is my event not here?

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::unstored::UnstoredLine;
use super::{Tab, TabLink, tabs};
use crate::http::{AppState, ProjectAccess, WebError, page as render};
use crate::ingest::trace::{Sought, StoredEvent, Trace, trace};
use crate::model::Project;
use crate::web::events::{person_href, time_text};
use crate::web::{Section, Shell};

/// Longer than any distinct id.
const MOST_ID_CHARS: usize = 400;
/// How far around the minute that was named is looked.
const AROUND: SignedDuration = SignedDuration::from_mins(5);
/// An event that is further from its arrival than this is worth a word.
const FAR: SignedDuration = SignedDuration::from_mins(10);

#[derive(Debug, Template)]
#[template(path = "pages/ingestion/find.html")]
struct FindPage {
    shell: Shell,
    project: Project,
    tabs: Vec<TabLink>,
    id: String,
    at: String,
    /// What is wrong with the time.
    mistake: Option<&'static str>,
    /// Once something was looked for.
    answer: Option<Answer>,
    /// The server's address as SDKs must have it.
    host: String,
}

/// Where the event is.
#[derive(Debug)]
struct Answer {
    stored: Vec<StoredLine>,
    unstored: Vec<UnstoredLine>,
    waiting: Vec<WaitingLine>,
    saw_all_waiting: bool,
    clickhouse_answered: bool,
    is_unknown: bool,
}

/// A stored event.
#[derive(Debug)]
struct StoredLine {
    name: String,
    href: String,
    time: String,
    received: String,
    distinct_id: String,
    person_href: String,
    /// It happened long before or after it came: it is to be looked for under its own time.
    is_elsewhere_in_time: bool,
    bot: Option<String>,
    has_moved: bool,
}

/// An event in the spool.
#[derive(Debug)]
struct WaitingLine {
    name: String,
    received: String,
    is_rejected: bool,
}

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Question {
    id: String,
    at: String,
}

/// The form, and the answer to it.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    site: crate::http::Site,
    Query(Question { id, at }): Query<Question>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let id: String = id.trim().chars().filter(|c| *c != '\0').take(MOST_ID_CHARS).collect();
    let (around, mistake) = match read_minute(&at, &zone) {
        Ok(around) => (around, None),
        Err(mistake) => (None, Some(mistake)),
    };
    let answer = if id.is_empty() || mistake.is_some() {
        None
    } else {
        let sought = Sought {
            id: id.clone(),
            from: around.and_then(|at| at.checked_sub(AROUND).ok()),
            until: around.and_then(|at| at.checked_add(AROUND).ok()),
        };
        let found = trace(&state.pg, &state.ch, &state.intake, &state.pipeline, project.id, &sought).await?;
        Some(Answer::new(found, project, &zone))
    };
    let page = FindPage {
        shell: Shell::load(&state, &access.user, Some(project), Section::Ingestion).await?,
        tabs: tabs(project.id, Tab::Find),
        project: project.clone(),
        id,
        at,
        mistake,
        answer,
        host: site.url,
    };
    render(&page)
}

/// A minute as a browser's field sends it, in the project's time zone; nothing if it is empty.
fn read_minute(text: &str, zone: &TimeZone) -> Result<Option<Timestamp>, &'static str> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let local = text.trim().parse::<DateTime>().ok().and_then(|at| at.to_zoned(zone.clone()).ok());
    local.map(|at| Some(at.timestamp())).ok_or("This must be a time such as 2026-11-21T12:00.")
}

impl Answer {
    fn new(trace: Trace, project: &Project, zone: &TimeZone) -> Self {
        let is_unknown = trace.is_unknown();
        let clickhouse_answered = match &trace.stored {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(error = %error, "An event could not be looked for in ClickHouse");
                false
            }
        };
        let stored = trace.stored.unwrap_or_default().into_iter();
        Self {
            stored: stored.map(|event| StoredLine::new(event, project, zone)).collect(),
            unstored: trace.unstored.into_iter().map(|row| UnstoredLine::new(row, zone)).collect(),
            waiting: trace
                .waiting
                .into_iter()
                .map(|event| WaitingLine {
                    name: event.event.unwrap_or_else(|| "without a name".to_owned()),
                    received: time_text(zone, event.received_at),
                    is_rejected: event.is_rejected,
                })
                .collect(),
            saw_all_waiting: trace.saw_all_waiting,
            clickhouse_answered,
            is_unknown,
        }
    }
}

impl StoredLine {
    fn new(StoredEvent { event, has_moved }: StoredEvent, project: &Project, zone: &TimeZone) -> Self {
        Self {
            href: format!("/project/{}/events/{}?at={}", project.id, event.uuid, event.at.as_microsecond()),
            time: time_text(zone, event.at),
            received: time_text(zone, event.received_at),
            person_href: person_href(project.id, &event.distinct_id),
            is_elsewhere_in_time: event.received_at.duration_since(event.at).abs() > FAR,
            bot: event.properties.get("$bot_class").and_then(|class| class.as_str()).map(str::to_owned),
            name: event.name,
            distinct_id: event.distinct_id,
            has_moved,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_one_of_the_projects_zone() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let at = read_minute("2026-11-21T12:00", &zone).expect("a time").map(|at| at.to_string());
        assert_eq!(at.as_deref(), Some("2026-11-21T11:00:00Z"));
        assert_eq!(read_minute(" ", &zone), Ok(None));
        assert!(read_minute("noon", &zone).is_err());
    }
}
