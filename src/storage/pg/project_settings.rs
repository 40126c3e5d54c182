//! What a project's questions go by.

use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;

use super::{Pg, PgError};
use crate::model::query::WeekStart;
use crate::model::{ProjectId, ProjectSettings};

/// What to change about a project's settings; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ProjectSettingsChanges {
    pub week_start: Option<WeekStart>,
    pub test_account_filters: Option<Value>,
    pub path_cleaning_filters: Option<Value>,
}

#[derive(FromRow)]
struct SettingsRow {
    id: ProjectId,
    week_start_day: i16,
    test_account_filters: Json<Value>,
    path_cleaning_filters: Json<Value>,
}

impl From<SettingsRow> for (ProjectId, ProjectSettings) {
    fn from(row: SettingsRow) -> Self {
        let week_start = if row.week_start_day == 1 { WeekStart::Monday } else { WeekStart::Sunday };
        let settings = ProjectSettings {
            week_start,
            test_account_filters: row.test_account_filters.0,
            path_cleaning_filters: row.path_cleaning_filters.0,
        };
        (row.id, settings)
    }
}

impl Pg {
    /// The settings of these projects; a project that is gone is left out.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_project_settings(
        &self,
        projects: &[ProjectId],
    ) -> Result<Vec<(ProjectId, ProjectSettings)>, PgError> {
        let rows: Vec<SettingsRow> = sqlx::query_as(
            "SELECT id, week_start_day, test_account_filters, path_cleaning_filters
             FROM projects
             WHERE id = ANY($1)",
        )
        .bind(projects.iter().map(|id| id.get()).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// The settings of a project; the defaults if it is gone.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn get_project_settings(&self, project: ProjectId) -> Result<ProjectSettings, PgError> {
        let found = self.list_project_settings(&[project]).await?;
        Ok(found.into_iter().next().map(|(_, settings)| settings).unwrap_or_default())
    }

    /// Changes a project's settings.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn update_project_settings(
        &self,
        project: ProjectId,
        changes: &ProjectSettingsChanges,
    ) -> Result<(), PgError> {
        sqlx::query(
            "UPDATE projects
             SET week_start_day = coalesce($2, week_start_day),
                 test_account_filters = coalesce($3, test_account_filters),
                 path_cleaning_filters = coalesce($4, path_cleaning_filters)
             WHERE id = $1",
        )
        .bind(project)
        .bind(changes.week_start.map(|start| i16::from(start.day())))
        .bind(changes.test_account_filters.as_ref().map(Json))
        .bind(changes.path_cleaning_filters.as_ref().map(Json))
        .execute(&self.pool)
        .await
        .map(drop)
    }
}
