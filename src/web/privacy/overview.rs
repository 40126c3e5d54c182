//! `GET /project/{project}/privacy`: erasures, opt-outs, cookieless mode.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::{href, progress};
use crate::http::{AppState, FieldErrors, Form, ProjectAccess, WebError, form_again, page};
use crate::model::{Project, Role};
use crate::storage::pg::{ErasureRow, OptOut};
use crate::web::settings::{Tab, Tabs};
use crate::web::{Section, Shell};

/// Erasures and opt-outs on a page.
const PAGE_SIZE: i64 = 25;
/// Longest distinct id.
const MAX_ID_CHARS: usize = 200;

#[derive(Debug, Template)]
#[template(path = "pages/privacy/overview.html")]
struct Page {
    shell: Shell,
    tabs: Tabs,
    project: Project,
    erasures: Vec<ErasureLine>,
    erasures_older: Option<String>,
    opt_outs: Vec<OptOut>,
    opt_out_count: i64,
    opt_outs_older: Option<String>,
    is_cookieless: bool,
    is_saved: bool,
    can_erase: bool,
    can_opt_out: bool,
    distinct_id: String,
    errors: FieldErrors,
}

/// An erasure in the list.
#[derive(Debug)]
struct ErasureLine {
    href: String,
    subject: String,
    by: String,
    at: Timestamp,
    state: &'static str,
    badge: &'static str,
    keeps_events: bool,
}

/// Where in the lists the page stands, and whether something was just saved.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Place {
    erasures: i64,
    opt_outs: i64,
    saved: Option<String>,
}

/// What the cookieless form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Choices {
    cookieless: Option<String>,
}

/// What the forms of opt-outs send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OptOutFields {
    distinct_id: String,
}

/// The page.
pub async fn get(
    State(state): State<AppState>,
    access: ProjectAccess,
    Query(place): Query<Place>,
) -> Result<Response, WebError> {
    page(&Page::load(&state, access, &place).await?)
}

/// `POST /project/{project}/privacy/choices`.
pub async fn post_choices(
    State(state): State<AppState>,
    access: ProjectAccess,
    Form(choices): Form<Choices>,
) -> Result<Response, WebError> {
    access.require(Role::Admin)?;
    state.pg.set_cookieless(access.project.id, choices.cookieless.is_some()).await?;
    Ok(saved(&access))
}

/// `POST /project/{project}/privacy/opt-outs`.
pub async fn add_opt_out(
    State(state): State<AppState>,
    access: ProjectAccess,
    Form(OptOutFields { distinct_id }): Form<OptOutFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let id = distinct_id.trim().to_owned();
    if id.is_empty() || id.contains('\0') || id.chars().count() > MAX_ID_CHARS {
        let mut errors = FieldErrors::default();
        errors.add("distinct_id", "a distinct id has 1 to 200 characters");
        let page = Page::load(&state, access, &Place::default()).await?;
        return form_again(&Page { errors, distinct_id, ..page });
    }
    state.pg.add_opt_outs(access.project.id, &[id], &access.user.name, state.clock.now()).await?;
    Ok(saved(&access))
}

/// `POST /project/{project}/privacy/opt-outs/remove`.
pub async fn remove_opt_out(
    State(state): State<AppState>,
    access: ProjectAccess,
    Form(OptOutFields { distinct_id }): Form<OptOutFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    state.pg.remove_opt_outs(access.project.id, &[distinct_id]).await?;
    Ok(saved(&access))
}

fn saved(access: &ProjectAccess) -> Response {
    Redirect::to(&format!("{}?saved=1", href(access.project.id))).into_response()
}

impl Page {
    async fn load(state: &AppState, access: ProjectAccess, place: &Place) -> Result<Self, WebError> {
        let project = access.project.id;
        let (erasures_at, opt_outs_at) = (place.erasures.max(0), place.opt_outs.max(0));
        let mut erasures = state.pg.list_erasures(project, PAGE_SIZE + 1, erasures_at).await?;
        let mut opt_outs = state.pg.list_opt_outs(project, PAGE_SIZE + 1, opt_outs_at).await?;
        let older = |list: usize, name: &str, at: i64| {
            (list > PAGE_SIZE.unsigned_abs() as usize).then(|| format!("{}?{name}={}", href(project), at + PAGE_SIZE))
        };
        let (erasures_older, opt_outs_older) =
            (older(erasures.len(), "erasures", erasures_at), older(opt_outs.len(), "opt_outs", opt_outs_at));
        erasures.truncate(PAGE_SIZE.unsigned_abs() as usize);
        opt_outs.truncate(PAGE_SIZE.unsigned_abs() as usize);
        Ok(Self {
            shell: Shell::load(state, &access.user, Some(&access.project), Section::Settings).await?,
            tabs: Tabs::new(Some(project), Tab::Privacy),
            erasures: erasures.iter().map(ErasureLine::of).collect(),
            erasures_older,
            opt_out_count: state.pg.count_opt_outs(project).await?,
            opt_outs,
            opt_outs_older,
            is_cookieless: state.pg.is_cookieless(project).await?,
            is_saved: place.saved.is_some(),
            can_erase: access.is_at_least(Role::Admin),
            can_opt_out: access.is_at_least(Role::Member),
            distinct_id: String::new(),
            errors: FieldErrors::default(),
            project: access.project,
        })
    }
}

impl ErasureLine {
    fn of(row: &ErasureRow) -> Self {
        let (state, _, badge) = progress(row);
        Self {
            href: format!("{}/erasures/{}", href(row.project_id), row.id),
            subject: row.subject.chars().take(12).collect(),
            by: row.requested_by.clone(),
            at: row.requested_at,
            state,
            badge,
            keeps_events: row.keeps_events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::{assert_page, sample_project};

    fn sample(is_empty: bool) -> Page {
        let at = Timestamp::UNIX_EPOCH;
        let erasure = ErasureLine {
            href: "/project/1/privacy/erasures/x".to_owned(),
            subject: "0011223344aa".to_owned(),
            by: "Ada".to_owned(),
            at,
            state: "Erased",
            badge: "is-good",
            keeps_events: false,
        };
        let opt_out = OptOut { distinct_id: "<b>".to_owned(), created_at: at, created_by: "Ada".to_owned() };
        Page {
            shell: Shell::sample(Section::Settings),
            tabs: Tabs::new(Some(sample_project().id), Tab::Privacy),
            project: sample_project(),
            erasures: if is_empty { Vec::new() } else { vec![erasure] },
            erasures_older: None,
            opt_outs: if is_empty { Vec::new() } else { vec![opt_out] },
            opt_out_count: i64::from(!is_empty),
            opt_outs_older: None,
            is_cookieless: !is_empty,
            is_saved: false,
            can_erase: !is_empty,
            can_opt_out: !is_empty,
            distinct_id: String::new(),
            errors: FieldErrors::default(),
        }
    }

    #[test]
    fn the_page_has_lists_and_says_so_if_they_are_empty() {
        assert_page(&sample(false), "#erasures ~ .table-wrap, .table-wrap td a[href$='/erasures/x']");
        assert_page(&sample(true), ".empty");
    }
}
