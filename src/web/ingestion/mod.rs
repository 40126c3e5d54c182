//! What became of the events: the ledger, what was not stored, and where an event is.

mod find;
mod overview;
mod reasons;
mod unstored;

pub use find::get as get_find;
pub use overview::get;
pub use unstored::{quarantined as get_quarantined, rejected as get_rejected};

use crate::model::ProjectId;

/// Which of the pages this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Rejected,
    Quarantined,
    Find,
}

/// A tab of the pages.
#[derive(Debug)]
pub struct TabLink {
    pub label: &'static str,
    pub href: String,
    pub is_current: bool,
}

/// The row of pages.
#[must_use]
pub fn tabs(project: ProjectId, current: Tab) -> Vec<TabLink> {
    let pages = [
        (Tab::Overview, "Overview", ""),
        (Tab::Rejected, "Rejected", "/rejected"),
        (Tab::Quarantined, "Quarantined", "/quarantined"),
        (Tab::Find, "Find an event", "/find"),
    ];
    let link = |(tab, label, path)| TabLink {
        label,
        href: format!("/project/{project}/ingestion{path}"),
        is_current: tab == current,
    };
    pages.into_iter().map(link).collect()
}
