//! `GET /project/{project}/persons/{uuid}` and `/project/{project}/person/{distinct_id}`: one person.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use futures_util::TryFutureExt;
use serde::Deserialize;

use super::list::{Moment, initial};
use super::properties::{EditForm, Properties};
use super::timeline::{SessionPart, Timeline};
use crate::http::{AppState, Cause, ProjectAccess, WebError, form_again, page as render};
use crate::insights::explore::{self, EventQuery, Person, PersonFacts, PersonFound, PersonGroup};
use crate::model::{Project, Role};
use crate::web::events::{Column, EventsPage, EventsPager, EventsPlace, clickhouse_is_away, path_segment};
use crate::web::insights::grouped;
use crate::web::merges::MergeSection;
use crate::web::{Section, Shell};

#[derive(Debug, Template)]
#[template(path = "pages/persons/show.html")]
struct PersonPageView {
    shell: Shell,
    project: Project,
    label: String,
    initial: String,
    profile: Option<Profile>,
    /// The page's own address.
    base: String,
    /// The distinct id to copy.
    distinct_id: Option<String>,
    properties: Option<Properties>,
    groups: Vec<GroupLink>,
    /// Whether ClickHouse answered. What the events tell is missing if not.
    can_read_events: bool,
    first_seen: Option<Moment>,
    last_seen: Option<Moment>,
    /// How many there are, in words.
    events: String,
    events_href: Option<String>,
    sessions_href: Option<String>,
    sessions: Vec<SessionPart>,
    merges: Option<MergeSection>,
    pager: EventsPager,
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

/// A group that the person acted in.
#[derive(Debug)]
struct GroupLink {
    type_name: String,
    label: String,
    href: String,
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
    #[serde(flatten)]
    place: EventsPlace,
    /// The property to edit; empty to add one.
    edit: Option<String>,
    /// Whether to say where each property came from.
    origins: String,
}

/// A person by UUID.
pub async fn get_by_uuid(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(ByUuid { uuid }): Path<ByUuid>,
    Query(query): Query<EventsQuery>,
) -> Result<Response, WebError> {
    let by = PersonFound::ByUuid(uuid.parse().map_err(|_| Cause::NotFound)?);
    render(&load(&access, &state, &by, &query, None).await?)
}

/// Whoever has a distinct id; SDKs link here.
pub async fn get_by_distinct_id(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(ByDistinctId { distinct_id }): Path<ByDistinctId>,
    Query(query): Query<EventsQuery>,
) -> Result<Response, WebError> {
    render(&load(&access, &state, &PersonFound::ByDistinctId(distinct_id), &query, None).await?)
}

/// The page again, with a form that was not right.
pub(super) async fn form_page(
    access: &ProjectAccess,
    state: &AppState,
    by: &PersonFound,
    query: &EventsQuery,
    form: EditForm,
) -> Result<Response, WebError> {
    form_again(&load(access, state, by, query, Some(form)).await?)
}

async fn load(
    access: &ProjectAccess,
    state: &AppState,
    by: &PersonFound,
    query: &EventsQuery,
    form: Option<EditForm>,
) -> Result<PersonPageView, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let person = explore::find_person_without_events(&state.pg, project.id, by).await?;
    let person = person.ok_or(Cause::NotFound)?;
    let base = href(project, &person);
    let columns = [Column::Event, Column::Address, Column::Time];
    let read_columns = [&columns[..], &[Column::Property("$session_id".to_owned())]].concat();
    let events = EventQuery {
        persons: Some(person.event_ids.clone()),
        wanted: Column::wanted(&read_columns),
        is_narrow: true,
        ..EventQuery::default()
    };
    let now = state.clock.now();
    let read_events = EventsPage::read(state, project.id, &events, query.place, now);
    let read_facts = async {
        let facts = explore::find_person_facts(&state.pg, &state.ch, project.id, &person, now).await?;
        let with_span = Person { span: facts.span, ..person.clone() };
        let origins = match query.origins.as_str() {
            "" => None,
            _ => Some(explore::find_property_origins(&state.pg, &state.ch, project.id, &with_span).await?),
        };
        Ok((facts, origins))
    };
    let read_seen = async { tokio::try_join!(read_events, read_facts) };
    let read_seen = explore::unless_away(&state.ch, read_seen).err_into::<WebError>();
    let load_merges = async {
        Ok(match &person.profile {
            Some(profile) => Some(MergeSection::load(state, access, profile).await?),
            None => None,
        })
    };
    let load_shell = Shell::load(state, &access.user, Some(project), Section::People).err_into();
    let (seen, merges, shell) = tokio::try_join!(read_seen, load_merges, load_shell)?;
    let can_read_events = seen.is_some();
    // Only events know of a distinct id without a profile.
    if person.profile.is_none() && !can_read_events {
        return Err(clickhouse_is_away().into());
    }
    let (events, (PersonFacts { span, groups }, origins)) = seen.unwrap_or_default();
    if person.profile.is_none() && span.is_none() {
        return Err(Cause::NotFound.into());
    }
    let timeline = Timeline { project: project.id, zone: &zone, columns: &columns, open: events.open.as_ref() };
    let sessions = timeline.parts(&events.list.lines, |uuid| events.place.toggled(uuid).href(&base));
    let can_edit = access.is_at_least(Role::Member);
    let properties = person.profile.as_ref().map(|profile| {
        let asked = query.edit.as_ref().filter(|_| can_edit);
        let form = form.or_else(|| asked.map(|key| EditForm::of(&profile.properties, key)));
        let all = Properties::new(project.id, &zone, &base, &profile.properties, origins.as_ref(), can_edit, form);
        Properties { asks_origins: can_read_events, ..all }
    });
    let person_param = person.distinct_id.as_ref().and_then(|id| serde_urlencoded::to_string([("person", id)]).ok());
    let list_of = |what: &str| person_param.as_ref().map(|param| format!("/project/{}/{what}?{param}", project.id));
    let page = PersonPageView {
        merges,
        shell,
        can_read_events,
        initial: initial(&person.name.label),
        label: person.name.label.clone(),
        properties,
        groups: groups.iter().map(|group| GroupLink::new(project, group)).collect(),
        first_seen: span.map(|span| Moment::new(&zone, span.first)),
        last_seen: span.map(|span| Moment::new(&zone, span.last)),
        events: grouped(span.map_or(0, |span| span.count)),
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
        pager: events.pager(|place| format!("{}#events", place.href(&base))),
        sessions,
        base,
        project: project.clone(),
    };
    Ok(page)
}

impl GroupLink {
    fn new(project: &Project, group: &PersonGroup) -> Self {
        let PersonGroup { group_type, key, label } = group;
        Self {
            type_name: group_type.name.clone(),
            label: label.clone(),
            href: format!("/project/{}/groups/{}/{}", project.id, group_type.index, path_segment(key)),
        }
    }
}

/// The page's own address, without a place in the events.
fn href(project: &Project, person: &Person) -> String {
    match (&person.profile, &person.distinct_id) {
        (Some(profile), _) => format!("/project/{}/persons/{}", project.id, profile.uuid),
        (None, Some(id)) => crate::web::events::person_href(project.id, id),
        (None, None) => format!("/project/{}/persons", project.id),
    }
}
