//! `GET /project/{project}/groups/{type}/{key}`: one group.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use futures_util::TryFutureExt;
use serde::Deserialize;
use serde_json::Map;

use super::activity::{self, Activity};
use super::type_href;
use crate::http::{AppState, Cause, ProjectAccess, WebError, form_again, page as render};
use crate::insights::explore::{self, Origin};
use crate::model::{Project, ProjectId, Role};
use crate::storage::pg::GroupRow;
use crate::web::events::{Column, EventTable, EventsPage, EventsPager, EventsPlace, clickhouse_is_away, path_segment};
use crate::web::persons::{EditForm, Missing, Properties, initial};
use crate::web::{Section, Shell};

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
    /// The page's own address.
    base: String,
    /// None for a group that events name and that was never described.
    properties: Option<Properties>,
    activity: Activity,
    /// Whether ClickHouse answered. What the events tell is missing if not.
    can_read_events: bool,
    table: EventTable,
    pager: EventsPager,
}

/// The path of a group.
#[derive(Debug, Deserialize)]
pub struct GroupPath {
    r#type: String,
    key: String,
}

/// What the page's address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GroupQuery {
    /// Where in the group's events the page stands.
    #[serde(flatten)]
    place: EventsPlace,
    /// The property to edit; empty to add one.
    edit: Option<String>,
    /// Whether to say who acted in it, however long that takes.
    facts: String,
}

impl GroupPath {
    /// The group's type.
    pub(super) fn index(&self) -> Result<i16, Cause> {
        self.r#type.parse().map_err(|_| Cause::NotFound)
    }

    /// The group's key. Postgres keeps no text with a zero in it, so no group has such a key.
    pub(super) fn key(&self) -> Result<&str, Cause> {
        if self.key.contains('\0') { Err(Cause::NotFound) } else { Ok(&self.key) }
    }

    /// The group's page.
    pub(super) fn href(&self, project: ProjectId) -> Result<String, Cause> {
        Ok(format!("{}/{}", type_href(project, self.index()?), path_segment(&self.key)))
    }
}

/// One group; one that only events name has a page too.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(path): Path<GroupPath>,
    Query(query): Query<GroupQuery>,
) -> Result<Response, WebError> {
    render(&load(&access, &state, path, &query, None).await?)
}

/// The page again, with a form that was not right.
pub(super) async fn form_page(
    access: &ProjectAccess,
    state: &AppState,
    path: GroupPath,
    form: EditForm,
) -> Result<Response, WebError> {
    form_again(&load(access, state, path, &GroupQuery::default(), Some(form)).await?)
}

async fn load(
    access: &ProjectAccess,
    state: &AppState,
    path: GroupPath,
    query: &GroupQuery,
    form: Option<EditForm>,
) -> Result<GroupPageView, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let now = state.clock.now();
    let (index, base) = (path.index()?, path.href(project.id)?);
    path.key()?;
    let types = state.pg.list_group_types(project.id).await?;
    let group_type = types.iter().find(|one| one.index == index).ok_or(Cause::NotFound)?;
    let known = state.pg.find_group(project.id, index, &path.key).await?;
    let group =
        known.clone().unwrap_or_else(|| GroupRow { index, key: path.key, properties: Map::new(), created_at: now });
    let columns = vec![Column::Event, Column::Person, Column::Address, Column::Time];
    let of_group = explore::events_of_group(&group, Column::wanted(&columns));
    let read_events = EventsPage::read(state, project.id, &of_group, query.place, now);
    let key = &group.key;
    let read_activity = async {
        let read = activity::read(state, project.id, index, key);
        Ok(if query.facts.is_empty() { None } else { Some(read.await?) })
    };
    let read_seen = async { tokio::try_join!(read_events, read_activity) };
    let read_seen = explore::unless_away(&state.ch, read_seen).err_into::<WebError>();
    let load_shell = Shell::load(state, &access.user, Some(project), Section::People).err_into();
    let read_edits = state.pg.list_last_group_edits(project.id, index, key).err_into();
    let (seen, edits, shell) = tokio::try_join!(read_seen, read_edits, load_shell)?;
    let can_read_events = seen.is_some();
    // Only events know of a group that was never described.
    if known.is_none() && !can_read_events {
        return Err(clickhouse_is_away().into());
    }
    let (events, summary) = seen.unwrap_or_default();
    if known.is_none() && events.is_without_events() {
        return Err(Cause::NotFound.into());
    }
    let activity = Activity::new(project.id, &zone, known.as_ref(), summary.as_ref());
    let activity = match summary {
        None if can_read_events => {
            Activity { missing: Some(Missing::of(format!("{base}/activity"), &events.place.href(&base))), ..activity }
        }
        _ => activity,
    };
    let table = EventTable::new(project.id, &zone, columns, &events.list.lines, events.open.as_ref(), |uuid| {
        events.place.toggled(uuid).href(&base)
    });
    let can_edit = access.is_at_least(Role::Member);
    let properties = known.as_ref().map(|group| {
        let asked = query.edit.as_ref().filter(|_| can_edit);
        let form = form.or_else(|| asked.map(|key| EditForm::of(&group.properties, key)));
        let by_hand =
            edits.into_iter().map(|edit| (edit.key, Origin::User { name: edit.edited_by, at: edit.edited_at }));
        let origins = by_hand.collect();
        let all = Properties::new(project.id, &zone, &base, &group.properties, Some(&origins), can_edit, form);
        Properties { is_of_group: true, asks_origins: false, ..all }
    });
    Ok(GroupPageView {
        shell,
        type_name: group_type.name.clone(),
        type_href: type_href(project.id, index),
        label: group.label().to_owned(),
        initial: initial(group.label()),
        properties,
        activity,
        pager: events.pager(|place| format!("{}#events", place.href(&base))),
        project: project.clone(),
        key: group.key,
        table,
        base,
        can_read_events,
    })
}
