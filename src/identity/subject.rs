//! What identity is asked about an event, and what it answers.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::groups::GroupKey;
use crate::model::{PersonId, ProjectId, Properties};

/// What identity needs to know of an event.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub project_id: ProjectId,
    pub uuid: Uuid,
    pub event: &'a str,
    pub distinct_id: &'a str,
    pub timestamp: Timestamp,
    pub properties: &'a Properties,
}

/// Whose an event is.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// Somebody's. `id` is the number to store it under; `properties` are the person's as they were after the event, `None`
    /// if the event carries none.
    Person { id: PersonId, properties: Option<Arc<Map<String, Value>>>, groups: Vec<GroupKey> },
    /// The event must not be stored.
    Dropped(Dropped),
}

/// Why an event is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// The project was deleted.
    UnknownProject,
    /// It wants to change who somebody is and forbids it in the same breath.
    IdentityWithoutProfile,
}

impl Dropped {
    /// The stable name: in the quarantine and as a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownProject => "unknown_project",
            Self::IdentityWithoutProfile => "invalid_event_when_process_person_profile_is_false",
        }
    }
}

/// Something an event asked for and did not get; it is stored all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Warning {
    IllegalDistinctId,
    AlreadyIdentified,
    InvalidPersonProfileValue,
    /// The project has five types of groups already.
    TooManyGroupTypes,
}

impl Warning {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IllegalDistinctId => "cannot_merge_with_illegal_distinct_id",
            Self::AlreadyIdentified => "cannot_merge_already_identified",
            Self::InvalidPersonProfileValue => "invalid_process_person_profile",
            Self::TooManyGroupTypes => "too_many_group_types",
        }
    }
}

impl<'a> Subject<'a> {
    /// The id that the event joins to its own, if it is of that kind.
    pub(super) fn other_id(&self) -> Option<String> {
        let key = match self.event {
            "$identify" => "$anon_distinct_id",
            "$create_alias" | "$merge_dangerously" => "alias",
            _ => return None,
        };
        // As capture makes a distinct id of what it is given.
        let id = match self.properties.get(key)? {
            Value::Null => return None,
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        Some(id.chars().take(200).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect())
    }

    /// All distinct ids whose persons the event may touch, and whether it may make a person for them.
    pub(super) fn distinct_ids(&self) -> impl Iterator<Item = (String, bool)> + use<'a> {
        std::iter::once((self.distinct_id.to_owned(), !self.is_personless()))
            .chain(self.other_id().map(|other| (other, false)))
    }

    /// Whether it is one of those that forbid a profile.
    pub(super) fn is_personless(&self) -> bool {
        self.properties.get("$process_person_profile") == Some(&Value::Bool(false))
    }
}
