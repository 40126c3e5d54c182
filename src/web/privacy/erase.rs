//! `/project/{project}/privacy/erase` and `/export`: one person, looked at before they are erased.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{CountLine, count_lines, href, named};
use crate::http::{AppState, Cause, FieldErrors, Form, ProjectAccess, WebError, form_again, page};
use crate::model::{Project, Role};
use crate::privacy::Preview;
use crate::storage::pg::SubjectName;
use crate::web::{Section, Shell};

/// What is typed to confirm.
const WORD: &str = "erase";
/// Distinct ids that are shown.
const SHOWN_IDS: usize = 20;

#[derive(Debug, Template)]
#[template(path = "pages/privacy/erase.html")]
struct Page {
    shell: Shell,
    project: Project,
    /// As it was asked for.
    person: String,
    label: String,
    distinct_ids: Vec<String>,
    distinct_id_count: usize,
    lines: Vec<CountLine>,
    total: u64,
    has_profile: bool,
    confirm: String,
    errors: FieldErrors,
}

/// Who is meant: a UUID, a distinct id or an e-mail address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wish {
    person: String,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    person: String,
    confirm: String,
}

/// The preview.
pub async fn get_erase(
    State(state): State<AppState>,
    access: ProjectAccess,
    Query(Wish { person }): Query<Wish>,
) -> Result<Response, WebError> {
    access.require(Role::Admin)?;
    if person.is_empty() {
        return Ok(Redirect::to(&href(access.project.id)).into_response());
    }
    page(&Page::load(&state, access, person).await?)
}

/// Erases, once the word is typed.
pub async fn post_erase(
    State(state): State<AppState>,
    access: ProjectAccess,
    Form(Fields { person, confirm }): Form<Fields>,
) -> Result<Response, WebError> {
    access.require(Role::Admin)?;
    let project = access.project.id;
    if !confirm.trim().eq_ignore_ascii_case(WORD) {
        let mut errors = FieldErrors::default();
        errors.add("confirm", format!("type the word {WORD} to go on"));
        let page = Page::load(&state, access, person).await?;
        return form_again(&Page { errors, confirm, ..page });
    }
    let name = named(&state, project, &person).await?;
    let erasure = state.privacy().erase(project, &name, &access.user.name, false).await;
    let erasure = erasure?.ok_or(Cause::NotFound)?;
    Ok(Redirect::to(&format!("{}/erasures/{}", href(project), erasure.id)).into_response())
}

/// Everything of a person, as a zip file.
pub async fn get_export(
    State(state): State<AppState>,
    access: ProjectAccess,
    Query(Wish { person }): Query<Wish>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let name = named(&state, access.project.id, &person).await?;
    let export = state.privacy().export(access.project.id, &name).await?;
    Ok(export.ok_or(Cause::NotFound)?.into_response())
}

impl Page {
    async fn load(state: &AppState, access: ProjectAccess, person: String) -> Result<Self, WebError> {
        let project = access.project.id;
        let name = named(state, project, &person).await?;
        let privacy = state.privacy();
        let preview = state.ch.or_away(privacy.preview(project, &name)).await?;
        let Preview { subject, stores } = preview.ok_or(Cause::NotFound)?;
        let label = match &name {
            SubjectName::DistinctId(id) => id.clone(),
            SubjectName::Uuid(uuid) => {
                let profile = state.pg.find_person_by_uuid(project, *uuid).await?;
                let email = profile.as_ref().and_then(|p| p.properties.get("email")?.as_str().map(str::to_owned));
                email.or_else(|| subject.distinct_ids.first().cloned()).unwrap_or_else(|| uuid.to_string())
            }
        };
        let total = stores.iter().map(|count| count.before).sum();
        Ok(Self {
            shell: Shell::load(state, &access.user, Some(&access.project), Section::Settings).await?,
            project: access.project,
            person,
            label,
            distinct_id_count: subject.distinct_ids.len(),
            distinct_ids: subject.distinct_ids.into_iter().take(SHOWN_IDS).collect(),
            lines: count_lines(&stores),
            total,
            has_profile: subject.person.is_some(),
            confirm: String::new(),
            errors: FieldErrors::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::pg::StoreCount;
    use crate::web::tests::{assert_page, sample_project};

    #[test]
    fn the_preview_counts_every_store_and_asks_for_the_word() {
        let page = |before| Page {
            shell: Shell::sample(Section::Settings),
            project: sample_project(),
            person: "ada".to_owned(),
            label: "<ada>".to_owned(),
            distinct_ids: vec!["ada".to_owned()],
            distinct_id_count: 1,
            lines: count_lines(&[StoreCount::before("clickhouse.events", before)]),
            total: before,
            has_profile: true,
            confirm: String::new(),
            errors: FieldErrors::default(),
        };
        assert_page(&page(7), "form[method=post] input[name=confirm]");
        assert_page(&page(0), "h1");
    }
}
