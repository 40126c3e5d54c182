//! `GET /project/{project}/sessions/{session}`: one session and its events in the order they happened.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::words::{device_text, duration_text, entry_text, exit_text, session_href};
use crate::http::{AppState, Cause, ProjectAccess, WebError, page as render};
use crate::insights::explore::{self, EventLine, SessionLine};
use crate::model::{Project, ProjectId};
use crate::storage::ch::{EventCursor, SessionRecord};
use crate::web::events::{
    Column, answered, cursor_text, event_href, event_label, person_href, read_cursor, time_text, web_address,
};
use crate::web::{Section, Shell};

/// Events on a page.
pub const PAGE_SIZE: usize = 200;
/// A longer silence is marked in the list of events.
const SILENCE_SECONDS: i64 = 120;

#[derive(Debug, Template)]
#[template(path = "pages/sessions/show.html")]
struct SessionPageView {
    shell: Shell,
    project: Project,
    person: String,
    person_href: String,
    initial: String,
    session_id: String,
    start_text: String,
    start_iso: String,
    duration: String,
    counts: Vec<(&'static str, u64)>,
    is_bounce: bool,
    bot: Option<String>,
    /// Where it came from, where it went, with what.
    facts: Vec<Fact>,
    steps: Vec<TimelineStep>,
    /// How many browser tabs the steps are from.
    tabs: usize,
    first: Option<String>,
    next: Option<String>,
}

/// A line of the summary.
#[derive(Debug)]
struct Fact {
    name: &'static str,
    text: String,
    /// Only addresses of the web become links.
    href: Option<String>,
}

/// One event of the timeline.
#[derive(Debug)]
struct TimelineStep {
    href: String,
    label: String,
    name: String,
    /// Since the session began.
    after: String,
    time_iso: String,
    time_text: String,
    address: Option<String>,
    /// The browser tab, from 1; none if the event does not say.
    tab: Option<usize>,
    is_view: bool,
    /// How long nothing had happened, if it was long.
    silence: Option<String>,
}

/// The path of one session.
#[derive(Debug, Deserialize)]
pub struct SessionPath {
    session: String,
}

/// Where in the session's events the page stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TimelineQuery {
    after: String,
}

/// One session.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(SessionPath { session }): Path<SessionPath>,
    Query(query): Query<TimelineQuery>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let find = explore::find_session(&state.pg, &state.ch, project.id, &session);
    let line = answered(&state, find).await?.ok_or(Cause::NotFound)?;
    let SessionLine { session, person } = &line;
    let wanted = Column::wanted(&[Column::Event, Column::Address, Column::Property("$window_id".to_owned())]);
    let after = read_cursor(&query.after);
    let list =
        explore::list_session_events(&state.pg, &state.ch, project.id, session, after, &wanted, PAGE_SIZE).await?;
    let base = session_href(project.id, &session.session_id);
    let last = list.lines.last().filter(|_| list.has_more);
    let (steps, tabs) = timeline(project.id, &zone, session, &list.lines);
    let page = SessionPageView {
        shell: Shell::load(&state, &access.user, Some(project), Section::Sessions).await?,
        initial: person
            .label
            .chars()
            .find(|c| c.is_alphanumeric())
            .map_or_else(|| "?".to_owned(), |c| c.to_uppercase().collect()),
        person: person.label.clone(),
        person_href: person_href(project.id, &session.distinct_id),
        session_id: session.session_id.clone(),
        start_text: time_text(&zone, session.start),
        start_iso: session.start.to_string(),
        duration: duration_text(session.duration_seconds),
        counts: counts(session),
        is_bounce: session.is_bounce == Some(true),
        bot: session.text("bot_class").map(str::to_owned),
        facts: facts(session),
        steps,
        tabs,
        first: after.map(|_| format!("{base}#timeline")),
        next: last.map(|line| {
            let place = EventCursor { at: line.event.at, uuid: line.event.uuid };
            format!("{base}?after={}#timeline", cursor_text(place))
        }),
        project: project.clone(),
    };
    render(&page)
}

fn counts(session: &SessionRecord) -> Vec<(&'static str, u64)> {
    let mut counts = vec![("Pages", session.pageview_count)];
    if session.screen_count > 0 {
        counts.push(("Screens", session.screen_count));
    }
    counts.push(("Clicks and inputs", session.autocapture_count));
    counts.push(("Events", session.event_count));
    counts
}

fn facts(session: &SessionRecord) -> Vec<Fact> {
    let text = |name: &str| session.text(name).map(str::to_owned);
    let joined = |names: [&str; 2], between: &str| {
        let parts: Vec<&str> = names.into_iter().filter_map(|name| session.text(name)).collect();
        (!parts.is_empty()).then(|| parts.join(between))
    };
    let clicks: Vec<&str> = session.click_ids.keys().map(String::as_str).collect();
    let all = [
        ("Entry", entry_text(session).map(str::to_owned), text("entry_url")),
        ("Exit", exit_text(session).map(str::to_owned), text("exit_url")),
        ("Channel", text("channel_type"), None),
        ("Referrer", text("referrer").or_else(|| text("referring_domain")), text("referrer")),
        ("Campaign", text("utm_campaign"), None),
        ("Source / medium", joined(["utm_source", "utm_medium"], " / "), None),
        ("Term", text("utm_term"), None),
        ("Content", text("utm_content"), None),
        ("Click ids", (!clicks.is_empty()).then(|| clicks.join(", ")), None),
        ("Device", device_text(session), None),
        ("System", text("os"), None),
        ("Place", joined(["city", "country_name"], ", ").or_else(|| text("country_code")), None),
        ("Language", text("language"), None),
        ("Time zone", text("timezone"), None),
        ("Library", text("lib"), None),
        // Weak signs leave a rule without a class: that is nobody's verdict.
        ("Bot", session.text("bot_class").and_then(|_| joined(["bot_class", "bot_rule"], ": ")), None),
    ];
    let fact = |(name, text, address): (&'static str, Option<String>, Option<String>)| {
        let href = address.filter(|address| web_address(address).is_some());
        Some(Fact { name, text: text.filter(|text| text != "$direct")?, href })
    };
    all.into_iter().filter_map(fact).collect()
}

fn timeline(
    project: ProjectId,
    zone: &TimeZone,
    session: &SessionRecord,
    lines: &[EventLine],
) -> (Vec<TimelineStep>, usize) {
    let mut tabs: Vec<&str> = Vec::new();
    let mut steps = Vec::with_capacity(lines.len());
    let mut previous = None;
    for EventLine { event, .. } in lines {
        let text = |key: &str| event.properties.get(key).and_then(|value| value.as_str());
        let tab = text("$window_id").map(|window| {
            let at = tabs.iter().position(|known| *known == window).unwrap_or_else(|| {
                tabs.push(window);
                tabs.len() - 1
            });
            at + 1
        });
        // As the session's length is counted: each moment cut to the second.
        let since = |before: jiff::Timestamp| event.at.as_second() - before.as_second();
        let silence = previous.map(since).filter(|seconds| *seconds >= SILENCE_SECONDS);
        previous = Some(event.at);
        steps.push(TimelineStep {
            href: event_href(project, event),
            label: event_label(event),
            name: event.name.clone(),
            after: duration_text(since(session.start)),
            time_iso: event.at.to_string(),
            time_text: time_text(zone, event.at),
            address: text("$current_url").or_else(|| text("$screen_name")).map(short_address).map(str::to_owned),
            tab,
            is_view: matches!(event.name.as_str(), "$pageview" | "$screen"),
            silence: silence.map(duration_text),
        });
    }
    (steps, tabs.len())
}

/// An address without its host; anything else as it is.
fn short_address(text: &str) -> &str {
    let path =
        web_address(text).and_then(|url| url.split_once("://")).and_then(|(_, rest)| Some(&rest[rest.find('/')?..]));
    path.unwrap_or(text)
}
