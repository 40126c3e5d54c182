//! `GET /project/{project}/events`.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;

use super::cells::EventTable;
use super::clickhouse_is_away;
use super::columns::Column;
use super::form::FilterForm;
use super::pages::{EventsPage, EventsPager};
use super::state::ExplorerState;
use crate::http::{AppState, ProjectAccess, WebError, page as render};
use crate::insights::explore::{self, EventQuery, ExploreError};
use crate::model::Project;
use crate::model::query::PropertyGroup;
use crate::storage::ch::{EventPage, Wanted, error_code};
use crate::storage::pg::PropertyKind;
use crate::web::{Section, Shell};

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
    pager: EventsPager,
    /// Whether the project has any event at all.
    has_events: bool,
    is_filtered: bool,
    /// What is wrong with the filters; nothing is shown then.
    mistakes: Vec<String>,
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
    let is_clear = mistakes.is_empty();
    let read = async {
        match is_clear {
            true => EventsPage::read(&state, project.id, &query, asked.place, now).await,
            false => Ok(EventsPage::default()),
        }
    };
    let found = match explore::unless_away(&state.ch, read).await {
        Ok(found) => found.ok_or_else(clickhouse_is_away)?,
        Err(error) => {
            mistakes.push(users_mistake(&error).ok_or(error)?.to_owned());
            EventsPage::default()
        }
    };
    let asked = ExplorerState { place: found.place, ..asked };
    let base = format!("/project/{}/events", project.id);
    let lines = &found.list.lines;
    let has_events = !lines.is_empty() || has_events(&state, project, now).await?;
    let href = |place| format!("{base}{}", ExplorerState { place, ..asked.clone() }.query());
    let columns = asked.shown_columns();
    let mut table =
        EventTable::new(project.id, &zone, columns, lines, found.open.as_ref(), |uuid| href(asked.place.toggled(uuid)));
    table.is_compact = asked.columns.is_empty();
    let page = ExplorerPage {
        shell: Shell::load(&state, &access.user, Some(project), Section::Events).await?,
        form: FilterForm::new(
            &asked,
            base.clone(),
            event_names(&state, project).await?,
            property_names(&state, project).await?,
        ),
        pager: found.pager(href),
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
        group: None,
        properties,
        traffic: asked.traffic,
        from,
        until,
        wanted: Column::wanted(&asked.shown_columns()),
        is_narrow: false,
    }
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

/// Names of events, the latest seen first.
async fn event_names(state: &AppState, project: &Project) -> Result<Vec<String>, WebError> {
    let mut known = state.pg.list_event_definitions(project.id).await?;
    known.sort_by_key(|event| std::cmp::Reverse(event.last_seen_at));
    Ok(known.into_iter().map(|event| event.name).take(MOST_NAMES).collect())
}

/// Names of properties, those that people made up before those of the SDKs.
async fn property_names(state: &AppState, project: &Project) -> Result<Vec<String>, WebError> {
    let known = state.pg.list_property_definitions(project.id, PropertyKind::Event).await?;
    let mut names: Vec<String> = known.into_iter().map(|seen| seen.name).collect();
    names.sort_by_key(|name| name.starts_with('$'));
    names.truncate(MOST_NAMES);
    Ok(names)
}

async fn has_events(state: &AppState, project: &Project, now: Timestamp) -> Result<bool, WebError> {
    let any = EventQuery { wanted: Wanted::Keys(Vec::new()), ..EventQuery::default() };
    let list = explore::list_events(&state.pg, &state.ch, project.id, &any, EventPage::Newest, 1, now).await?;
    Ok(!list.lines.is_empty())
}
