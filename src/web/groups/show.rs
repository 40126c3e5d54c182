//! `GET /project/{project}/groups/{type}/{key}`: one group.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use futures_util::TryFutureExt;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Map;

use super::type_href;
use crate::http::{AppState, Cause, ProjectAccess, WebError, page as render};
use crate::insights::explore::{self, ACTIVE_WITHIN_DAYS, GroupMember};
use crate::model::{Project, ProjectId};
use crate::storage::pg::GroupRow;
use crate::web::events::{
    Column, EventTable, EventsPage, EventsPager, EventsPlace, PropertyLine, path_segment, person_href, property_lines,
};
use crate::web::persons::{Moment, initial};
use crate::web::{Section, Shell};

/// People that are named.
const MOST_PEOPLE: usize = 50;

#[derive(Debug, Template)]
#[template(path = "pages/groups/show.html")]
struct GroupPageView {
    shell: Shell,
    project: Project,
    type_name: String,
    type_href: String,
    label: String,
    initial: String,
    key: String,
    /// None for a group that events name and that was never described.
    created: Option<Moment>,
    properties: Vec<PropertyLine>,
    days: i64,
    event_count: u64,
    person_count: u64,
    people: Vec<MemberLine>,
    table: EventTable,
    pager: EventsPager,
}

/// Somebody who acted in the group.
#[derive(Debug)]
struct MemberLine {
    label: String,
    initial: String,
    href: String,
    has_profile: bool,
    event_count: u64,
    last: Moment,
}

/// The path of a group.
#[derive(Debug, Deserialize)]
pub struct GroupPath {
    r#type: String,
    key: String,
}

/// One group; one that only events name has a page too.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(GroupPath { r#type, key }): Path<GroupPath>,
    Query(place): Query<EventsPlace>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let now = state.clock.now();
    let index: i16 = r#type.parse().map_err(|_| Cause::NotFound)?;
    let types = state.pg.list_group_types(project.id).await?;
    let group_type = types.iter().find(|one| one.index == index).ok_or(Cause::NotFound)?;
    // Postgres keeps no text with a zero in it, so no group has such a key.
    if key.contains('\0') {
        return Err(Cause::NotFound.into());
    }
    let known = state.pg.find_group(project.id, index, &key).await?;
    let group = known.clone().unwrap_or_else(|| GroupRow { index, key, properties: Map::new(), created_at: now });
    let base = format!("{}/{}", type_href(project.id, index), path_segment(&group.key));
    let columns = vec![Column::Event, Column::Person, Column::Address, Column::Time];
    let of_group = explore::events_of_group(&group, Column::wanted(&columns));
    let read_events = EventsPage::read(&state, project.id, &of_group, place, now).err_into::<WebError>();
    let key = &group.key;
    let summarise = explore::summarise_group(&state.pg, &state.ch, project.id, index, key, MOST_PEOPLE, now);
    let load_shell = Shell::load(&state, &access.user, Some(project), Section::People).err_into();
    let (events, summary, shell) = tokio::try_join!(read_events, summarise.err_into(), load_shell)?;
    if known.is_none() && events.is_without_events() {
        return Err(Cause::NotFound.into());
    }
    let table = EventTable::new(project.id, &zone, columns, &events.list.lines, events.open.as_ref(), |uuid| {
        events.place.toggled(uuid).href(&base)
    });
    let view = GroupPageView {
        shell,
        type_name: group_type.name.clone(),
        type_href: type_href(project.id, index),
        label: group.label().to_owned(),
        initial: initial(group.label()),
        created: known.map(|group| Moment::new(&zone, group.created_at)),
        properties: property_lines(&group.properties),
        days: ACTIVE_WITHIN_DAYS,
        event_count: summary.event_count,
        person_count: summary.person_count,
        people: summary.members.iter().map(|member| MemberLine::new(project.id, &zone, member)).collect(),
        pager: events.pager(|place| format!("{}#events", place.href(&base))),
        project: project.clone(),
        key: group.key,
        table,
    };
    render(&view)
}

impl MemberLine {
    fn new(project: ProjectId, zone: &TimeZone, member: &GroupMember) -> Self {
        let GroupMember { activity, name, distinct_id } = member;
        Self {
            label: name.label.clone(),
            initial: initial(&name.label),
            href: person_href(project, distinct_id),
            has_profile: name.has_profile,
            event_count: activity.event_count,
            last: Moment::new(zone, activity.last_at),
        }
    }
}
