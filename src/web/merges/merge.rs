//! `/project/{project}/merges/new`: merges two people by hand. First who, then what would happen, then it happens.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{Redirect, Response};
use serde::Deserialize;

use super::refused;
use crate::http::{AppState, Cause, FieldErrors, Form, ProjectAccess, WebError, page};
use crate::identity::Identity;
use crate::model::{Project, Role};
use crate::storage::pg::MergeCandidate;
use crate::web::{Section, Shell};

#[derive(Debug, Template)]
#[template(path = "pages/merges/merge.html")]
struct MergePage {
    shell: Shell,
    project: Project,
    target: Line,
    other: Option<Line>,
    /// What was typed to find the other.
    with: String,
    errors: FieldErrors,
}

/// A person on this page.
#[derive(Debug)]
pub(super) struct Line {
    pub label: String,
    pub href: String,
    pub uuid: String,
    pub is_identified: bool,
    pub distinct_id: String,
    pub distinct_id_count: i64,
    pub properties: usize,
    pub created_at: jiff::Timestamp,
}

impl Line {
    pub fn new(project: &Project, person: &MergeCandidate) -> Self {
        let text = |key| person.properties.get(key).and_then(serde_json::Value::as_str);
        let named = text("email").or(text("name")).filter(|name| !name.trim().is_empty());
        Self {
            label: named.unwrap_or(&person.distinct_id).to_owned(),
            href: format!("/project/{}/persons/{}", project.id, person.uuid),
            uuid: person.uuid.to_string(),
            is_identified: person.is_identified,
            distinct_id: person.distinct_id.clone(),
            distinct_id_count: person.distinct_id_count,
            properties: person.properties.len(),
            created_at: person.created_at,
        }
    }
}

/// Who stays, and whom to join to them: each a UUID, a distinct id or an e-mail address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct MergeFields {
    target: String,
    with: String,
}

/// Asks for the other person, and shows what merging would do.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(fields): Query<MergeFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let project = &access.project;
    let target = find(&state, project, &fields.target).await?.into_iter().next().ok_or(Cause::NotFound)?;
    let mut errors = FieldErrors::default();
    let with = fields.with.trim();
    let other = if with.is_empty() { Vec::new() } else { find(&state, project, with).await? };
    match other.as_slice() {
        _ if with.is_empty() => {}
        [] => errors.add("with", "nobody with a profile has this distinct ID or e-mail address"),
        [other] if other.id == target.id => errors.add("with", "this is the same person"),
        [_] => {}
        _ => errors.add("with", "several people have this e-mail address: give a distinct ID"),
    }
    page(&MergePage {
        shell: Shell::load(&state, &access.user, Some(project), Section::People).await?,
        target: Line::new(project, &target),
        other: other.first().filter(|_| errors.is_empty()).map(|other| Line::new(project, other)),
        with: fields.with,
        errors,
        project: project.clone(),
    })
}

/// Merges them.
pub async fn post(
    access: ProjectAccess,
    State(state): State<AppState>,
    Form(fields): Form<MergeFields>,
) -> Result<Redirect, WebError> {
    access.require(Role::Member)?;
    let project = &access.project;
    let target = find(&state, project, &fields.target).await?.into_iter().next().ok_or(Cause::NotFound)?;
    let other = find(&state, project, &fields.with).await?.into_iter().next().ok_or(Cause::NotFound)?;
    join(&access, &state, &target, &other).await?;
    Ok(Redirect::to(&format!("/project/{}/persons/{}", project.id, target.uuid)))
}

/// Joins one person to another by the ids they were made for.
pub(super) async fn join(
    access: &ProjectAccess,
    state: &AppState,
    target: &MergeCandidate,
    other: &MergeCandidate,
) -> Result<(), WebError> {
    let (identity, now) = (Identity::new(state.pg.clone()), state.clock.now());
    let (project, user) = (access.project.id, access.user.id);
    identity
        .merge_by_hand(&state.ch, project, &target.distinct_id, &other.distinct_id, user, now)
        .await
        .map_err(refused)
}

async fn find(state: &AppState, project: &Project, by: &str) -> Result<Vec<MergeCandidate>, WebError> {
    // Postgres keeps no text with a zero in it.
    if by.contains('\0') {
        return Ok(Vec::new());
    }
    Ok(state.pg.find_merge_candidates(project.id, by.trim()).await?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::web::tests::{assert_page, sample_project};

    pub fn line(label: &str) -> Line {
        Line {
            label: label.to_owned(),
            href: "/project/1/persons/x".to_owned(),
            uuid: uuid::Uuid::nil().to_string(),
            is_identified: true,
            distinct_id: label.to_owned(),
            distinct_id_count: 2,
            properties: 3,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_page_asks_for_somebody_and_then_shows_both() {
        let sample = |other: Option<Line>, error: Option<&str>| {
            let mut errors = FieldErrors::default();
            error.into_iter().for_each(|error| errors.add("with", error));
            let with = "bob".to_owned();
            let (shell, project) = (Shell::sample(Section::People), sample_project());
            MergePage { shell, project, target: line("<ada>"), other, with, errors }
        };
        assert_page(&sample(None, None), "form[method=get] input[name=with]");
        assert_page(&sample(None, Some("nobody")), "[aria-invalid=true]");
        assert_page(&sample(Some(line("bob")), None), "form[method=post] input[name=with]");
    }
}
