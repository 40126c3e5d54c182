//! `GET /project/{project}/persons`.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::http::{AppState, ProjectAccess, WebError, page as render};
use crate::insights::explore::PersonName;
use crate::model::{PersonId, Project};
use crate::storage::pg::{PersonCursor, PersonPage, PersonRow, PersonSlice, SEARCHED_INSIDE};
use crate::web::events::time_text;
use crate::web::{Section, Shell};

/// People on a page.
pub const PAGE_SIZE: usize = 50;
/// Longer than any distinct id.
const MOST_SEARCH_CHARS: usize = 400;

#[derive(Debug, Template)]
#[template(path = "pages/persons/list.html")]
struct PeoplePage {
    shell: Shell,
    project: Project,
    search: String,
    people: Vec<PersonLine>,
    newest: Option<String>,
    newer: Option<String>,
    older: Option<String>,
    /// Whether the project has any person with a profile.
    has_people: bool,
    searched_inside: i64,
}

/// A person's row.
#[derive(Debug)]
struct PersonLine {
    label: String,
    initial: String,
    href: String,
    /// The distinct id, where the label is something else.
    distinct_id: Option<String>,
    distinct_id_count: i64,
    is_identified: bool,
    created: Moment,
    last_seen: Moment,
}

/// A time for a template.
#[derive(Debug, Clone)]
pub struct Moment {
    pub iso: String,
    pub text: String,
}

impl Moment {
    /// A moment in the project's time zone.
    #[must_use]
    pub fn new(zone: &TimeZone, at: Timestamp) -> Self {
        Self { iso: at.to_string(), text: time_text(zone, at) }
    }
}

/// The list's query string.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PeopleQuery {
    search: String,
    before: String,
    after: String,
}

/// The people list.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(query): Query<PeopleQuery>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let search: String = query.search.trim().chars().filter(|c| *c != '\0').take(MOST_SEARCH_CHARS).collect();
    let asked = match (read_cursor(&query.before), read_cursor(&query.after)) {
        (Some(cursor), _) => PersonPage::OlderThan(cursor),
        (None, Some(cursor)) => PersonPage::NewerThan(cursor),
        (None, None) => PersonPage::Newest,
    };
    let (slice, page) = list(&state, project, &search, asked).await?;
    let has_people = !slice.people.is_empty() || state.pg.has_persons(project.id).await?;
    let to = |name: &'static str, person: Option<&PersonRow>| {
        person.map(|person| people_href(project, &search, Some((name, cursor_text(person)))))
    };
    let is_first = page == PersonPage::Newest;
    let has_older = slice.has_more || matches!(page, PersonPage::NewerThan(_));
    let page = PeoplePage {
        shell: Shell::load(&state, &access.user, Some(project), Section::People).await?,
        newest: (!is_first).then(|| people_href(project, &search, None)),
        newer: to("after", slice.people.first().filter(|_| !is_first)),
        older: to("before", slice.people.last().filter(|_| has_older)),
        people: slice.people.iter().map(|person| PersonLine::new(project, &zone, person)).collect(),
        project: project.clone(),
        search,
        has_people,
        searched_inside: SEARCHED_INSIDE,
    };
    render(&page)
}

/// The page asked for; and when the way up from it ends, the newest page, full.
async fn list(
    state: &AppState,
    project: &Project,
    search: &str,
    page: PersonPage,
) -> Result<(PersonSlice, PersonPage), WebError> {
    let search = Some(search).filter(|search| !search.is_empty());
    let slice = state.pg.list_persons(project.id, search, page, PAGE_SIZE).await?;
    if matches!(page, PersonPage::NewerThan(_)) && !slice.has_more {
        let newest = PersonPage::Newest;
        return Ok((state.pg.list_persons(project.id, search, newest, PAGE_SIZE).await?, newest));
    }
    Ok((slice, page))
}

fn people_href(project: &Project, search: &str, cursor: Option<(&'static str, String)>) -> String {
    let mut params = Vec::new();
    if !search.is_empty() {
        params.push(("search", search.to_owned()));
    }
    params.extend(cursor);
    let base = format!("/project/{}/persons", project.id);
    match serde_urlencoded::to_string(params) {
        Ok(query) if !query.is_empty() => format!("{base}?{query}"),
        _ => base,
    }
}

fn cursor_text(person: &PersonRow) -> String {
    format!("{}.{}", person.created_at.as_microsecond(), person.id.as_row())
}

fn read_cursor(text: &str) -> Option<PersonCursor> {
    let (at, id) = text.split_once('.')?;
    let created_at = Timestamp::from_microsecond(at.parse().ok()?).ok()?;
    Some(PersonCursor { created_at, id: PersonId::from_row(id.parse().ok()?) })
}

impl PersonLine {
    fn new(project: &Project, zone: &TimeZone, person: &PersonRow) -> Self {
        let label = PersonName::of(person).label;
        Self {
            initial: label
                .chars()
                .find(|c| c.is_alphanumeric())
                .map_or_else(|| "?".to_owned(), |c| c.to_uppercase().collect()),
            href: format!("/project/{}/persons/{}", project.id, person.uuid),
            distinct_id: person.distinct_ids.first().filter(|id| **id != label).cloned(),
            distinct_id_count: person.distinct_id_count,
            is_identified: person.is_identified,
            created: Moment::new(zone, person.created_at),
            last_seen: Moment::new(zone, person.last_seen_at),
            label,
        }
    }
}
