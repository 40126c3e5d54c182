//! Groups: which ones a person acted in, and what happened in one.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::{EventLine, EventQuery, ExploreError, PersonName};
use crate::model::{PersonId, ProjectId};
use crate::storage::ch::{ClickHouse, EventSpan, GROUPS_WITHIN, GroupActivity, GroupPerson, MOST_GROUPS, Wanted};
use crate::storage::pg::{GroupRow, GroupTypeRow, Pg};

/// How far back a group's people and counts go.
pub const ACTIVE_WITHIN_DAYS: i64 = 30;

/// The properties of an event that name its groups, by the index of their type.
pub const GROUP_KEYS: [&str; 5] = ["$group_0", "$group_1", "$group_2", "$group_3", "$group_4"];

/// A group that a person acted in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonGroup {
    pub group_type: GroupTypeRow,
    pub key: String,
    /// Its name, else its key.
    pub label: String,
}

/// Somebody who acted in a group, as they are called now.
#[derive(Debug, Clone)]
pub struct GroupMember {
    pub activity: GroupPerson,
    pub name: PersonName,
    /// One of their distinct ids.
    pub distinct_id: String,
}

/// What happened in a group lately.
#[derive(Debug, Clone, Default)]
pub struct GroupSummary {
    pub event_count: u64,
    pub person_count: u64,
    /// Those who acted last.
    pub members: Vec<GroupMember>,
}

/// What a person's events say of them at a glance.
#[derive(Debug, Clone, Default)]
pub struct PersonFacts {
    /// None if there are no events.
    pub span: Option<EventSpan>,
    /// The groups that the person acted in during the last 90 days, in the order of their types.
    pub groups: Vec<PersonGroup>,
}

/// What the events with these numbers say of the person they are of.
///
/// # Errors
/// If a store does not answer.
pub async fn find_person_facts(
    pg: &Pg,
    ch: &ClickHouse,
    project: ProjectId,
    event_ids: &[PersonId],
    now: Timestamp,
) -> Result<PersonFacts, ExploreError> {
    let types = pg.list_group_types(project).await?;
    let indexes: Vec<i16> = types.iter().map(|one| one.index).collect();
    let (span, found) = ch.find_person_facts(project, event_ids, &indexes, now).await?;
    Ok(PersonFacts { span, groups: named(pg, project, types, found).await? })
}

/// The same of all of a person's events, where they are at hand, newest first: read with their [`GROUP_KEYS`].
///
/// # Errors
/// If Postgres does not answer.
pub async fn person_facts_in(
    pg: &Pg,
    project: ProjectId,
    events: &[EventLine],
    now: Timestamp,
) -> Result<PersonFacts, ExploreError> {
    let (Some(newest), Some(oldest)) = (events.first(), events.last()) else { return Ok(PersonFacts::default()) };
    let span = EventSpan { count: events.len() as u64, first: oldest.event.at, last: newest.event.at };
    let found = groups_in(events, now.checked_sub(GROUPS_WITHIN).unwrap_or(now));
    let types = if found.is_empty() { Vec::new() } else { pg.list_group_types(project).await? };
    Ok(PersonFacts { span: Some(span), groups: named(pg, project, types, found).await? })
}

/// The groups that events since a moment name: type index and key, sorted.
fn groups_in(events: &[EventLine], since: Timestamp) -> Vec<(i16, String)> {
    let lately = || events.iter().map(|line| &line.event).filter(|event| event.at >= since);
    let of_type = |(index, key): (i16, &str)| {
        let named = lately().filter_map(|event| event.properties.get(key)?.as_str()).filter(|group| !group.is_empty());
        let groups: BTreeSet<&str> = named.collect();
        groups.into_iter().take(MOST_GROUPS).map(move |group| (index, group.to_owned())).collect::<Vec<_>>()
    };
    (0..).zip(GROUP_KEYS).flat_map(of_type).collect()
}

/// These groups, as they are called, in the order of their types.
async fn named(
    pg: &Pg,
    project: ProjectId,
    types: Vec<GroupTypeRow>,
    found: Vec<(i16, String)>,
) -> Result<Vec<PersonGroup>, ExploreError> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let known = pg.list_groups_by_key(project, &found).await?.into_iter();
    let known: HashMap<(i16, String), String> =
        known.map(|row| ((row.index, row.key.clone()), row.label().to_owned())).collect();
    let group = |(index, key): (i16, String)| {
        let group_type = types.iter().find(|one| one.index == index)?.clone();
        let label = known.get(&(index, key.clone())).cloned().unwrap_or_else(|| key.clone());
        Some(PersonGroup { group_type, key, label })
    };
    Ok(found.into_iter().filter_map(group).collect())
}

/// What happened in a group in the last [`ACTIVE_WITHIN_DAYS`] days.
///
/// # Errors
/// If a store does not answer.
pub async fn summarise_group(
    pg: &Pg,
    ch: &ClickHouse,
    project: ProjectId,
    index: i16,
    key: &str,
    limit: usize,
    now: Timestamp,
) -> Result<GroupSummary, ExploreError> {
    // From the beginning of a day on: ClickHouse remembers for the same question where nothing was found.
    let days_ago = now.checked_sub(SignedDuration::from_hours(24 * ACTIVE_WITHIN_DAYS)).unwrap_or(now);
    let day = SignedDuration::from_hours(24).as_secs();
    let since = Timestamp::from_second(days_ago.as_second().div_euclid(day) * day).unwrap_or(days_ago);
    let GroupActivity { event_count, person_count, people } =
        ch.find_group_activity(project, index, key, since, limit).await?;
    let ids: Vec<PersonId> = people.iter().map(|one| one.person).collect();
    let known = pg.list_persons_by_id(project, &ids).await?;
    let mut known: HashMap<PersonId, (PersonName, Option<String>)> =
        known.into_iter().map(|row| (row.id, (PersonName::of(&row), row.distinct_ids.into_iter().next()))).collect();
    let unknown: Vec<PersonId> = ids.into_iter().filter(|id| !known.contains_key(id)).collect();
    for (id, distinct_id) in ch.list_distinct_ids_of(project, &unknown, since).await? {
        known.insert(id, (PersonName::new(&distinct_id, None), Some(distinct_id)));
    }
    let member = |activity: GroupPerson| {
        let (name, distinct_id) = known.remove(&activity.person)?;
        Some(GroupMember { activity, name, distinct_id: distinct_id? })
    };
    Ok(GroupSummary { event_count, person_count, members: people.into_iter().filter_map(member).collect() })
}

/// Asks for the events of a group, for [`list_events`](super::list_events).
#[must_use]
pub fn events_of_group(group: &GroupRow, wanted: Wanted) -> EventQuery {
    EventQuery { group: Some((group.index, group.key.clone())), wanted, ..EventQuery::default() }
}
