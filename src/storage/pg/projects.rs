//! Projects.

use jiff::Timestamp;
use sqlx::FromRow;

use super::{Pg, PgError, PgTime};
use crate::model::{OrganizationId, Project, ProjectApiKey, ProjectId, Role, TimeZoneName, UserId};

/// How a URL names a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectName {
    Id(ProjectId),
    Key(ProjectApiKey),
    /// `@current`: the oldest that the user can see.
    Current,
}

impl std::str::FromStr for ProjectName {
    type Err = crate::model::InvalidApiKey;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "@current" => Ok(Self::Current),
            s if !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) => {
                s.parse().map(Self::Id).map_err(|_| Self::Err::Malformed)
            }
            s => s.parse().map(Self::Key),
        }
    }
}

/// A project to be.
#[derive(Debug, Clone)]
pub struct NewProject {
    pub organization_id: OrganizationId,
    pub name: String,
    pub api_key: ProjectApiKey,
    pub time_zone: TimeZoneName,
    pub created_at: Timestamp,
}

/// What to change about a project; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ProjectChanges {
    pub name: Option<String>,
    pub time_zone: Option<TimeZoneName>,
}

#[derive(FromRow)]
pub(super) struct ProjectRow {
    id: ProjectId,
    organization_id: OrganizationId,
    name: String,
    api_key: String,
    time_zone: String,
    created_at: PgTime,
}

#[derive(FromRow)]
struct AccessRow {
    #[sqlx(flatten)]
    project: ProjectRow,
    role: Role,
}

impl TryFrom<ProjectRow> for Project {
    type Error = PgError;

    fn try_from(row: ProjectRow) -> Result<Self, PgError> {
        let wrong = |index: &str, source| PgError::ColumnDecode { index: index.to_owned(), source };
        Ok(Self {
            id: row.id,
            organization_id: row.organization_id,
            name: row.name,
            api_key: row.api_key.parse().map_err(|e| wrong("api_key", Box::new(e)))?,
            time_zone: row.time_zone.parse().map_err(|e| wrong("time_zone", Box::new(e)))?,
            created_at: row.created_at.into(),
        })
    }
}

impl Pg {
    /// The project that a public key names, whoever asks: for capture and flags.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_project_by_api_key(&self, key: &ProjectApiKey) -> Result<Option<Project>, PgError> {
        let row: Option<ProjectRow> = sqlx::query_as(
            "SELECT id, organization_id, name, api_key, time_zone, created_at
             FROM projects
             WHERE api_key = $1",
        )
        .bind(key.as_str())
        .fetch_optional(&self.pool)
        .await?;
        row.map(Project::try_from).transpose()
    }

    /// The project with this id, whoever asks: for jobs. Requests go through [`Pg::find_project_for_user`].
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_project(&self, id: ProjectId) -> Result<Option<Project>, PgError> {
        let row: Option<ProjectRow> = sqlx::query_as(
            "SELECT id, organization_id, name, api_key, time_zone, created_at
             FROM projects
             WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        row.map(Project::try_from).transpose()
    }

    /// A project by its name in a URL, and what the user may do there; nothing if it is not theirs to see.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_project_for_user(
        &self,
        user: UserId,
        project: &ProjectName,
    ) -> Result<Option<(Project, Role)>, PgError> {
        let (id, key) = match project {
            ProjectName::Id(id) => (Some(*id), None),
            ProjectName::Key(key) => (None, Some(key.as_str())),
            ProjectName::Current => (None, None),
        };
        let row: Option<AccessRow> = sqlx::query_as(
            "SELECT p.id, p.organization_id, p.name, p.api_key, p.time_zone, p.created_at, m.role
             FROM projects p
             JOIN memberships m ON m.organization_id = p.organization_id
             WHERE m.user_id = $1
               AND ($2::integer IS NULL OR p.id = $2)
               AND ($3::text IS NULL OR p.api_key = $3)
             ORDER BY p.id
             LIMIT 1",
        )
        .bind(user)
        .bind(id)
        .bind(key)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| Ok((row.project.try_into()?, row.role))).transpose()
    }

    /// The projects a user can see, oldest first, with their role in each.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_projects(&self, user: UserId, limit: i64, offset: i64) -> Result<Vec<(Project, Role)>, PgError> {
        let rows: Vec<AccessRow> = sqlx::query_as(
            "SELECT p.id, p.organization_id, p.name, p.api_key, p.time_zone, p.created_at, m.role
             FROM projects p
             JOIN memberships m ON m.organization_id = p.organization_id
             WHERE m.user_id = $1
             ORDER BY p.id
             LIMIT $2 OFFSET $3",
        )
        .bind(user)
        .bind(limit)
        .bind(offset)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok((row.project.try_into()?, row.role))).collect()
    }

    /// How many projects a user can see.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn count_projects(&self, user: UserId) -> Result<i64, PgError> {
        sqlx::query_scalar(
            "SELECT count(*)
             FROM projects p
             JOIN memberships m ON m.organization_id = p.organization_id
             WHERE m.user_id = $1",
        )
        .bind(user)
        .fetch_one(&self.pool)
        .await
    }

    /// Every project, oldest first: for jobs and subcommands.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_all_projects(&self) -> Result<Vec<Project>, PgError> {
        let rows: Vec<ProjectRow> = sqlx::query_as(
            "SELECT id, organization_id, name, api_key, time_zone, created_at
             FROM projects
             ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Project::try_from).collect()
    }

    /// Makes a project.
    ///
    /// # Errors
    /// If Postgres does not answer, or the key is taken (`projects_api_key_unique`).
    pub async fn create_project(&self, new: &NewProject) -> Result<Project, PgError> {
        insert_project(&self.pool, new).await
    }

    /// Changes a project and returns it as it is now; nothing if there is none.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn update_project(&self, id: ProjectId, changes: &ProjectChanges) -> Result<Option<Project>, PgError> {
        let row: Option<ProjectRow> = sqlx::query_as(
            "UPDATE projects
             SET name = coalesce($2, name), time_zone = coalesce($3, time_zone)
             WHERE id = $1
             RETURNING id, organization_id, name, api_key, time_zone, created_at",
        )
        .bind(id)
        .bind(changes.name.as_deref())
        .bind(changes.time_zone.as_ref().map(TimeZoneName::as_str))
        .fetch_optional(&self.pool)
        .await?;
        row.map(Project::try_from).transpose()
    }
}

/// Inserts a project, alone or within a transaction.
pub(super) async fn insert_project<'c>(on: impl sqlx::PgExecutor<'c>, new: &NewProject) -> Result<Project, PgError> {
    let row: ProjectRow = sqlx::query_as(
        "INSERT INTO projects (organization_id, name, api_key, time_zone, created_at)
         VALUES ($1, $2, $3, $4, $5)
         RETURNING id, organization_id, name, api_key, time_zone, created_at",
    )
    .bind(new.organization_id)
    .bind(&new.name)
    .bind(new.api_key.as_str())
    .bind(new.time_zone.as_str())
    .bind(PgTime(new.created_at))
    .fetch_one(on)
    .await?;
    row.try_into()
}
