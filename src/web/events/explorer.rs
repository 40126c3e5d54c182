//! `GET /project/{project}/events`.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use uuid::Uuid;

use super::cells::EventTable;
use super::columns::Column;
use super::form::FilterForm;
use super::state::ExplorerState;
use crate::http::{AppState, ProjectAccess, WebError, page as render};
use crate::insights::explore::{self, EventLine, EventList, EventQuery, ExploreError};
use crate::model::Project;
use crate::model::query::PropertyGroup;
use crate::storage::ch::{EventCursor, EventPage, EventRecord, Wanted, error_code};
use crate::storage::pg::PropertyKind;
use crate::web::{Section, Shell};

/// Events on a page.
pub const PAGE_SIZE: usize = 50;
/// Names offered in the form's lists.
const MOST_NAMES: usize = 500;

/// The explorer.
#[derive(Debug, Template)]
#[template(path = "pages/events/explorer.html")]
struct ExplorerPage {
    shell: Shell,
    project: Project,
    form: FilterForm,
    table: EventTable,
    pager: Pager,
    /// Whether the project has any event at all.
    has_events: bool,
    is_filtered: bool,
    /// What is wrong with the filters; nothing is shown then.
    mistakes: Vec<String>,
}

/// Links to the pages around this one.
#[derive(Debug, Default)]
struct Pager {
    newest: Option<String>,
    newer: Option<String>,
    older: Option<String>,
}

/// The explorer's page.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let asked = ExplorerState::parse(&pairs);
    let now = state.clock.now();
    let zone = project.time_zone.rules();
    let (properties, mut mistakes) = asked.properties();
    let query = event_query(&asked, properties, now, &zone);
    let found = if mistakes.is_empty() { list(&state, project, &query, asked.page, now).await } else { Ok(None) };
    let (list, page) = match found {
        Ok(found) => found.unwrap_or_default(),
        Err(error) => {
            mistakes.push(users_mistake(&error).ok_or(error)?.to_owned());
            Default::default()
        }
    };
    let asked = ExplorerState { page, ..asked };
    let base = format!("/project/{}/events", project.id);
    let has_events = !list.lines.is_empty() || has_events(&state, project, now).await?;
    let open = open_line(&state, project, &list.lines, asked.open).await?;
    let mut table = EventTable::new(project.id, &zone, asked.shown_columns(), &list.lines, open.as_ref(), |uuid| {
        let open = if asked.open == Some(uuid) { None } else { Some(uuid) };
        format!("{base}{}", ExplorerState { open, ..asked.clone() }.query())
    });
    table.is_compact = asked.columns.is_empty();
    let page = ExplorerPage {
        shell: Shell::load(&state, &access.user, Some(project), Section::Events).await?,
        form: FilterForm::new(
            &asked,
            base.clone(),
            event_names(&state, project).await?,
            property_names(&state, project).await?,
        ),
        pager: Pager::new(&asked, &base, &list),
        is_filtered: asked.is_filtered(),
        has_events,
        mistakes,
        table,
        project: project.clone(),
    };
    render(&page)
}

fn event_query(
    asked: &ExplorerState,
    properties: PropertyGroup,
    now: Timestamp,
    zone: &jiff::tz::TimeZone,
) -> EventQuery {
    let (from, until) = asked.range.bounds(now, zone);
    EventQuery {
        names: asked.events.clone(),
        person: asked.person.clone(),
        persons: None,
        properties,
        traffic: asked.traffic,
        from,
        until,
        wanted: Column::wanted(&asked.shown_columns()),
        is_narrow: false,
    }
}

/// The page asked for; and when the way up from it ends, the newest page, full.
async fn list(
    state: &AppState,
    project: &Project,
    query: &EventQuery,
    page: EventPage,
    now: Timestamp,
) -> Result<Option<(EventList, EventPage)>, ExploreError> {
    let read = |page| explore::list_events(&state.pg, &state.ch, project.id, query, page, PAGE_SIZE, now);
    let list = read(page).await?;
    if matches!(page, EventPage::NewerThan(_)) && !list.has_more {
        return Ok(Some((read(EventPage::Newest).await?, EventPage::Newest)));
    }
    Ok(Some((list, page)))
}

/// What the asker can do about a question that ClickHouse would not answer.
fn users_mistake(error: &ExploreError) -> Option<&'static str> {
    const CANNOT_COMPILE_REGEXP: u32 = 427;
    const TIMEOUT_EXCEEDED: u32 = 159;
    let ExploreError::Ch(error) = error else { return None };
    match error_code(error)? {
        CANNOT_COMPILE_REGEXP => Some("A regular expression among the filters cannot be read."),
        TIMEOUT_EXCEEDED => Some("The search took too long. Look at a shorter time, or choose an event."),
        _ => None,
    }
}

/// The event of an open row with all its properties, if it is on the page.
pub async fn open_line(
    state: &AppState,
    project: &Project,
    lines: &[EventLine],
    open: Option<Uuid>,
) -> Result<Option<EventLine>, WebError> {
    match lines.iter().find(|line| Some(line.event.uuid) == open) {
        Some(line) => {
            let EventRecord { uuid, at, .. } = line.event;
            Ok(explore::find_event(&state.pg, &state.ch, project.id, uuid, Some(at)).await?)
        }
        None => Ok(None),
    }
}

/// Names of events, the latest seen first.
async fn event_names(state: &AppState, project: &Project) -> Result<Vec<String>, WebError> {
    let mut known = state.pg.list_event_definitions(project.id).await?;
    known.sort_by_key(|event| std::cmp::Reverse(event.last_seen_at));
    Ok(known.into_iter().map(|event| event.name).take(MOST_NAMES).collect())
}

/// Names of properties, those that people made up before those of the SDKs.
async fn property_names(state: &AppState, project: &Project) -> Result<Vec<String>, WebError> {
    let known = state.pg.list_property_definitions(project.id, PropertyKind::Event).await?;
    let mut names: Vec<String> = known.into_iter().map(|(name, _)| name).collect();
    names.sort_by_key(|name| name.starts_with('$'));
    names.truncate(MOST_NAMES);
    Ok(names)
}

async fn has_events(state: &AppState, project: &Project, now: Timestamp) -> Result<bool, WebError> {
    let any = EventQuery { wanted: Wanted::Keys(Vec::new()), ..EventQuery::default() };
    let list = explore::list_events(&state.pg, &state.ch, project.id, &any, EventPage::Newest, 1, now).await?;
    Ok(!list.lines.is_empty())
}

impl Pager {
    fn new(asked: &ExplorerState, base: &str, list: &EventList) -> Self {
        let place = |line: &EventLine| EventCursor { at: line.event.at, uuid: line.event.uuid };
        let to = |page| format!("{base}{}", ExplorerState { page, open: None, ..asked.clone() }.query());
        let newer = || list.lines.first().map(|line| to(EventPage::NewerThan(place(line))));
        let older = || list.lines.last().map(|line| to(EventPage::OlderThan(place(line))));
        match asked.page {
            EventPage::Newest => Self { older: list.has_more.then(older).flatten(), ..Self::default() },
            EventPage::OlderThan(_) => {
                Self { newest: Some(to(EventPage::Newest)), newer: newer(), older: list.has_more.then(older).flatten() }
            }
            EventPage::NewerThan(_) => Self { newest: Some(to(EventPage::Newest)), newer: newer(), older: older() },
        }
    }
}
