//! `GET /project/{project}/sessions`.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::state::{SessionsQuery, SessionsState};
use super::words::{device_text, duration_text, entry_text, exit_text, session_href};
use crate::http::{AppState, ProjectAccess, WebError, page as render};
use crate::insights::explore::{self, ExploreError, SessionLine, SessionList, SessionQuery};
use crate::model::{Project, ProjectId};
use crate::storage::ch::{SessionCursor, SessionPage, Visitors};
use crate::web::events::{PRESETS, Preset, Range, answered, person_href, time_text};
use crate::web::traffic::{TrafficLink, traffic_links};
use crate::web::{Section, Shell};

/// Sessions on a page.
pub const PAGE_SIZE: usize = 50;

#[derive(Debug, Template)]
#[template(path = "pages/sessions/list.html")]
struct SessionsPage {
    shell: Shell,
    project: Project,
    action: String,
    asked: SessionsState,
    /// Humans, bots or all.
    traffic: Vec<TrafficLink>,
    range_label: String,
    presets: Vec<Preset>,
    /// The chosen preset, which a search keeps.
    range_word: Option<&'static str>,
    date_from: String,
    date_to: String,
    rows: Vec<SessionRow>,
    newest: Option<String>,
    newer: Option<String>,
    older: Option<String>,
    /// Whether the project has any session at all.
    has_sessions: bool,
}

/// A session's row.
#[derive(Debug)]
struct SessionRow {
    href: String,
    start_iso: String,
    start_text: String,
    person: String,
    person_href: String,
    has_profile: bool,
    duration: String,
    views: u64,
    events: u64,
    entry: Option<String>,
    exit: Option<String>,
    channel: Option<String>,
    device: Option<String>,
    device_title: String,
    country: Option<String>,
    is_bounce: bool,
    bot: Option<String>,
}

/// The list of sessions.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(query): Query<SessionsQuery>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let now = state.clock.now();
    let asked = SessionsState::from(&query);
    let (list, page) = answered(&state, list(&state, project, &asked, now, &zone)).await?;
    let asked = SessionsState { page, ..asked };
    let action = format!("/project/{}/sessions", project.id);
    let has_sessions = !list.lines.is_empty() || has_sessions(&state, project, now).await?;
    let to = |page| format!("{action}{}", SessionsState { page, ..asked.clone() }.query());
    let place =
        |line: &SessionLine| SessionCursor { start: line.session.start, session_id: line.session.session_id.clone() };
    let is_first = asked.page == SessionPage::Newest;
    let has_older = list.has_more || matches!(asked.page, SessionPage::NewerThan(_));
    let first = list.lines.first().filter(|_| !is_first);
    let last = list.lines.last().filter(|_| has_older);
    let (date_from, date_to) = match asked.range {
        Range::Days { from, to } => (from.map(|d| d.to_string()), to.map(|d| d.to_string())),
        Range::All | Range::Last(_) => (None, None),
    };
    let page = SessionsPage {
        shell: Shell::load(&state, &access.user, Some(project), Section::Sessions).await?,
        traffic: traffic_links(asked.traffic, |traffic| {
            format!("{action}{}", SessionsState { traffic, ..asked.without_page() }.query())
        }),
        range_label: asked.range.label(),
        presets: range_links(&asked, &action),
        range_word: match asked.range {
            Range::Last(at) => Some(PRESETS[at].0),
            Range::All | Range::Days { .. } => None,
        },
        date_from: date_from.unwrap_or_default(),
        date_to: date_to.unwrap_or_default(),
        newest: (!is_first).then(|| to(SessionPage::Newest)),
        newer: first.map(|line| to(SessionPage::NewerThan(place(line)))),
        older: last.map(|line| to(SessionPage::OlderThan(place(line)))),
        rows: list.lines.iter().map(|line| SessionRow::new(project.id, &zone, line)).collect(),
        project: project.clone(),
        has_sessions,
        action,
        asked,
    };
    render(&page)
}

/// The page asked for; and when the way up from it ends, the newest page, full.
async fn list(
    state: &AppState,
    project: &Project,
    asked: &SessionsState,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<(SessionList, SessionPage), ExploreError> {
    let (from, until) = asked.range.bounds(now, zone);
    let query = SessionQuery {
        person: asked.person.clone(),
        visitors: asked.visitors(),
        entry_pathname: asked.entry.clone(),
        from,
        until,
    };
    let read = async |page: &SessionPage| {
        explore::list_sessions(&state.pg, &state.ch, project.id, &query, page, PAGE_SIZE, now).await
    };
    let list = read(&asked.page).await?;
    if matches!(asked.page, SessionPage::NewerThan(_)) && !list.has_more {
        return Ok((read(&SessionPage::Newest).await?, SessionPage::Newest));
    }
    Ok((list, asked.page.clone()))
}

async fn has_sessions(state: &AppState, project: &Project, now: Timestamp) -> Result<bool, ExploreError> {
    let any = SessionQuery { visitors: Visitors::All, ..SessionQuery::default() };
    let list = explore::list_sessions(&state.pg, &state.ch, project.id, &any, &SessionPage::Newest, 1, now).await?;
    Ok(!list.lines.is_empty())
}

fn range_links(asked: &SessionsState, action: &str) -> Vec<Preset> {
    let link = |label, range| Preset {
        label,
        href: format!("{action}{}", SessionsState { range, ..asked.without_page() }.query()),
        is_current: range == asked.range,
    };
    let presets = PRESETS.iter().enumerate().map(|(at, (_, label, _))| link(*label, Range::Last(at)));
    presets.chain([link("All time", Range::All)]).collect()
}

impl SessionRow {
    fn new(project: ProjectId, zone: &TimeZone, line: &SessionLine) -> Self {
        let session = &line.session;
        let text = |name| session.text(name).map(str::to_owned);
        Self {
            href: session_href(project, &session.session_id),
            start_iso: session.start.to_string(),
            start_text: time_text(zone, session.start),
            person: line.person.label.clone(),
            person_href: person_href(project, &session.distinct_id),
            has_profile: line.person.has_profile,
            duration: duration_text(session.duration_seconds),
            views: session.pageview_count + session.screen_count,
            events: session.event_count,
            entry: entry_text(session).map(str::to_owned),
            exit: exit_text(session).map(str::to_owned),
            channel: text("channel_type"),
            device: text("device_type").or_else(|| text("browser")),
            device_title: device_text(session).unwrap_or_default(),
            country: text("country_name").or_else(|| text("country_code")),
            is_bounce: session.is_bounce == Some(true),
            bot: text("bot_class"),
        }
    }
}
