//! The frame of a signed-in page: project switch, navigation, account menu. Every such page struct has one as `shell`.

use crate::http::AppState;
use crate::model::{Project, ProjectId, User};
use crate::storage::pg::PgError;

/// Most projects the switch lists; the others are reached from the settings.
const MAX_PROJECTS_IN_SWITCH: i64 = 200;

/// What the frame shows.
#[derive(Debug, Clone)]
pub struct Shell {
    pub user_name: String,
    /// The project the page is about; none on pages about the account.
    pub project: Option<ShellProject>,
    /// Every project the user may see, for the switch.
    pub projects: Vec<ShellProject>,
    pub section: Section,
}

/// A project as the frame names it.
#[derive(Debug, Clone)]
pub struct ShellProject {
    pub id: ProjectId,
    pub name: String,
}

impl From<&Project> for ShellProject {
    fn from(project: &Project) -> Self {
        Self { id: project.id, name: project.name.clone() }
    }
}

/// The entry of the navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Home,
    Insights,
    Events,
    Sessions,
    People,
    Ingestion,
    Status,
    Settings,
}

/// One line of the navigation.
#[derive(Debug)]
pub struct Entry {
    pub label: &'static str,
    pub icon: &'static str,
    pub href: String,
    pub is_current: bool,
}

impl Shell {
    /// The frame for a user, on a page about a project or about their account.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn load(
        state: &AppState,
        user: &User,
        project: Option<&Project>,
        section: Section,
    ) -> Result<Self, PgError> {
        let projects = state.pg.list_projects(user.id, MAX_PROJECTS_IN_SWITCH, 0).await?;
        Ok(Self {
            user_name: user.name.clone(),
            project: project.map(ShellProject::from),
            projects: projects.iter().map(|(project, _)| project.into()).collect(),
            section,
        })
    }

    /// The navigation, in the order people know. Only pages that exist are here.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        if let Some(project) = &self.project {
            let pages = [
                (Section::Home, "Home", "home", ""),
                (Section::Insights, "Insights", "insights", "/insights"),
                (Section::Events, "Events", "events", "/events"),
                (Section::Sessions, "Sessions", "sessions", "/sessions"),
                (Section::People, "People", "people", "/persons"),
                (Section::Ingestion, "Ingestion", "ledger", "/ingestion"),
            ];
            entries.extend(pages.into_iter().map(|(section, label, icon, path)| Entry {
                label,
                icon,
                href: format!("/project/{}{path}", project.id),
                is_current: section == self.section,
            }));
        }
        let status = Entry {
            label: "Server status",
            icon: "live",
            href: format!("/status{}", self.project_query()),
            is_current: self.section == Section::Status,
        };
        entries.push(status);
        let href =
            self.project.as_ref().map_or_else(|| "/settings".to_owned(), |p| format!("/project/{}/settings", p.id));
        let is_current = self.section == Section::Settings;
        entries.push(Entry { label: "Settings", icon: "settings", href, is_current });
        entries
    }

    /// What pages about the account need in their address to keep the project in the frame.
    #[must_use]
    pub fn project_query(&self) -> String {
        self.project.as_ref().map(|project| format!("?project={}", project.id)).unwrap_or_default()
    }

    /// A frame for tests that render pages.
    #[must_use]
    pub fn sample(section: Section) -> Self {
        let project = ShellProject { id: ProjectId::new(1), name: "Shop".to_owned() };
        Self { user_name: "Ada".to_owned(), project: Some(project.clone()), projects: vec![project], section }
    }
}
