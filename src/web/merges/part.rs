//! `/project/{project}/merges/{id}/undo` and `/project/{project}/merges/split`: first what would happen, then it happens.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{Redirect, Response};
use serde::Deserialize;

use super::refused;
use crate::http::{AppState, Cause, Form, ProjectAccess, WebError, page};
use crate::identity::{HandError, Identity, Part};
use crate::model::{Project, Role};
use crate::storage::pg::MergeLine;
use crate::web::events::person_href;
use crate::web::{Section, Shell};

/// Distinct ids that are shown by name.
const MAX_SHOWN: usize = 50;

#[derive(Debug, Template)]
#[template(path = "pages/merges/part.html")]
struct PartPage {
    shell: Shell,
    project: Project,
    /// The merge that is undone, unless a distinct id is split off.
    merge: Option<MergeLine>,
    split: Option<String>,
    /// Why it cannot be done.
    refusal: Option<String>,
    leaving: Vec<String>,
    more: usize,
    becomes: Becomes,
    back: String,
}

/// What those who leave become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    Nobody,
    AsBefore { properties: usize },
    New,
}

/// The path of a merge.
#[derive(Debug, Deserialize)]
pub struct MergePath {
    id: i64,
}

/// Which distinct id.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SplitFields {
    id: String,
}

/// What undoing a merge would do.
pub async fn get_undo(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(MergePath { id }): Path<MergePath>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let line = state.pg.find_merge_line(access.project.id, id).await?.ok_or(Cause::NotFound)?;
    let back = person_href(access.project.id, &line.target_distinct_id);
    preview(&access, &state, Part::Merge(id), Some(line), back).await
}

/// Undoes a merge.
pub async fn undo(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(MergePath { id }): Path<MergePath>,
) -> Result<Redirect, WebError> {
    access.require(Role::Member)?;
    let line = state.pg.find_merge_line(access.project.id, id).await?.ok_or(Cause::NotFound)?;
    part(&access, &state, Part::Merge(id)).await?;
    Ok(Redirect::to(&person_href(access.project.id, &line.target_distinct_id)))
}

/// What splitting a distinct id off would do.
pub async fn get_split(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(fields): Query<SplitFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let back = person_href(access.project.id, &fields.id);
    preview(&access, &state, Part::DistinctId(&fields.id), None, back).await
}

/// Splits a distinct id off.
pub async fn split(
    access: ProjectAccess,
    State(state): State<AppState>,
    Form(fields): Form<SplitFields>,
) -> Result<Redirect, WebError> {
    access.require(Role::Member)?;
    part(&access, &state, Part::DistinctId(&fields.id)).await?;
    Ok(Redirect::to(&person_href(access.project.id, &fields.id)))
}

async fn part(access: &ProjectAccess, state: &AppState, what: Part<'_>) -> Result<(), WebError> {
    let (identity, now) = (Identity::new(state.pg.clone()), state.clock.now());
    let parted = identity.part(&state.ch, access.project.id, what, access.user.id, now).await;
    parted.map(drop).map_err(refused)
}

async fn preview(
    access: &ProjectAccess,
    state: &AppState,
    what: Part<'_>,
    merge: Option<MergeLine>,
    back: String,
) -> Result<Response, WebError> {
    let (parting, refusal) = match Identity::new(state.pg.clone()).preview(access.project.id, what).await {
        Ok(parting) => (Some(parting), None),
        Err(HandError::Postgres(error)) => return Err(error.into()),
        Err(other) => (None, Some(other.to_string())),
    };
    let ids = parting.iter().flat_map(|parting| &parting.ids);
    let mut leaving: Vec<String> = ids.map(|(id, _)| id.clone()).collect();
    let more = leaving.len().saturating_sub(MAX_SHOWN);
    leaving.truncate(MAX_SHOWN);
    let becomes = match parting.and_then(|parting| parting.restored) {
        None => Becomes::Nobody,
        Some(restored) if restored.was_kept => Becomes::AsBefore { properties: restored.state.properties.len() },
        Some(_) => Becomes::New,
    };
    let split = match what {
        Part::DistinctId(id) => Some(id.to_owned()),
        Part::Merge(_) => None,
    };
    page(&PartPage {
        shell: Shell::load(state, &access.user, Some(&access.project), Section::People).await?,
        project: access.project.clone(),
        merge,
        split,
        refusal,
        leaving,
        more,
        becomes,
        back,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::{assert_page, sample_project};

    #[test]
    fn the_page_says_what_would_happen_or_why_it_cannot() {
        let line = MergeLine {
            id: 7,
            at: jiff::Timestamp::UNIX_EPOCH,
            event_name: Some("$identify".to_owned()),
            event_uuid: None,
            user_name: None,
            other_distinct_id: "anon <1>".to_owned(),
            target_distinct_id: "ada".to_owned(),
            joined_profiles: true,
            undone_at: None,
            undone_by: None,
        };
        let sample = |merge: Option<MergeLine>, refusal: Option<&str>, becomes| PartPage {
            shell: Shell::sample(Section::People),
            project: sample_project(),
            split: merge.is_none().then(|| "anon".to_owned()),
            merge,
            refusal: refusal.map(str::to_owned),
            leaving: vec!["anon <1>".to_owned()],
            more: 3,
            becomes,
            back: "/project/1/person/ada".to_owned(),
        };
        assert_page(&sample(Some(line.clone()), None, Becomes::Nobody), "form[action='/project/1/merges/7/undo']");
        assert_page(&sample(None, None, Becomes::AsBefore { properties: 2 }), "form input[name=id]");
        assert_page(&sample(None, None, Becomes::New), "button[type=submit]");
        assert_page(&sample(Some(line), Some("it was undone before"), Becomes::Nobody), ".notice");
    }
}
