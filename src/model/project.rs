//! Projects and roles.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{OrganizationId, ProjectApiKey, ProjectId, TimeZoneName};

/// What data belongs to.
#[derive(Debug, Clone)]
pub struct Project {
    pub id: ProjectId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub api_key: ProjectApiKey,
    pub time_zone: TimeZoneName,
    pub created_at: Timestamp,
}

/// What a user may do in an organization; each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and changes insights and dashboards.
    Member,
    /// Also manages projects, keys and members.
    Admin,
    /// Also cannot be removed by an admin.
    Owner,
}
