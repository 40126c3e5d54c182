//! `GET /project/{project}/groups/{type}/{key}`: one group.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Map;

use super::type_href;
use crate::http::{AppState, Cause, ProjectAccess, WebError, page as render};
use crate::insights::explore::{self, ACTIVE_WITHIN_DAYS, ExploreError, GroupMember};
use crate::model::{Project, ProjectId};
use crate::storage::ch::{EventCursor, EventPage};
use crate::storage::pg::GroupRow;
use crate::web::events::{
    Column, EventTable, PropertyLine, cursor_text, open_line, path_segment, person_href, property_lines, read_cursor,
};
use crate::web::persons::{Moment, initial};
use crate::web::{Section, Shell};

/// Events on a page.
pub const PAGE_SIZE: usize = 50;
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
    newest: Option<String>,
    newer: Option<String>,
    older: Option<String>,
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

/// Where in the group's events the page stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventsQuery {
    before: String,
    after: String,
    open: String,
}

/// One group; one that only events name has a page too.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(GroupPath { r#type, key }): Path<GroupPath>,
    Query(query): Query<EventsQuery>,
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
    let asked = match (read_cursor(&query.before), read_cursor(&query.after)) {
        (Some(cursor), _) => EventPage::OlderThan(cursor),
        (None, Some(cursor)) => EventPage::NewerThan(cursor),
        (None, None) => EventPage::Newest,
    };
    let columns = vec![Column::Event, Column::Person, Column::Address, Column::Time];
    let of_group = explore::events_of_group(&group, Column::wanted(&columns));
    let read = |page| explore::list_events(&state.pg, &state.ch, project.id, &of_group, page, PAGE_SIZE, now);
    let read_list = async {
        match (read(asked).await?, asked) {
            (list, EventPage::NewerThan(_)) if !list.has_more => {
                Ok((read(EventPage::Newest).await?, EventPage::Newest))
            }
            (list, page) => Ok::<_, ExploreError>((list, page)),
        }
    };
    let summarise = explore::summarise_group(&state.pg, &state.ch, project.id, index, &group.key, MOST_PEOPLE, now);
    let ((list, page), summary) = tokio::try_join!(read_list, summarise)?;
    if known.is_none() && list.lines.is_empty() && page == EventPage::Newest {
        return Err(Cause::NotFound.into());
    }
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
    let open_line = open_line(&state, project, &list.lines, open).await?;
    let table = EventTable::new(project.id, &zone, columns.clone(), &list.lines, open_line.as_ref(), |uuid| {
        if open == Some(uuid) { format!("{base}?{here}") } else { format!("{base}?{here}open={uuid}") }
    });
    let view = GroupPageView {
        shell: Shell::load(&state, &access.user, Some(project), Section::People).await?,
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
        newest: (!is_first).then(|| format!("{base}#events")),
        newer: newer.filter(|_| !is_first).map(|cursor| format!("{base}?after={cursor}#events")),
        older: older.filter(|_| has_older).map(|cursor| format!("{base}?before={cursor}#events")),
        project: project.clone(),
        key: group.key,
        table,
    };
    render(&view)
}

impl MemberLine {
    fn new(project: ProjectId, zone: &TimeZone, member: &GroupMember) -> Self {
        let GroupMember { activity, name } = member;
        Self {
            label: name.label.clone(),
            initial: initial(&name.label),
            href: person_href(project, &activity.distinct_id),
            has_profile: name.has_profile,
            event_count: activity.event_count,
            last: Moment::new(zone, activity.last_at),
        }
    }
}
