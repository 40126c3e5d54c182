//! Projects and roles.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::query::WeekStart;
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

/// What a project's questions go by.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectSettings {
    pub week_start: WeekStart,
    /// What leaves its own staff out: a list of property filters, in the JSON of the query API.
    pub test_account_filters: Value,
    /// What makes paths of one page alike: a list of `{"regex": …, "alias": …}`.
    pub path_cleaning_filters: Value,
}

impl Default for ProjectSettings {
    fn default() -> Self {
        Self { week_start: WeekStart::Sunday, test_account_filters: json!([]), path_cleaning_filters: json!([]) }
    }
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
