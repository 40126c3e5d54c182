//! `GET /project/{project}/persons/{uuid}` and `/project/{project}/person/{distinct_id}`: one person.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::list::Moment;
use crate::http::{AppState, Cause, ProjectAccess, WebError, page as render};
use crate::insights::explore::{self, EventQuery, Person, PersonFound};
use crate::model::Project;
use crate::storage::ch::{EventCursor, EventPage};
use crate::web::events::{Column, EventTable, PropertyLine, cursor_text, open_line, property_lines, read_cursor};
use crate::web::merges::MergeSection;
use crate::web::{Section, Shell};

/// Events on a page.
pub const PAGE_SIZE: usize = 50;

#[derive(Debug, Template)]
#[template(path = "pages/persons/show.html")]
struct PersonPageView {
    shell: Shell,
    project: Project,
    label: String,
    initial: String,
    profile: Option<Profile>,
    /// The distinct id to copy.
    distinct_id: Option<String>,
    properties: Vec<PropertyLine>,
    first_seen: Option<Moment>,
    last_seen: Option<Moment>,
    event_count: u64,
    events_href: Option<String>,
    sessions_href: Option<String>,
    table: EventTable,
    merges: Option<MergeSection>,
    newest: Option<String>,
    newer: Option<String>,
    older: Option<String>,
}

/// What only a person with a profile has.
#[derive(Debug)]
struct Profile {
    uuid: String,
    is_identified: bool,
    created: Moment,
    distinct_ids: Vec<String>,
    distinct_id_count: i64,
}

/// The path of a person by UUID.
#[derive(Debug, Deserialize)]
pub struct ByUuid {
    uuid: String,
}

/// The path of a person by distinct id.
#[derive(Debug, Deserialize)]
pub struct ByDistinctId {
    distinct_id: String,
}

/// Where in the person's events the page stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventsQuery {
    before: String,
    after: String,
    open: String,
}

/// A person by UUID.
pub async fn get_by_uuid(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(ByUuid { uuid }): Path<ByUuid>,
    Query(query): Query<EventsQuery>,
) -> Result<Response, WebError> {
    let by = PersonFound::ByUuid(uuid.parse().map_err(|_| Cause::NotFound)?);
    show(&access, &state, &by, &query).await
}

/// Whoever has a distinct id; SDKs link here.
pub async fn get_by_distinct_id(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(ByDistinctId { distinct_id }): Path<ByDistinctId>,
    Query(query): Query<EventsQuery>,
) -> Result<Response, WebError> {
    show(&access, &state, &PersonFound::ByDistinctId(distinct_id), &query).await
}

async fn show(
    access: &ProjectAccess,
    state: &AppState,
    by: &PersonFound,
    query: &EventsQuery,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let person = explore::find_person(&state.pg, &state.ch, project.id, by).await?.ok_or(Cause::NotFound)?;
    let base = href(project, &person);
    let asked = match (read_cursor(&query.before), read_cursor(&query.after)) {
        (Some(cursor), _) => EventPage::OlderThan(cursor),
        (None, Some(cursor)) => EventPage::NewerThan(cursor),
        (None, None) => EventPage::Newest,
    };
    let columns = vec![Column::Event, Column::Address, Column::Time];
    // Between their first event and their last, so that nobody's page looks through the time before or after.
    let just_after = |last: Timestamp| last.checked_add(SignedDuration::from_micros(1)).ok();
    let events = EventQuery {
        from: person.span.map(|span| span.first),
        until: person.span.and_then(|span| just_after(span.last)),
        persons: Some(person.event_ids.clone()),
        wanted: Column::wanted(&columns),
        ..EventQuery::default()
    };
    let now = state.clock.now();
    let read = |page| explore::list_events(&state.pg, &state.ch, project.id, &events, page, PAGE_SIZE, now);
    let (list, page) = match (read(asked).await?, asked) {
        (list, EventPage::NewerThan(_)) if !list.has_more => (read(EventPage::Newest).await?, EventPage::Newest),
        (list, page) => (list, page),
    };
    let place = |at: usize| {
        list.lines.get(at).map(|line| cursor_text(EventCursor { at: line.event.at, uuid: line.event.uuid }))
    };
    let is_first = page == EventPage::Newest;
    let has_older = list.has_more || matches!(page, EventPage::NewerThan(_));
    let (newer, older) = (place(0), place(list.lines.len().wrapping_sub(1)));
    let here = match page {
        EventPage::Newest => String::new(),
        EventPage::OlderThan(cursor) => format!("before={}&", cursor_text(cursor)),
        EventPage::NewerThan(cursor) => format!("after={}&", cursor_text(cursor)),
    };
    let open = query.open.parse().ok();
    let open_line = open_line(state, project, &list.lines, open).await?;
    let table = EventTable::new(project.id, &zone, columns, &list.lines, open_line.as_ref(), |uuid| {
        if open == Some(uuid) { format!("{base}?{here}") } else { format!("{base}?{here}open={uuid}") }
    });
    let person_param = person.distinct_id.as_ref().and_then(|id| serde_urlencoded::to_string([("person", id)]).ok());
    let list_of = |what: &str| person_param.as_ref().map(|param| format!("/project/{}/{what}?{param}", project.id));
    let merges = match &person.profile {
        Some(profile) => {
            let uuid = profile.uuid.to_string();
            Some(MergeSection::load(state, access, profile.id, uuid, &profile.distinct_ids).await?)
        }
        None => None,
    };
    let page = PersonPageView {
        merges,
        shell: Shell::load(state, &access.user, Some(project), Section::People).await?,
        initial: person
            .name
            .label
            .chars()
            .find(|c| c.is_alphanumeric())
            .map_or_else(|| "?".to_owned(), |c| c.to_uppercase().collect()),
        label: person.name.label.clone(),
        properties: person.profile.as_ref().map(|profile| property_lines(&profile.properties)).unwrap_or_default(),
        first_seen: person.span.map(|span| Moment::new(&zone, span.first)),
        last_seen: person.span.map(|span| Moment::new(&zone, span.last)),
        event_count: person.span.map_or(0, |span| span.count),
        events_href: list_of("events"),
        sessions_href: list_of("sessions").map(|href| format!("{href}&traffic=all")),
        profile: person.profile.map(|profile| Profile {
            uuid: profile.uuid.to_string(),
            is_identified: profile.is_identified,
            created: Moment::new(&zone, profile.created_at),
            distinct_id_count: profile.distinct_id_count,
            distinct_ids: profile.distinct_ids,
        }),
        distinct_id: person.distinct_id,
        newest: (!is_first).then(|| format!("{base}#events")),
        newer: newer.filter(|_| !is_first).map(|cursor| format!("{base}?after={cursor}#events")),
        older: older.filter(|_| has_older).map(|cursor| format!("{base}?before={cursor}#events")),
        table,
        project: project.clone(),
    };
    render(&page)
}

/// The page's own address, without a place in the events.
fn href(project: &Project, person: &Person) -> String {
    match (&person.profile, &person.distinct_id) {
        (Some(profile), _) => format!("/project/{}/persons/{}", project.id, profile.uuid),
        (None, Some(id)) => crate::web::events::person_href(project.id, id),
        (None, None) => format!("/project/{}/persons", project.id),
    }
}
