//! The part of a person's page that tells who became one with them, and when.

use crate::http::{AppState, ProjectAccess, WebError};
use crate::model::{ProjectId, Role};
use crate::storage::pg::{MergeLine, MergePage, PersonRow};
use crate::web::events::person_href;

/// Lines on a person's page.
const MAX_LINES: usize = 50;

/// The data of `pages/persons/merges.html`.
#[derive(Debug)]
pub struct MergeSection {
    pub project: ProjectId,
    /// The person's UUID or distinct id: whom to merge with.
    pub target: String,
    pub lines: Vec<MergeLine>,
    pub is_cut: bool,
    /// Distinct ids that may be split off; the first 100 of the person's, if there are several.
    pub distinct_ids: Vec<String>,
    pub may_change: bool,
}

impl MergeSection {
    /// Reads a person's merges.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn load(state: &AppState, access: &ProjectAccess, person: &PersonRow) -> Result<Self, WebError> {
        let mut lines = state.pg.list_merges(access.project.id, person.id, MergePage::Newest, MAX_LINES + 1).await?;
        let is_cut = lines.len() > MAX_LINES;
        lines.truncate(MAX_LINES);
        Ok(Self {
            project: access.project.id,
            target: person.uuid.to_string(),
            lines,
            is_cut,
            distinct_ids: if person.distinct_ids.len() > 1 { person.distinct_ids.clone() } else { Vec::new() },
            may_change: access.is_at_least(Role::Member),
        })
    }

    /// Where a distinct id is split off.
    #[must_use]
    pub fn split_href(&self, distinct_id: &str) -> String {
        let query = serde_urlencoded::to_string([("id", distinct_id)]).unwrap_or_default();
        format!("/project/{}/merges/split?{query}", self.project)
    }

    /// The page of whoever has a distinct id.
    #[must_use]
    pub fn person_href(&self, distinct_id: &str) -> String {
        person_href(self.project, distinct_id)
    }
}
