//! `GET /project/{project}/persons/{uuid}` and `/project/{project}/person/{distinct_id}`: one person.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use futures_util::TryFutureExt;
use serde::Deserialize;

use super::facts::{Facts, Missing};
use super::list::{Moment, initial};
use super::properties::{EditForm, Properties};
use super::timeline::{SessionPart, Timeline};
use crate::http::{AppState, Cause, ProjectAccess, WebError, form_again, page as render};
use crate::insights::explore::{self, EventQuery, GROUP_KEYS, Person, PersonFound};
use crate::model::{Project, Role};
use crate::web::events::{Column, EventsPage, EventsPager, EventsPlace, clickhouse_is_away};
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
    facts: Facts,
    /// Whether ClickHouse answered. What the events tell is missing if not.
    can_read_events: bool,
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
    distinct_ids: Vec<String>,
    distinct_id_count: i64,
}

/// The path of a person by UUID.
#[derive(Debug, Deserialize)]
pub struct ByUuid {
    pub(super) uuid: String,
}

/// The path of a person by distinct id.
#[derive(Debug, Deserialize)]
pub struct ByDistinctId {
    pub(super) distinct_id: String,
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
    /// Whether to say what all events tell, however long that takes.
    facts: String,
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
    let person = explore::find_person(&state.pg, project.id, by).await?;
    let person = person.ok_or(Cause::NotFound)?;
    let base = href(project, &person);
    let columns = [Column::Event, Column::Address, Column::Time];
    let unseen = GROUP_KEYS.into_iter().chain(["$session_id"]).map(|key| Column::Property(key.to_owned()));
    let read_columns: Vec<Column> = columns.iter().cloned().chain(unseen).collect();
    let events = EventQuery {
        persons: Some(person.event_ids.clone()),
        wanted: Column::wanted(&read_columns),
        is_narrow: true,
        ..EventQuery::default()
    };
    let now = state.clock.now();
    let read_events = async {
        let page = EventsPage::read(state, project.id, &events, query.place, now).await?;
        let facts = match page.has_all() {
            true => Some(explore::person_facts_in(&state.pg, project.id, &page.list.lines, now).await?),
            false => None,
        };
        Ok((page, facts))
    };
    let read_facts = async {
        let read = explore::find_person_facts(&state.pg, &state.ch, project.id, &person.event_ids, now);
        Ok(if query.facts.is_empty() { None } else { Some(read.await?) })
    };
    let read_origins = async {
        let read = explore::find_property_origins(&state.pg, &state.ch, project.id, &person);
        Ok(if query.origins.is_empty() { None } else { Some(read.await?) })
    };
    let read_seen = async { tokio::try_join!(read_events, read_facts, read_origins) };
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
    let ((events, facts_in), asked_facts, origins) = seen.unwrap_or_default();
    if person.profile.is_none() && events.list.lines.is_empty() {
        return Err(Cause::NotFound.into());
    }
    let known = asked_facts.or(facts_in);
    let facts = Facts::new(project, &zone, &person, known.as_ref());
    let facts = match known {
        None if can_read_events => Facts {
            missing: Some(Missing::of(format!("{base}/facts"), &events.place.href(&base))),
            last: events.newest().map(|at| Moment::new(&zone, at)),
            ..facts
        },
        _ => facts,
    };
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
        facts,
        events_href: list_of("events"),
        sessions_href: list_of("sessions").map(|href| format!("{href}&traffic=all")),
        profile: person.profile.map(|profile| Profile {
            uuid: profile.uuid.to_string(),
            is_identified: profile.is_identified,
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

/// The page's own address, without a place in the events.
fn href(project: &Project, person: &Person) -> String {
    match (&person.profile, &person.distinct_id) {
        (Some(profile), _) => format!("/project/{}/persons/{}", project.id, profile.uuid),
        (None, Some(id)) => crate::web::events::person_href(project.id, id),
        (None, None) => format!("/project/{}/persons", project.id),
    }
}
