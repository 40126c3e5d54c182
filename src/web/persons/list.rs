//! `GET /project/{project}/persons`.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::state::PeopleState;
use crate::http::{AppState, ProjectAccess, WebError, page as render};
use crate::insights::explore::PersonName;
use crate::model::Project;
use crate::storage::pg::{
    PersonOrder, PersonPage, PersonQuery, PersonRow, PersonSlice, PersonSort, PropertyKind, SEARCHED_INSIDE,
    askers_mistake,
};
use crate::web::events::{Chip, time_text};
use crate::web::insights::grouped;
use crate::web::{Section, Shell};

/// People on a page.
pub const PAGE_SIZE: usize = 50;
/// Names offered in the form's list.
const MOST_NAMES: usize = 500;

#[derive(Debug, Template)]
#[template(path = "pages/persons/list.html")]
struct PeoplePage {
    shell: Shell,
    project: Project,
    action: String,
    search: String,
    /// What a search keeps.
    kept: Vec<(&'static str, String)>,
    chips: Vec<Chip>,
    property_names: Vec<String>,
    columns: Columns,
    export_href: String,
    people: Vec<PersonLine>,
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    /// Whether the project has any person with a profile.
    has_people: bool,
    is_filtered: bool,
    /// What is wrong with the filters; nothing is shown then.
    mistakes: Vec<String>,
    searched_inside: String,
}

/// The headings that sort.
#[derive(Debug)]
struct Columns {
    label: SortLink,
    created: SortLink,
    last_seen: SortLink,
}

/// A heading that leads to the list sorted by its column; the other way round if it is already.
#[derive(Debug)]
struct SortLink {
    href: String,
    /// As `aria-sort` says it.
    state: &'static str,
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

/// The people list.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let asked = PeopleState::parse(&pairs);
    let (question, mut mistakes) = asked.question();
    let found =
        if mistakes.is_empty() { list(&state, project, &question, &asked.page).await } else { Ok(Default::default()) };
    let (slice, page) = match found {
        Ok(found) => found,
        Err(error) => {
            mistakes.push(askers_mistake(&error).ok_or(error)?.to_owned());
            Default::default()
        }
    };
    let asked = PeopleState { page, ..asked };
    let base = format!("/project/{}/persons", project.id);
    let to = |page| format!("{base}{}", PeopleState { page, ..asked.clone() }.query());
    let is_first = asked.page == PersonPage::First;
    let has_next = slice.has_more || matches!(asked.page, PersonPage::Before(_));
    let edges = slice.edges.clone();
    let names = state.pg.list_property_definitions(project.id, PropertyKind::Person).await?;
    let mut property_names: Vec<String> = names.into_iter().map(|seen| seen.name).collect();
    property_names.sort_by_key(|name| name.starts_with('$'));
    property_names.truncate(MOST_NAMES);
    let page = PeoplePage {
        shell: Shell::load(&state, &access.user, Some(project), Section::People).await?,
        has_people: !slice.people.is_empty() || state.pg.has_persons(project.id).await?,
        first: (!is_first).then(|| to(PersonPage::First)),
        previous: edges.clone().filter(|_| !is_first).map(|(first, _)| to(PersonPage::Before(first))),
        next: edges.filter(|_| has_next).map(|(_, last)| to(PersonPage::After(last))),
        people: slice.people.iter().map(|person| PersonLine::new(project, &zone, person)).collect(),
        export_href: format!("{base}/export.csv{}", PeopleState { page: PersonPage::First, ..asked.clone() }.query()),
        columns: Columns::new(&asked, &base),
        chips: chips(&asked, &base),
        kept: asked.kept(),
        is_filtered: asked.is_filtered(),
        search: asked.search,
        project: project.clone(),
        searched_inside: grouped(SEARCHED_INSIDE.unsigned_abs()),
        action: base,
        property_names,
        mistakes,
    };
    render(&page)
}

/// The page asked for; and when the way back from it ends, the first page, full.
async fn list(
    state: &AppState,
    project: &Project,
    question: &PersonQuery,
    page: &PersonPage,
) -> Result<(PersonSlice, PersonPage), crate::storage::pg::PgError> {
    let slice = state.pg.list_persons(project.id, question, page, PAGE_SIZE, 3).await?;
    if matches!(page, PersonPage::Before(_)) && !slice.has_more {
        let first = PersonPage::First;
        return Ok((state.pg.list_persons(project.id, question, &first, PAGE_SIZE, 3).await?, first));
    }
    Ok((slice, page.clone()))
}

/// Each filter in words, and the list without it.
fn chips(asked: &PeopleState, base: &str) -> Vec<Chip> {
    let without = |at: usize| {
        let mut state = PeopleState { page: PersonPage::First, ..asked.clone() };
        state.filters.remove(at);
        format!("{base}{}", state.query())
    };
    asked.filters.iter().enumerate().map(|(at, filter)| Chip { text: filter.text(), without: without(at) }).collect()
}

impl Columns {
    fn new(asked: &PeopleState, base: &str) -> Self {
        let link = |by, starts_descending| {
            let is_current = asked.order.by == by;
            let is_descending = if is_current { !asked.order.is_descending } else { starts_descending };
            SortLink {
                href: format!("{base}{}", asked.sorted(PersonOrder { by, is_descending }).query()),
                state: match (is_current, asked.order.is_descending) {
                    (false, _) => "none",
                    (true, true) => "descending",
                    (true, false) => "ascending",
                },
            }
        };
        Self {
            label: link(PersonSort::Label, false),
            created: link(PersonSort::Created, true),
            last_seen: link(PersonSort::LastSeen, true),
        }
    }
}

/// The letter that stands for somebody.
#[must_use]
pub fn initial(label: &str) -> String {
    label.chars().find(|c| c.is_alphanumeric()).map_or_else(|| "?".to_owned(), |c| c.to_uppercase().collect())
}

impl PersonLine {
    fn new(project: &Project, zone: &TimeZone, person: &PersonRow) -> Self {
        let label = PersonName::of(person).label;
        Self {
            initial: initial(&label),
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
