//! `/project/{project}/duplicates`: people who share an e-mail address or another property, and merging them.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{Redirect, Response};
use serde::Deserialize;

use super::merge::{Line, join};
use crate::http::{AppState, Cause, Form, ProjectAccess, WebError, page};
use crate::model::{Project, Role};
use crate::storage::pg::{self, Duplicate, DuplicateSearch, MAX_SHARING, MergeCandidate, PropertyKind};
use crate::web::{Section, Shell};

/// Values on a page.
const PAGE_SIZE: i64 = 25;
/// Longest name of a property.
const MAX_PROPERTY_CHARS: usize = 200;

#[derive(Debug, Template)]
#[template(path = "pages/merges/duplicates.html")]
struct DuplicatesPage {
    shell: Shell,
    project: Project,
    search: Option<DuplicateSearch>,
    property: String,
    /// Names of properties to choose from.
    properties: Vec<String>,
    groups: Vec<Group>,
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    may_change: bool,
}

#[derive(Debug, Template)]
#[template(path = "pages/merges/merge_all.html")]
struct MergeAllPage {
    shell: Shell,
    project: Project,
    property: String,
    value: String,
    people: Vec<Line>,
    /// Whether more people have the value than are merged at once.
    has_more: bool,
}

/// People who share a value.
#[derive(Debug)]
struct Group {
    value: String,
    people: Vec<Line>,
    /// Those that are not named here.
    more: i64,
    merge_href: String,
}

/// The page's query string.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PageQuery {
    from: i64,
}

/// What to look for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SearchFields {
    property: String,
}

/// Whom to merge.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ValueFields {
    value: String,
}

/// What the last search found.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let from = query.from.clamp(0, pg::MAX_DUPLICATES);
    let search = state.pg.find_duplicate_search(project.id).await?;
    let mut found = state.pg.list_duplicates(project.id, from, PAGE_SIZE + 1).await?;
    let has_more = found.len() as i64 > PAGE_SIZE;
    found.truncate(usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX));
    let ids: Vec<_> = found.iter().flat_map(|duplicate| duplicate.person_ids.iter().copied()).collect();
    let people = state.pg.list_merge_candidates(project.id, &ids).await?;
    let property = search.as_ref().map_or_else(|| "email".to_owned(), |search| search.property.clone());
    let mut names: Vec<String> = vec!["email".to_owned()];
    let known = state.pg.list_property_definitions(project.id, PropertyKind::Person).await?;
    names.extend(known.into_iter().map(|seen| seen.name).filter(|name| name != "email"));
    let href = |from: i64| format!("/project/{}/duplicates?from={from}", project.id);
    page(&DuplicatesPage {
        shell: Shell::load(&state, &access.user, Some(project), Section::People).await?,
        groups: found.iter().map(|duplicate| Group::new(project, &property, duplicate, &people)).collect(),
        first: (from > 0).then(|| href(0)),
        previous: (from > 0).then(|| href((from - PAGE_SIZE).max(0))),
        next: has_more.then(|| href(from + PAGE_SIZE)),
        may_change: access.is_at_least(Role::Member),
        search,
        property,
        properties: names,
        project: project.clone(),
    })
}

/// Searches.
pub async fn search(
    access: ProjectAccess,
    State(state): State<AppState>,
    Form(fields): Form<SearchFields>,
) -> Result<Redirect, WebError> {
    access.require(Role::Member)?;
    let property: String = fields.property.chars().filter(|c| *c != '\0').take(MAX_PROPERTY_CHARS).collect();
    let property = if property.is_empty() { "email".to_owned() } else { property };
    match state.pg.search_duplicates(access.project.id, &property, state.clock.now()).await {
        Err(error) if pg::is_out_of_time(&error) => {
            let detail = "The search took longer than 30 seconds and was given up; what was found before stands.";
            Err(Cause::Conflict(detail.to_owned()).into())
        }
        done => {
            done?;
            Ok(Redirect::to(&format!("/project/{}/duplicates", access.project.id)))
        }
    }
}

/// What merging all who share a value would do.
pub async fn get_merge(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(fields): Query<ValueFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let project = &access.project;
    let (search, found, people) = sharing(&state, project, &fields.value).await?;
    page(&MergeAllPage {
        shell: Shell::load(&state, &access.user, Some(project), Section::People).await?,
        property: search.property,
        has_more: found.people > MAX_SHARING as i64,
        value: found.value,
        people: people.iter().map(|person| Line::new(project, person)).collect(),
        project: project.clone(),
    })
}

/// Merges all who share a value into the oldest of them.
pub async fn merge(
    access: ProjectAccess,
    State(state): State<AppState>,
    Form(fields): Form<ValueFields>,
) -> Result<Redirect, WebError> {
    access.require(Role::Member)?;
    let (_, _, people) = sharing(&state, &access.project, &fields.value).await?;
    let Some((oldest, others)) = people.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Err(Cause::Conflict("Only one of them is left.".to_owned()).into());
    };
    for other in others {
        join(&access, &state, oldest, other).await?;
    }
    Ok(Redirect::to(&format!("/project/{}/persons/{}", access.project.id, oldest.uuid)))
}

/// Those who still share a value, oldest first.
async fn sharing(
    state: &AppState,
    project: &Project,
    value: &str,
) -> Result<(DuplicateSearch, Duplicate, Vec<MergeCandidate>), WebError> {
    if value.contains('\0') {
        return Err(Cause::NotFound.into());
    }
    let search = state.pg.find_duplicate_search(project.id).await?.ok_or(Cause::NotFound)?;
    let found = state.pg.find_duplicate(project.id, value).await?.ok_or(Cause::NotFound)?;
    let mut people = state.pg.list_merge_candidates(project.id, &found.person_ids).await?;
    people.retain(|person| has_value(person, &search.property, value));
    Ok((search, found, people))
}

/// What was found may have changed since.
fn has_value(person: &MergeCandidate, property: &str, value: &str) -> bool {
    let text = match person.properties.get(property) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Number(number)) => number.to_string(),
        _ => return false,
    };
    text.trim_matches(' ').to_lowercase() == value
}

impl Group {
    fn new(project: &Project, property: &str, found: &Duplicate, people: &[MergeCandidate]) -> Self {
        let here = people
            .iter()
            .filter(|person| found.person_ids.contains(&person.id) && has_value(person, property, &found.value));
        let query = serde_urlencoded::to_string([("value", &found.value)]).unwrap_or_default();
        Self {
            value: found.value.clone(),
            people: here.map(|person| Line::new(project, person)).collect(),
            more: found.people - found.person_ids.len() as i64,
            merge_href: format!("/project/{}/duplicates/merge?{query}", project.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::merge::tests::line;
    use super::*;
    use crate::web::tests::{assert_page, sample_project};

    #[test]
    fn the_page_renders_before_a_search_after_one_and_with_nothing_found() {
        let found = |values| DuplicateSearch {
            property: "email".to_owned(),
            searched_at: jiff::Timestamp::UNIX_EPOCH,
            is_cut: values > 1,
            values,
        };
        let sample = |search: Option<DuplicateSearch>, groups| DuplicatesPage {
            shell: Shell::sample(Section::People),
            project: sample_project(),
            search,
            property: "email".to_owned(),
            properties: vec!["email".to_owned(), "phone".to_owned()],
            groups,
            first: None,
            previous: None,
            next: Some("/project/1/duplicates?from=25".to_owned()),
            may_change: true,
        };
        assert_page(&sample(None, vec![]), ".empty");
        assert_page(&sample(Some(found(0)), vec![]), ".empty");
        let group = |people| Group {
            value: "<ada@example.com>".to_owned(),
            people,
            more: 3,
            merge_href: "/project/1/duplicates/merge?value=x".to_owned(),
        };
        let full = sample(Some(found(2)), vec![group(vec![line("ada"), line("bob")]), group(vec![line("eve")])]);
        assert_page(&full, "a[href='/project/1/duplicates/merge?value=x']");
        let all = MergeAllPage {
            shell: Shell::sample(Section::People),
            project: sample_project(),
            property: "email".to_owned(),
            value: "<x>".to_owned(),
            people: vec![line("ada"), line("bob")],
            has_more: true,
        };
        assert_page(&all, "form[method=post] input[name=value]");
    }
}
