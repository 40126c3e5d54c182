//! `GET /project/{project}/events/live` and what it polls.
//!
//! The page shows what was received lately and then asks, about once a second, for what was received since. A batch may be
//! stored a little later than one received after it, so each poll looks back over the last seconds again; rows carry the
//! event's uuid, and script leaves out those it has.

use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::answered;
use super::cells::EventTable;
use super::columns::Column;
use crate::http::{AppState, Cause, ProjectAccess, WebError, page as render};
use crate::insights::explore;
use crate::model::Project;
use crate::model::query::Traffic;
use crate::web::traffic::{TrafficLink, TrafficQuery, traffic_links, with_traffic};
use crate::web::{Section, Shell};

/// Rows in an answer, and on the page when it opens.
const MOST_ROWS: usize = 100;
/// How far the page looks back when it opens.
const OPENING: Duration = Duration::from_secs(60 * 60);
/// How far each poll looks back behind what it has seen.
const OVERLAP: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Template)]
#[template(path = "pages/events/live.html")]
struct LivePage {
    shell: Shell,
    project: Project,
    feed: Feed,
    traffic: Traffic,
}

impl LivePage {
    fn traffic_links(&self) -> Vec<TrafficLink> {
        traffic_links(self.traffic, |traffic| {
            with_traffic(format!("/project/{}/events/live", self.project.id), traffic)
        })
    }

    fn explore_href(&self) -> String {
        with_traffic(format!("/project/{}/events", self.project.id), self.traffic)
    }
}

#[derive(Debug, Template)]
#[template(path = "pages/events/_feed.html")]
struct FeedFragment {
    feed: Feed,
}

/// What was received lately.
#[derive(Debug)]
pub struct Feed {
    pub table: EventTable,
    /// From where the next poll goes on, in milliseconds.
    pub after: i64,
    /// Events received in the last minute.
    pub per_minute: u64,
}

/// The live page.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(query): Query<TrafficQuery>,
) -> Result<Response, WebError> {
    let traffic = query.chosen().unwrap_or_default();
    let project = &access.project;
    let after = state.clock.now() - OPENING;
    let page = LivePage {
        feed: feed(&state, project, after, after, traffic).await?,
        traffic,
        shell: Shell::load(&state, &access.user, Some(project), Section::Events).await?,
        project: project.clone(),
    };
    render(&page)
}

/// Where a poll goes on.
#[derive(Debug, Deserialize)]
pub struct After {
    after: i64,
}

/// What was received since.
pub async fn poll(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(After { after }): Query<After>,
    Query(query): Query<TrafficQuery>,
) -> Result<Response, WebError> {
    let after = Timestamp::from_millisecond(after)
        .map_err(|_| Cause::invalid("after", "This is no time in milliseconds."))?
        .max(state.clock.now() - OPENING);
    let since = after.checked_sub(OVERLAP).map_err(Cause::internal)?;
    let traffic = query.chosen().unwrap_or_default();
    let fragment = FeedFragment { feed: feed(&state, &access.project, since, after, traffic).await? };
    Ok(([("cache-control", "no-store")], render(&fragment)?).into_response())
}

/// Events received since a moment. The next poll goes on from the latest of them, or from `after` if there are none.
async fn feed(
    state: &AppState,
    project: &Project,
    since: Timestamp,
    after: Timestamp,
    traffic: Traffic,
) -> Result<Feed, WebError> {
    let columns = Column::defaults();
    let wanted = Column::wanted(&columns);
    let minute_ago = state.clock.now() - MINUTE;
    let read = async {
        tokio::try_join!(
            explore::list_received(&state.pg, &state.ch, project.id, since, traffic, &wanted, MOST_ROWS),
            explore::count_received(&state.ch, project.id, minute_ago, traffic),
        )
    };
    let (lines, per_minute) = answered(state, read).await?;
    let last = lines.iter().map(|line| line.event.received_at).max().unwrap_or(after).max(after);
    let zone = project.time_zone.rules();
    let base = format!("/project/{}/events", project.id);
    let table = EventTable::new(project.id, &zone, columns, &lines, None, |uuid| format!("{base}/{uuid}"));
    Ok(Feed { table, after: last.as_millisecond(), per_minute })
}
