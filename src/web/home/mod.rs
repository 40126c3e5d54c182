//! A project's home: tiles that load by themselves, so that a slow one holds up nothing.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};

use super::insights::Outcome;
use super::traffic::{TrafficLink, TrafficQuery, traffic_links};
use super::{Section, Shell, links};
use crate::http::{AppState, Cause, ProjectAccess, Reload, WebError, page};
use crate::insights::home;
use crate::model::query::{Display, Traffic, TrendsQuery};
use crate::model::{Project, ProjectId, Role};
use crate::storage::pg::Tile;

#[derive(Debug, Template)]
#[template(path = "pages/home/home.html")]
struct Page {
    shell: Shell,
    project: Project,
    tiles: Vec<TileView>,
    has_events: bool,
    can_change: bool,
    /// Overrides what each insight says.
    traffic: Option<Traffic>,
    /// Whether the page was reloaded: so are its tiles.
    reload: Reload,
}

/// `?reload=1`, as a reloaded page asks for its tiles.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ReloadQuery {
    reload: String,
}

#[derive(Debug)]
struct TileView {
    tile: Tile,
    /// Whether it shows one number, which needs less height.
    is_number: bool,
}

#[derive(Debug, Template)]
#[template(path = "pages/home/_tile.html")]
struct TilePart {
    outcome: Outcome,
    tile: Tile,
    /// Its own address.
    src: String,
}

impl Page {
    fn insight_href(&self, short_id: &str) -> String {
        format!("/project/{}/insights/{short_id}", self.project.id)
    }

    fn tile_src(&self, id: &i64) -> String {
        let src = tile_src(self.project.id, *id, self.traffic);
        match self.reload {
            Reload::Yes => format!("{src}{}reload=1", if src.contains('?') { '&' } else { '?' }),
            Reload::No => src,
        }
    }

    fn traffic_links(&self) -> Vec<TrafficLink> {
        traffic_links(self.traffic.unwrap_or(Traffic::OF_INSIGHTS), |traffic| {
            let home = links::home(self.project.id);
            if traffic == Traffic::OF_INSIGHTS { home } else { format!("{home}?traffic={}", traffic.word()) }
        })
    }

    fn onboarding(&self) -> String {
        links::onboarding(self.project.id)
    }
}

/// The address of a tile's inside.
fn tile_src(project: ProjectId, id: i64, traffic: Option<Traffic>) -> String {
    let query = traffic.map_or_else(String::new, |traffic| format!("?traffic={}", traffic.word()));
    format!("/project/{project}/home/tiles/{id}{query}")
}

impl From<Tile> for TileView {
    fn from(tile: Tile) -> Self {
        let query = TrendsQuery::parse(&tile.insight.query);
        Self { is_number: query.is_ok_and(|q| q.display == Display::Number), tile }
    }
}

/// `GET /project/{project}`.
pub async fn get(
    State(state): State<AppState>,
    access: ProjectAccess,
    Query(query): Query<TrafficQuery>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let project = access.project.id;
    let tiles = home::tiles(&state.pg, &state.clock, project).await?;
    page(&Page {
        shell: Shell::load(&state, &access.user, Some(&access.project), Section::Home).await?,
        can_change: access.is_at_least(Role::Member),
        has_events: state.pg.has_event_definitions(project).await?,
        project: access.project,
        traffic: query.chosen(),
        reload: Reload::of(&headers),
        tiles: tiles.into_iter().map(TileView::from).collect(),
    })
}

/// `GET /project/{project}/home/tiles/{id}`: the inside of a tile. Whoever opens it as a page wants the insight.
pub async fn get_tile(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path((_, id)): Path<(String, i64)>,
    (Query(asked), Query(query)): (Query<TrafficQuery>, Query<ReloadQuery>),
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let tile = state.pg.find_tile(access.project.id, id).await?.ok_or(Cause::NotFound)?;
    if !headers.contains_key("hx-request") {
        let href = format!("/project/{}/insights/{}", access.project.id, tile.insight.short_id);
        return Ok(Redirect::to(&href).into_response());
    }
    let reload = if query.reload == "1" { Reload::Yes } else { Reload::of(&headers) };
    let outcome = match TrendsQuery::parse(&tile.insight.query) {
        Ok(query) => {
            let query = TrendsQuery { traffic: asked.chosen().unwrap_or(query.traffic), ..query };
            Outcome::ask(&state, &access.project, &query, reload).await
        }
        Err(wrong) => Outcome::failed(&wrong.into()),
    };
    let src = tile_src(access.project.id, tile.id, asked.chosen());
    page(&TilePart { outcome, tile, src })
}

/// `POST /project/{project}/home/tiles/{id}/remove`: the insight stays.
pub async fn remove_tile(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path((_, id)): Path<(String, i64)>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    if !state.pg.remove_tile(access.project.id, id).await? {
        return Err(Cause::NotFound.into());
    }
    Ok(Redirect::to(&links::home(access.project.id)).into_response())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::model::InsightId;
    use crate::storage::pg::SavedInsight;

    #[test]
    fn the_home_renders_with_tiles_and_before_the_first_event() {
        let insight = SavedInsight {
            id: InsightId::new(1),
            short_id: "abc".to_owned(),
            name: "Signups".to_owned(),
            query: json!({ "kind": "TrendsQuery", "series": [{ "event": "a" }] }),
            created_by: None,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        let home = |has_events| Page {
            reload: Reload::No,
            shell: Shell::sample(Section::Home),
            project: crate::web::tests::sample_project(),
            tiles: vec![Tile { id: 7, width: 6, insight: insight.clone() }.into()],
            has_events,
            can_change: true,
            traffic: has_events.then_some(Traffic::Bots),
        };
        crate::web::tests::assert_page(&home(true), ".tile [hx-get='/project/1/home/tiles/7?traffic=bots']");
        crate::web::tests::assert_page(&home(false), "a[href='/project/1/onboarding']");
    }
}
