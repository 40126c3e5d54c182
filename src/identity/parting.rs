//! What an undone merge parts: the tree of links that a person hangs together by, with one link less. Pure.
//!
//! - The side that holds the person's own number stays the person. Of the other side, whoever would be the person had only
//!   its own links ever been made, gets its profile back.
//! - Each side knows what its own profiles told, put together as its own links say. What was set after the merge stays with
//!   the person that it was set on.
//! - Who is identified is so by `$identify`, which named one of the ids, or by a link that stands.
//! - An id that never had a profile of its own is nobody's again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::person_properties::Own;
use super::world::person_uuid;
use crate::model::{PersonId, ProjectId};
use crate::storage::pg::{MergeLink, Parting, PersonState, PersonTree, RestoredPerson};

/// Why something cannot be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotPart {
    #[error("it was undone before")]
    UndoneBefore,
    #[error("the person it made is gone")]
    PersonGone,
    #[error("the profile from before the merge was not kept")]
    ProfileNotKept,
    #[error("this distinct id is not one of this person's")]
    NotTheirs,
    #[error("this distinct id is the only one of its person")]
    OnlyId,
    #[error("the profile was made for this distinct id: split the others off instead")]
    OwnId,
    #[error(
        "its events are stored under the same number as those of another distinct id, so they cannot be told apart"
    )]
    SharedNumber,
    #[error("it joined this person before merges were written down")]
    NotRecorded,
}

/// What becomes of a person without one link.
pub(super) fn part(project: ProjectId, tree: &PersonTree, link_id: i64) -> Result<Parting, CannotPart> {
    let link = tree.links.iter().find(|link| link.id == link_id).ok_or(CannotPart::UndoneBefore)?;
    let rest: Vec<&MergeLink> = tree.links.iter().filter(|link| link.id != link_id).collect();
    let (others, targets) = (reach(link.other, &rest), reach(link.target, &rest));
    // Numbers of old, which no link leads to, stay with the person.
    let leaving = if others.contains(&tree.root.id) { targets } else { others };
    if leaving.contains(&tree.root.id) {
        return Err(CannotPart::ProfileNotKept);
    }
    Sides { project, tree, leaving, rest }.part(link_id)
}

/// What becomes of a person whose distinct id gets off alone.
pub(super) fn split(project: ProjectId, tree: &PersonTree, distinct_id: &str) -> Result<Parting, CannotPart> {
    let (_, number) = tree.ids.iter().find(|(id, _)| id == distinct_id).ok_or(CannotPart::NotTheirs)?;
    if tree.ids.len() == 1 {
        return Err(CannotPart::OnlyId);
    }
    if tree.ids.iter().filter(|(_, other)| other == number).count() > 1 {
        return Err(CannotPart::SharedNumber);
    }
    if *number == tree.root.id {
        return Err(CannotPart::OwnId);
    }
    let of_id: Vec<&MergeLink> =
        tree.links.iter().filter(|link| link.other == *number || link.target == *number).collect();
    let end = |link: &MergeLink| if link.other == *number { link.target } else { link.other };
    // What hangs on the id shall hang on the neighbour that leads to the person's own number.
    let leads_to_root = |link: &MergeLink| {
        let rest: Vec<&MergeLink> = tree.links.iter().filter(|other| other.id != link.id).collect();
        reach(end(link), &rest).contains(&tree.root.id)
    };
    let kept = of_id.iter().find(|link| leads_to_root(link)).or(of_id.first()).ok_or(CannotPart::NotRecorded)?;
    let hub = end(kept);
    // As if the others had been joined to the neighbour just now.
    let mut relinked = Vec::new();
    let mut tree = tree.clone();
    tree.links.retain(|link| {
        let hangs_on_id = link.id != kept.id && (link.other == *number || link.target == *number);
        if hangs_on_id {
            relinked.push(MergeLink { id: link.id, other: end(link), target: hub });
        }
        !hangs_on_id
    });
    tree.links.extend(&relinked);
    Ok(Parting { relinked, ..part(project, &tree, kept.id)? })
}

/// All numbers that hang together with this one.
fn reach(from: PersonId, links: &[&MergeLink]) -> BTreeSet<PersonId> {
    let mut neighbours: HashMap<PersonId, Vec<PersonId>> = HashMap::new();
    for link in links {
        neighbours.entry(link.other).or_default().push(link.target);
        neighbours.entry(link.target).or_default().push(link.other);
    }
    let mut reached = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(number) = open.pop() {
        for next in neighbours.get(&number).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(*next);
            }
        }
    }
    reached
}

struct Sides<'a> {
    project: ProjectId,
    tree: &'a PersonTree,
    leaving: BTreeSet<PersonId>,
    rest: Vec<&'a MergeLink>,
}

/// What numbers that hang together know by themselves.
#[derive(Debug, Clone)]
struct Told {
    /// The number that is the person's own.
    id: PersonId,
    own: Own,
    /// Of the profiles among them; none if there is none.
    created_at: Option<Timestamp>,
}

impl Told {
    /// With another under it, as a merge puts them together: an id without profile is given to the one that has one, and
    /// who lives now stays who they are.
    fn over(self, other: Self, root: PersonId) -> Self {
        let is_given = !self.id.has_profile() && other.id.has_profile();
        let (target, other) = if is_given || other.id == root { (other, self) } else { (self, other) };
        Self {
            id: target.id,
            own: target.own.over(&other.own),
            created_at: target.created_at.into_iter().chain(other.created_at).min(),
        }
    }
}

impl Sides<'_> {
    fn part(self, undone: i64) -> Result<Parting, CannotPart> {
        let (tree, root) = (self.tree, &self.tree.root);
        let own_of_root = Own::of(&root.properties, &root.inherited);
        let stayed = self.told(reach(root.id, &self.rest), &own_of_root);
        let ids: Vec<(String, PersonId)> =
            tree.ids.iter().filter(|(_, number)| self.leaving.contains(number)).cloned().collect();
        // The hash of an id whose events have another number goes where the id goes.
        let hashes = ids.iter().map(|(id, _)| PersonId::without_profile(self.project, id));
        let mut numbers: BTreeSet<PersonId> = hashes.filter(|hash| tree.numbers.contains(hash)).collect();
        numbers.extend(&self.leaving);
        let told = self.told(self.leaving.clone(), &own_of_root);
        let restored = if told.id.has_profile() {
            Some(self.restored(told)?)
        } else {
            self.made(&ids, told.id).filter(|_| self.leaving.len() > 1)
        };
        // A date of old, that no kept profile explains, stays.
        let oldest = tree.persons.iter().map(|p| p.own_created_at).fold(root.own_created_at, Timestamp::min);
        let created_at = stayed.created_at.filter(|_| root.created_at >= oldest);
        let is_staying = |number: &PersonId| !self.leaving.contains(number);
        let survivor = PersonState {
            is_identified: self.is_identified(is_staying),
            inherited: inherited(&stayed.own.properties, &own_of_root.properties),
            properties: Arc::new(stayed.own.properties),
            created_at: created_at.unwrap_or(root.created_at),
            version: root.version + 1,
            ..root.clone()
        };
        let numbers = numbers.into_iter().collect();
        Ok(Parting { undone, survivor, ids, numbers, restored, relinked: Vec::new() })
    }

    /// What numbers that hang together know, had only their own links ever been made, in their order.
    fn told(&self, numbers: BTreeSet<PersonId>, own_of_root: &Own) -> Told {
        let root = &self.tree.root;
        let mut place: BTreeMap<PersonId, PersonId> = numbers.iter().map(|number| (*number, *number)).collect();
        let mut all: BTreeMap<PersonId, Told> = numbers
            .into_iter()
            .map(|id| {
                let kept = self.tree.persons.iter().find(|person| person.id == id);
                let (own, created_at) = match kept {
                    _ if id == root.id => (own_of_root.clone(), Some(root.own_created_at)),
                    Some(kept) => {
                        let own = Own { properties: kept.properties.clone(), removed: kept.removed.clone() };
                        (own, Some(kept.own_created_at))
                    }
                    None => (Own::default(), None),
                };
                (id, Told { id, own, created_at })
            })
            .collect();
        for link in &self.rest {
            let (Some(other), Some(target)) = (place.get(&link.other).copied(), place.get(&link.target).copied())
            else {
                continue;
            };
            if let (Some(other_told), Some(target_told)) = (all.remove(&other), all.remove(&target)) {
                all.insert(target, target_told.over(other_told, root.id));
                place.values_mut().filter(|at| **at == other).for_each(|at| *at = target);
            }
        }
        all.into_values().next().expect("what hangs together ends as one, and there is at least one number")
    }

    /// Whether a side is identified.
    fn is_identified(&self, is_in: impl Fn(&PersonId) -> bool) -> bool {
        self.tree.identified.iter().any(&is_in) || self.rest.iter().any(|link| is_in(&link.other))
    }

    /// A kept profile as a person again, with those that leave with it.
    fn restored(&self, told: Told) -> Result<RestoredPerson, CannotPart> {
        let kept = self.tree.persons.iter().find(|person| person.id == told.id).ok_or(CannotPart::ProfileNotKept)?;
        let leaving = self.tree.persons.iter().filter(|person| self.leaving.contains(&person.id));
        Ok(RestoredPerson {
            was_kept: true,
            state: PersonState {
                id: kept.id,
                uuid: kept.uuid,
                inherited: inherited(&told.own.properties, &kept.properties),
                properties: Arc::new(told.own.properties),
                is_identified: self.is_identified(|number| self.leaving.contains(number)),
                own_created_at: kept.own_created_at,
                created_at: told.created_at.unwrap_or(kept.own_created_at),
                last_seen_at: leaving.map(|person| person.last_seen_at).fold(kept.last_seen_at, Timestamp::max),
                version: self.tree.root.version + 1,
            },
        })
    }

    /// Several ids that leave together and never had a profile get one, as if it had been made for this one of them. Its
    /// number is given out when it is written.
    fn made(&self, ids: &[(String, PersonId)], own: PersonId) -> Option<RestoredPerson> {
        let (first, number) = ids.iter().find(|(_, number)| *number == own)?;
        let root = &self.tree.root;
        Some(RestoredPerson {
            was_kept: false,
            state: PersonState {
                id: *number,
                uuid: person_uuid(self.project, first),
                properties: Arc::default(),
                is_identified: true,
                own_created_at: root.created_at,
                created_at: root.created_at,
                last_seen_at: root.last_seen_at,
                version: 0,
                inherited: Map::new(),
            },
        })
    }
}

/// What all know that one alone does not.
fn inherited(all: &Map<String, Value>, own: &Map<String, Value>) -> Map<String, Value> {
    let others = all.iter().filter(|(key, _)| !own.contains_key(*key));
    others.map(|(key, value)| (key.clone(), value.clone())).collect()
}
