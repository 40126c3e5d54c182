//! Dashboards and their tiles. So far each project has one: its home.

use jiff::Timestamp;
use sqlx::FromRow;

use super::insights::{InsightRow, insert_insight};
use super::{NewInsight, Pg, PgError, PgTime, SavedInsight};
use crate::model::{DashboardId, ProjectId};

/// An insight on a dashboard.
#[derive(Debug, Clone)]
pub struct Tile {
    pub id: i64,
    /// Of 12 columns.
    pub width: i32,
    pub insight: SavedInsight,
}

/// An insight to be made together with its tile.
#[derive(Debug, Clone)]
pub struct NewTile {
    pub width: i32,
    pub insight: NewInsight,
}

#[derive(FromRow)]
struct TileRow {
    tile_id: i64,
    width: i32,
    #[sqlx(flatten)]
    insight: InsightRow,
}

impl From<TileRow> for Tile {
    fn from(row: TileRow) -> Self {
        Self { id: row.tile_id, width: row.width, insight: row.insight.into() }
    }
}

impl Pg {
    /// The home dashboard of a project.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_home_dashboard(&self, project: ProjectId) -> Result<Option<DashboardId>, PgError> {
        let sql = "SELECT id FROM dashboards WHERE project_id = $1 AND is_home AND deleted_at IS NULL";
        sqlx::query_scalar(sql).bind(project.get()).fetch_optional(&self.pool).await
    }

    /// Makes the home dashboard of a project with these tiles, unless it has one: of two who try at once, one makes it.
    ///
    /// # Errors
    /// If Postgres does not answer; then nothing is made.
    pub async fn create_home_dashboard(
        &self,
        project: ProjectId,
        name: &str,
        tiles: &[NewTile],
        now: Timestamp,
    ) -> Result<(), PgError> {
        let mut tx = self.pool.begin().await?;
        let sql = r"
            INSERT INTO dashboards (project_id, name, is_home, created_at)
            VALUES ($1, $2, true, $3)
            ON CONFLICT (project_id) WHERE is_home AND deleted_at IS NULL DO NOTHING
            RETURNING id
        ";
        let query = sqlx::query_scalar(sql).bind(project.get()).bind(name).bind(PgTime(now));
        let Some(dashboard): Option<DashboardId> = query.fetch_optional(&mut *tx).await? else { return Ok(()) };
        for (position, tile) in (0_i32..).zip(tiles) {
            let insight = insert_insight(&mut *tx, project, &tile.insight).await?;
            let sql = r"
                INSERT INTO dashboard_tiles (dashboard_id, insight_id, position, width)
                VALUES ($1, $2, $3, $4)
            ";
            let query = sqlx::query(sql).bind(dashboard).bind(insight).bind(position).bind(tile.width);
            query.execute(&mut *tx).await?;
        }
        tx.commit().await
    }

    /// The tiles of a project's dashboard, in order.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_tiles(&self, project: ProjectId, dashboard: DashboardId) -> Result<Vec<Tile>, PgError> {
        let sql = r"
            SELECT tiles.id AS tile_id, width, insights.id, short_id, insights.name, query,
                users.name AS created_by, updated_at
            FROM dashboard_tiles AS tiles
            JOIN insights ON insights.id = tiles.insight_id
            LEFT JOIN users ON users.id = insights.created_by
            WHERE insights.project_id = $1 AND tiles.dashboard_id = $2 AND insights.deleted_at IS NULL
            ORDER BY tiles.position, tiles.id
        ";
        let rows: Vec<TileRow> = sqlx::query_as(sql).bind(project.get()).bind(dashboard).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(Tile::from).collect())
    }

    /// A tile of a project.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_tile(&self, project: ProjectId, id: i64) -> Result<Option<Tile>, PgError> {
        let sql = r"
            SELECT tiles.id AS tile_id, width, insights.id, short_id, insights.name, query,
                users.name AS created_by, updated_at
            FROM dashboard_tiles AS tiles
            JOIN insights ON insights.id = tiles.insight_id
            LEFT JOIN users ON users.id = insights.created_by
            WHERE insights.project_id = $1 AND tiles.id = $2 AND insights.deleted_at IS NULL
        ";
        let query = sqlx::query_as(sql).bind(project.get()).bind(id);
        Ok(query.fetch_optional(&self.pool).await?.map(|row: TileRow| row.into()))
    }

    /// Puts an insight at the end of a dashboard; does nothing if it is there. Whether there is such an insight.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn add_tile(
        &self,
        project: ProjectId,
        dashboard: DashboardId,
        short_id: &str,
        width: i32,
    ) -> Result<bool, PgError> {
        let sql = r"
            WITH wanted AS (
                SELECT insights.id
                FROM insights
                JOIN dashboards ON dashboards.project_id = insights.project_id
                WHERE insights.project_id = $1 AND dashboards.id = $2 AND short_id = $3 AND insights.deleted_at IS NULL
            ), added AS (
                INSERT INTO dashboard_tiles (dashboard_id, insight_id, position, width)
                SELECT $2, wanted.id, coalesce((SELECT max(position) + 1 FROM dashboard_tiles WHERE dashboard_id = $2), 0), $4
                FROM wanted
                ON CONFLICT (dashboard_id, insight_id) DO NOTHING
            )
            SELECT count(*) FROM wanted
        ";
        let query = sqlx::query_scalar(sql).bind(project.get()).bind(dashboard).bind(short_id).bind(width);
        let count: i64 = query.fetch_one(&self.pool).await?;
        Ok(count > 0)
    }

    /// Takes a tile off its dashboard; the insight stays. Whether there was such a tile.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn remove_tile(&self, project: ProjectId, id: i64) -> Result<bool, PgError> {
        let sql = r"
            DELETE FROM dashboard_tiles
            USING dashboards
            WHERE dashboards.id = dashboard_id AND dashboards.project_id = $1 AND dashboard_tiles.id = $2
        ";
        let query = sqlx::query(sql).bind(project.get()).bind(id);
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }
}
