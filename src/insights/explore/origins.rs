//! Where a person's properties came from.
//!
//! Nothing about that is stored with the person: each property would cost as much again. It is found when somebody looks, from
//! the person's own events: the last that had the key in `$set`, the first that had it in `$set_once`, the last (or, for
//! `$initial_…`, the first) that had it as a property of its own; and from what was edited by hand. Where several did, the
//! latest counts. An event counts by its time, as it is shown, also where it arrived late.

use std::collections::{HashMap, HashSet};

use futures_util::TryFutureExt;
use jiff::Timestamp;

use super::{ExploreError, Person};
use crate::model::ProjectId;
use crate::model::property_columns;
use crate::storage::ch::{Carried, ClickHouse, CopiedFrom, PropertySource, SetBy};
use crate::storage::pg::Pg;

/// Where a property came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Event(PropertySource),
    /// Edited by somebody with an account; without a name if they have none any more.
    User {
        name: Option<String>,
        at: Timestamp,
    },
}

impl Origin {
    fn at(&self) -> Timestamp {
        match self {
            Self::Event(source) => source.at,
            Self::User { at, .. } => *at,
        }
    }
}

/// Where each of a person's properties came from, as far as their events and the edits tell.
///
/// # Errors
/// If a store does not answer.
pub async fn find_property_origins(
    pg: &Pg,
    ch: &ClickHouse,
    project: ProjectId,
    person: &Person,
) -> Result<HashMap<String, Origin>, ExploreError> {
    let Some(profile) = &person.profile else { return Ok(HashMap::new()) };
    let is_theirs = |key: &str| profile.properties.contains_key(key);
    // What was set again and again, by its latest; what was set once, by its first.
    let (mut latest, mut first) = (HashMap::new(), HashMap::new());
    for edit in pg.list_last_property_edits(project, profile.id).await? {
        if is_theirs(&edit.key) {
            latest.insert(edit.key, Origin::User { name: edit.edited_by, at: edit.edited_at });
        }
    }
    let edited: HashSet<String> = latest.keys().cloned().collect();
    let ids = &person.event_ids;
    let read_set = async {
        let mut carried = ch.list_set_properties(project, ids, SetBy::PersonEvents).await?;
        let is_explained = |key: &String| {
            let leads_here = |path: &str| key_of(path, is_theirs) == Some(key);
            edited.contains(key) || copied_from(key).is_some() || carried.iter().any(|(path, ..)| leads_here(path))
        };
        if !profile.properties.keys().all(is_explained) {
            carried.extend(ch.list_set_properties(project, ids, SetBy::OtherEvents).await?);
        }
        Ok::<_, ExploreError>(carried)
    };
    let copied: Vec<(&String, CopiedFrom)> =
        profile.properties.keys().filter_map(|key| Some((key, copied_from(key)?))).collect();
    let in_columns: Vec<CopiedFrom> = copied.iter().map(|(_, from)| *from).collect();
    let read_copied = ch.list_copied_properties(project, ids, &in_columns, false).err_into();
    let (carried, sources) = tokio::try_join!(read_set, read_copied)?;
    for (path, carried, source) in carried {
        let Some(key) = key_of(&path, is_theirs) else { continue };
        match carried {
            Carried::Set => keep_latest(&mut latest, key.to_owned(), source),
            Carried::SetOnce => keep_first(&mut first, key.to_owned(), source),
        }
    }
    let missing = keep_copied(&mut latest, &mut first, copied, sources);
    let in_tails: Vec<CopiedFrom> = missing.iter().map(|(_, from)| *from).collect();
    let sources = ch.list_copied_properties(project, ids, &in_tails, true).await?;
    keep_copied(&mut latest, &mut first, missing, sources);
    for (key, source) in first {
        latest.entry(key).or_insert(source);
    }
    Ok(latest)
}

/// Keeps what was found of properties that are copied; returns those of which nothing is known.
fn keep_copied<'a>(
    latest: &mut HashMap<String, Origin>,
    first: &mut HashMap<String, Origin>,
    copied: Vec<(&'a String, CopiedFrom)>,
    sources: Vec<Option<PropertySource>>,
) -> Vec<(&'a String, CopiedFrom)> {
    let mut missing = Vec::new();
    for ((key, from), source) in copied.into_iter().zip(sources) {
        match source {
            Some(source) if from.is_first => keep_first(first, key.clone(), source),
            Some(source) => keep_latest(latest, key.clone(), source),
            None if latest.contains_key(key) || first.contains_key(key) => {}
            None => missing.push((key, from)),
        }
    }
    missing
}

/// The key that a path leads to or into.
fn key_of(path: &str, is_key: impl Fn(&str) -> bool) -> Option<&str> {
    let ends = std::iter::once(path.len()).chain(path.rmatch_indices('.').map(|(at, _)| at));
    ends.map(|end| &path[..end]).find(|key| is_key(key))
}

/// The property of an event that is copied to the person under this key, where it has a column of its own.
fn copied_from(key: &str) -> Option<CopiedFrom> {
    let (name, is_first) = match key.strip_prefix("$initial_") {
        Some(name) => (name, true),
        None => (key, false),
    };
    let column = match is_first {
        true => property_columns::find(&format!("${name}")).or_else(|| property_columns::find(name)),
        false => property_columns::find(name),
    };
    column.map(|column| CopiedFrom { column, is_first })
}

fn keep_latest(found: &mut HashMap<String, Origin>, key: String, source: PropertySource) {
    let is_later = found.get(&key).is_none_or(|known| known.at() < source.at);
    if is_later {
        found.insert(key, Origin::Event(source));
    }
}

fn keep_first(found: &mut HashMap<String, Origin>, key: String, source: PropertySource) {
    let is_earlier = found.get(&key).is_none_or(|known| source.at < known.at());
    if is_earlier {
        found.insert(key, Origin::Event(source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_the_longest_key() {
        let keys = ["a", "a.b", "address"];
        let is_key = |key: &str| keys.contains(&key);
        assert_eq!(key_of("a", is_key), Some("a"));
        assert_eq!(key_of("a.b", is_key), Some("a.b"));
        assert_eq!(key_of("a.c", is_key), Some("a"));
        assert_eq!(key_of("address.city.name", is_key), Some("address"));
        assert_eq!(key_of("b.a", is_key), None);
    }

    #[test]
    fn what_is_copied_from_an_event_has_its_name_or_is_its_first() {
        let copied = |key| copied_from(key).map(|from| (from.column.key, from.is_first));
        assert_eq!(copied("$browser"), Some(("$browser", false)));
        assert_eq!(copied("$initial_browser"), Some(("$browser", true)));
        assert_eq!(copied("$initial_utm_source"), Some(("utm_source", true)));
        assert_eq!(copied("plan"), None);
    }
}
