//! Addresses of pages that other pages lead to.

use crate::model::ProjectId;

/// A project's home.
pub(super) fn home(project: ProjectId) -> String {
    format!("/project/{project}")
}

/// Where a new project gets its first event.
pub(super) fn onboarding(project: ProjectId) -> String {
    format!("/project/{project}/onboarding")
}

/// A project's settings.
pub(super) fn settings(project: ProjectId) -> String {
    format!("/project/{project}/settings")
}
