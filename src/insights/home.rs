//! The home dashboard.

use super::starter;
use crate::model::{Clock, DashboardId, ProjectId};
use crate::storage::pg::{Pg, PgError, Tile};

/// How wide a tile is that somebody adds.
const TILE_WIDTH: i32 = 6;

/// The tiles of a project's home, made if it has none yet.
///
/// # Errors
/// If Postgres does not answer.
pub async fn tiles(pg: &Pg, clock: &Clock, project: ProjectId) -> Result<Vec<Tile>, PgError> {
    match dashboard(pg, clock, project).await? {
        Some(dashboard) => pg.list_tiles(project, dashboard).await,
        None => Ok(Vec::new()),
    }
}

/// Puts an insight on the home of its project. Whether there is such an insight.
///
/// # Errors
/// If Postgres does not answer.
pub async fn add(pg: &Pg, clock: &Clock, project: ProjectId, short_id: &str) -> Result<bool, PgError> {
    match dashboard(pg, clock, project).await? {
        Some(dashboard) => pg.add_tile(project, dashboard, short_id, TILE_WIDTH).await,
        None => Ok(false),
    }
}

async fn dashboard(pg: &Pg, clock: &Clock, project: ProjectId) -> Result<Option<DashboardId>, PgError> {
    if let Some(found) = pg.find_home_dashboard(project).await? {
        return Ok(Some(found));
    }
    starter::create(pg, clock, project).await?;
    pg.find_home_dashboard(project).await
}
