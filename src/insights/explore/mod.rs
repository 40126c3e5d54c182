//! Looking at single events, people and sessions: what the explorer, the live page and their own pages show.

mod away;
mod events;
mod groups;
mod origins;
mod people;
mod sessions;

pub use away::unless_away;
pub use events::{EventLine, EventList, EventQuery, count_received, find_event, list_events, list_received};
pub use groups::{
    ACTIVE_WITHIN_DAYS, GROUP_KEYS, GroupMember, GroupSummary, PersonFacts, PersonGroup, events_of_group,
    find_person_facts, person_facts_in, summarise_group,
};
pub use origins::{Origin, find_property_origins};
pub use people::{Person, PersonFound, find_person};
pub use sessions::{SessionLine, SessionList, SessionQuery, find_session, list_session_events, list_sessions};

use crate::storage::ch::ChError;
use crate::storage::pg::{PersonLabel, PersonRow, PgError};

/// Why a page has nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ExploreError {
    /// Postgres did not answer.
    #[error("Postgres could not be read")]
    Pg(#[from] PgError),
    /// ClickHouse did not answer.
    #[error("ClickHouse could not be read")]
    Ch(#[from] ChError),
}

/// How a person is called: by e-mail address, else by name, else by distinct id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonName {
    pub label: String,
    /// Whether there is a profile behind it.
    pub has_profile: bool,
}

impl PersonName {
    /// The name of whoever sent a distinct id.
    #[must_use]
    pub fn new(distinct_id: &str, label: Option<&PersonLabel>) -> Self {
        let known = label.and_then(|label| first_filled([label.email.as_deref(), label.name.as_deref()]));
        Self { label: known.unwrap_or(distinct_id).to_owned(), has_profile: label.is_some() }
    }

    /// The name of a person with a profile.
    #[must_use]
    pub fn of(person: &PersonRow) -> Self {
        let text = |key| person.properties.get(key).and_then(|value| value.as_str());
        let known = first_filled([text("email"), text("name"), person.distinct_ids.first().map(String::as_str)]);
        Self { label: known.map_or_else(|| person.uuid.to_string(), str::to_owned), has_profile: true }
    }
}

fn first_filled<const N: usize>(texts: [Option<&str>; N]) -> Option<&str> {
    texts.into_iter().flatten().find(|text| !text.trim().is_empty())
}
