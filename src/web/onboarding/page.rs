//! `GET /project/{project}/onboarding`, and the wait that turns into the first events.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::Snippets;
use crate::http::{AppState, ProjectAccess, Site, WebError, page as render};
use crate::insights::explore::{self, EventQuery};
use crate::model::Project;
use crate::storage::ch::EventPage;
use crate::web::events::{Column, EventTable};
use crate::web::{Section, Shell};

/// Events that the wait shows before it ends.
const FIRST_EVENTS: usize = 5;

#[derive(Debug, Template)]
#[template(path = "pages/onboarding/page.html")]
struct OnboardingPage {
    shell: Shell,
    project: Project,
    site: String,
    snippets: Snippets,
    arrived: Arrived,
}

#[derive(Debug, Template)]
#[template(path = "pages/onboarding/_arrived.html")]
struct ArrivedFragment {
    arrived: Arrived,
}

/// The first events, as far as they are here.
#[derive(Debug)]
struct Arrived {
    /// The project's path, for links.
    base: String,
    table: EventTable,
    /// Whether to go on asking.
    is_waiting: bool,
}

/// The onboarding page.
pub async fn get(access: ProjectAccess, State(state): State<AppState>, site: Site) -> Result<Response, WebError> {
    let project = &access.project;
    let page = OnboardingPage {
        shell: Shell::load(&state, &access.user, Some(project), Section::Home).await?,
        snippets: Snippets::new(&site.url, &project.api_key),
        site: site.url,
        arrived: arrived(&state, project).await?,
        project: project.clone(),
    };
    render(&page)
}

/// The wait, again.
pub async fn poll(access: ProjectAccess, State(state): State<AppState>) -> Result<Response, WebError> {
    let fragment = ArrivedFragment { arrived: arrived(&state, &access.project).await? };
    Ok(([("cache-control", "no-store")], render(&fragment)?).into_response())
}

async fn arrived(state: &AppState, project: &Project) -> Result<Arrived, WebError> {
    let columns = vec![Column::Event, Column::Person, Column::Address, Column::Time];
    let any = EventQuery { wanted: Column::wanted(&columns), ..EventQuery::default() };
    let now = state.clock.now();
    let read = explore::list_events(&state.pg, &state.ch, project.id, &any, EventPage::Newest, FIRST_EVENTS, now);
    // The snippet can be copied all the same.
    let list = explore::unless_away(&state.ch, read).await?.unwrap_or_default();
    let base = format!("/project/{}", project.id);
    let zone = project.time_zone.rules();
    let open = |uuid| format!("{base}/events/{uuid}");
    Ok(Arrived {
        table: EventTable::new(project.id, &zone, columns, &list.lines, None, open),
        is_waiting: list.lines.len() < FIRST_EVENTS,
        base,
    })
}
