//! `GET /project/{project}/groups` and `/project/{project}/groups/{type}`.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{TypeTab, type_href, type_tabs};
use crate::http::{AppState, Cause, ProjectAccess, WebError, page as render};
use crate::model::query::PropertyScope;
use crate::model::{Project, ProjectId};
use crate::storage::pg::{GroupPage, GroupQuery, GroupRow, GroupSlice, PgError, askers_mistake};
use crate::web::events::{Chip, FilterLine, conditions, filters, path_segment};
use crate::web::persons::Moment;
use crate::web::{Section, Shell};

/// Groups on a page.
pub const PAGE_SIZE: usize = 50;
const MOST_SEARCH_CHARS: usize = 400;

#[derive(Debug, Template)]
#[template(path = "pages/groups/list.html")]
struct GroupsPage {
    shell: Shell,
    project: Project,
    types: Vec<TypeTab>,
    /// The name of the type that is shown; empty if there is none.
    type_name: String,
    action: String,
    search: String,
    kept: Vec<(&'static str, String)>,
    chips: Vec<Chip>,
    /// Keys of the groups on the page, to suggest.
    property_names: Vec<String>,
    groups: Vec<GroupLine>,
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    is_filtered: bool,
    mistakes: Vec<String>,
}

/// A group's row.
#[derive(Debug)]
struct GroupLine {
    label: String,
    /// The key, where the label is something else.
    key: Option<String>,
    href: String,
    property_count: usize,
    created: Moment,
}

/// The path of a type's list.
#[derive(Debug, Deserialize)]
pub struct TypePath {
    r#type: String,
}

/// All that the list's address says.
#[derive(Debug, Clone, Default)]
struct GroupsState {
    search: String,
    filters: Vec<FilterLine>,
    page: GroupPage,
}

impl GroupsState {
    fn parse(pairs: &[(String, String)]) -> Self {
        let one = |name| {
            let found = pairs.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
            found.chars().filter(|c| *c != '\0').take(MOST_SEARCH_CHARS).collect::<String>()
        };
        let (after, before) = (one("after"), one("before"));
        Self {
            search: one("search").trim().to_owned(),
            filters: filters(pairs),
            page: match (after.is_empty(), before.is_empty()) {
                (false, _) => GroupPage::After(after),
                (true, false) => GroupPage::Before(before),
                (true, true) => GroupPage::First,
            },
        }
    }

    fn question(&self) -> (GroupQuery, Vec<String>) {
        let (filters, mistakes) = conditions(&self.filters, PropertyScope::Person);
        let search = Some(self.search.clone()).filter(|search| !search.is_empty());
        (GroupQuery { search, filters }, mistakes)
    }

    fn kept(&self) -> Vec<(&'static str, String)> {
        self.filters.iter().flat_map(FilterLine::params).collect()
    }

    fn query(&self) -> String {
        let mut params = self.kept();
        if !self.search.is_empty() {
            params.push(("search", self.search.clone()));
        }
        match &self.page {
            GroupPage::First => {}
            GroupPage::After(key) => params.push(("after", key.clone())),
            GroupPage::Before(key) => params.push(("before", key.clone())),
        }
        match serde_urlencoded::to_string(params) {
            Ok(text) if !text.is_empty() => format!("?{text}"),
            _ => String::new(),
        }
    }
}

/// The list of the first type; without any type, how to send one.
pub async fn get_first(access: ProjectAccess, State(state): State<AppState>) -> Result<Response, WebError> {
    let project = &access.project;
    if let Some(first) = state.pg.list_group_types(project.id).await?.first() {
        return Ok(Redirect::to(&type_href(project.id, first.index)).into_response());
    }
    let page = GroupsPage {
        shell: Shell::load(&state, &access.user, Some(project), Section::People).await?,
        project: project.clone(),
        types: Vec::new(),
        type_name: String::new(),
        action: String::new(),
        search: String::new(),
        kept: Vec::new(),
        chips: Vec::new(),
        property_names: Vec::new(),
        groups: Vec::new(),
        first: None,
        previous: None,
        next: None,
        is_filtered: false,
        mistakes: Vec::new(),
    };
    render(&page)
}

/// The groups of a type.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(TypePath { r#type }): Path<TypePath>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let zone = project.time_zone.rules();
    let types = state.pg.list_group_types(project.id).await?;
    let index: i16 = r#type.parse().map_err(|_| Cause::NotFound)?;
    let group_type = types.iter().find(|one| one.index == index).ok_or(Cause::NotFound)?;
    let asked = GroupsState::parse(&pairs);
    let (question, mut mistakes) = asked.question();
    let found = if mistakes.is_empty() {
        list(&state, project.id, index, &question, &asked.page).await
    } else {
        Ok(Default::default())
    };
    let (slice, page) = match found {
        Ok(found) => found,
        Err(error) => {
            mistakes.push(askers_mistake(&error).ok_or(error)?.to_owned());
            Default::default()
        }
    };
    let asked = GroupsState { page, ..asked };
    let action = type_href(project.id, index);
    let to = |page| format!("{action}{}", GroupsState { page, ..asked.clone() }.query());
    let is_first = asked.page == GroupPage::First;
    let has_next = slice.has_more || matches!(asked.page, GroupPage::Before(_));
    let (first, last) = (slice.groups.first().filter(|_| !is_first), slice.groups.last().filter(|_| has_next));
    let mut property_names: Vec<String> =
        slice.groups.iter().flat_map(|group| group.properties.keys().cloned()).collect();
    property_names.sort_unstable();
    property_names.dedup();
    let page = GroupsPage {
        shell: Shell::load(&state, &access.user, Some(project), Section::People).await?,
        types: type_tabs(project.id, &types, index),
        type_name: group_type.name.clone(),
        first: (!is_first).then(|| to(GroupPage::First)),
        previous: first.map(|group| to(GroupPage::Before(group.key.clone()))),
        next: last.map(|group| to(GroupPage::After(group.key.clone()))),
        groups: slice.groups.iter().map(|group| GroupLine::new(project.id, &zone, group)).collect(),
        chips: chips(&asked, &action),
        kept: asked.kept(),
        is_filtered: !asked.search.is_empty() || !asked.filters.is_empty(),
        search: asked.search.clone(),
        project: project.clone(),
        property_names,
        mistakes,
        action,
    };
    render(&page)
}

/// The page asked for; and when the way back from it ends, the first page, full.
async fn list(
    state: &AppState,
    project: ProjectId,
    index: i16,
    question: &GroupQuery,
    page: &GroupPage,
) -> Result<(GroupSlice, GroupPage), PgError> {
    let slice = state.pg.list_groups(project, index, question, page, PAGE_SIZE).await?;
    if matches!(page, GroupPage::Before(_)) && !slice.has_more {
        let first = GroupPage::First;
        return Ok((state.pg.list_groups(project, index, question, &first, PAGE_SIZE).await?, first));
    }
    Ok((slice, page.clone()))
}

fn chips(asked: &GroupsState, action: &str) -> Vec<Chip> {
    let without = |at: usize| {
        let mut state = GroupsState { page: GroupPage::First, ..asked.clone() };
        state.filters.remove(at);
        format!("{action}{}", state.query())
    };
    asked.filters.iter().enumerate().map(|(at, filter)| Chip { text: filter.text(), without: without(at) }).collect()
}

impl GroupLine {
    fn new(project: ProjectId, zone: &TimeZone, group: &GroupRow) -> Self {
        let label = group.label();
        Self {
            key: (label != group.key).then(|| group.key.clone()),
            href: format!("{}/{}", type_href(project, group.index), path_segment(&group.key)),
            property_count: group.properties.len(),
            created: Moment::new(zone, group.created_at),
            label: label.to_owned(),
        }
    }
}
