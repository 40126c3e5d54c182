//! Groups: which an event belongs to, and what `$groupidentify` says of one. Pure.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::subject::{Subject, Warning};
use crate::model::ProjectId;
use crate::storage::pg::{GroupChange, GroupType};

/// Types of groups of a project: `$group_0` to `$group_4`.
pub const MAX_GROUP_TYPES: usize = 5;
/// Longest name of a type and longest key, in characters. An event that names longer ones belongs to no such group.
const MAX_CHARS: usize = 400;

/// A group that an event belongs to: the place of its type and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey {
    pub type_index: u8,
    pub key: String,
}

/// The types of groups by project, in the order of their first appearance, and what a batch adds.
#[derive(Debug, Default)]
pub(super) struct Groups {
    types: HashMap<ProjectId, Vec<String>>,
    pub new_types: Vec<(GroupType, Timestamp)>,
    /// What was told of groups, in order.
    told: Vec<GroupChange>,
}

impl Groups {
    pub fn new(mut types: Vec<GroupType>) -> Self {
        types.sort_unstable_by_key(|t| t.type_index);
        let mut groups = Self::default();
        for t in types {
            groups.types.entry(t.project_id).or_default().push(t.name);
        }
        groups
    }

    /// The groups that an event says it belongs to. A type that nobody named before takes the next place.
    pub fn of(&mut self, subject: &Subject<'_>, warnings: &mut Vec<Warning>) -> Vec<GroupKey> {
        let Some(Value::Object(named)) = subject.properties.get("$groups") else { return Vec::new() };
        let mut keys = Vec::new();
        for (name, key) in named {
            let Some(key) = key_text(key) else { continue };
            if let Some(type_index) = self.place(subject, name, warnings) {
                keys.push(GroupKey { type_index, key });
            }
        }
        keys
    }

    /// Takes in what `$groupidentify` says.
    pub fn identify(&mut self, subject: &Subject<'_>, warnings: &mut Vec<Warning>) {
        let properties = subject.properties;
        let (Some(Value::String(name)), Some(key)) =
            (properties.get("$group_type"), properties.get("$group_key").and_then(key_text))
        else {
            return;
        };
        let Some(type_index) = self.place(subject, name, warnings) else { return };
        let set = match properties.get("$group_set") {
            Some(Value::Object(set)) => set.clone(),
            _ => Map::new(),
        };
        let (project_id, at) = (subject.project_id, subject.timestamp);
        self.told.push(GroupChange { project_id, type_index, key, properties: set, at });
    }

    /// What was told of each group, put together: the later over the earlier.
    pub fn changes(&self) -> Vec<GroupChange> {
        let mut places: HashMap<(ProjectId, u8, &str), usize> = HashMap::new();
        let mut changes: Vec<GroupChange> = Vec::new();
        for told in &self.told {
            match places.get(&(told.project_id, told.type_index, told.key.as_str())) {
                Some(at) => {
                    let change = &mut changes[*at];
                    change.properties.extend(told.properties.clone());
                    change.at = change.at.min(told.at);
                }
                None => {
                    places.insert((told.project_id, told.type_index, &told.key), changes.len());
                    changes.push(told.clone());
                }
            }
        }
        changes
    }

    fn place(&mut self, subject: &Subject<'_>, name: &str, warnings: &mut Vec<Warning>) -> Option<u8> {
        if name.is_empty() || name.chars().nth(MAX_CHARS).is_some() || name.contains('\0') {
            return None;
        }
        let types = self.types.entry(subject.project_id).or_default();
        let at = types.iter().position(|known| known == name).unwrap_or(types.len());
        if at == types.len() {
            if at == MAX_GROUP_TYPES {
                warnings.push(Warning::TooManyGroupTypes);
                return None;
            }
            types.push(name.to_owned());
            let type_index = u8::try_from(at).expect("there are five");
            let new = GroupType { project_id: subject.project_id, type_index, name: name.to_owned() };
            self.new_types.push((new, subject.timestamp));
        }
        u8::try_from(at).ok()
    }
}

/// Whether an event names groups at all.
pub(super) fn names_groups(subject: &Subject<'_>) -> bool {
    subject.event == "$groupidentify" || matches!(subject.properties.get("$groups"), Some(Value::Object(_)))
}

/// Keys are often numbers of a database.
fn key_text(key: &Value) -> Option<String> {
    let text = match key {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let fits = !text.is_empty() && text.chars().nth(MAX_CHARS).is_none() && !text.contains('\0');
    fits.then_some(text)
}
