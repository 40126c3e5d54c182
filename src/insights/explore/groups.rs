//! Groups: which ones a person acted in, and what happened in one.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{EventQuery, ExploreError, Person, PersonName};
use crate::model::{PersonId, ProjectId};
use crate::storage::ch::{ClickHouse, EventSpan, GroupActivity, GroupPerson, Wanted};
use crate::storage::pg::{GroupRow, GroupTypeRow, Pg};

/// How far back a group's people and counts go.
pub const ACTIVE_WITHIN_DAYS: i64 = 30;

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

/// When a person was seen, and in which groups they acted lately.
///
/// # Errors
/// If a store does not answer.
pub async fn find_person_facts(
    pg: &Pg,
    ch: &ClickHouse,
    project: ProjectId,
    person: &Person,
    now: Timestamp,
) -> Result<PersonFacts, ExploreError> {
    let types = pg.list_group_types(project).await?;
    let indexes: Vec<i16> = types.iter().map(|one| one.index).collect();
    let (span, found) = ch.find_person_facts(project, &person.event_ids, &indexes, now).await?;
    if found.is_empty() {
        return Ok(PersonFacts { span, groups: Vec::new() });
    }
    let known: HashMap<(i16, String), String> = pg
        .list_groups_by_key(project, &found)
        .await?
        .into_iter()
        .map(|row| ((row.index, row.key.clone()), row.label().to_owned()))
        .collect();
    let group = |(index, key): (i16, String)| {
        let group_type = types.iter().find(|one| one.index == index)?.clone();
        let label = known.get(&(index, key.clone())).cloned().unwrap_or_else(|| key.clone());
        Some(PersonGroup { group_type, key, label })
    };
    Ok(PersonFacts { span, groups: found.into_iter().filter_map(group).collect() })
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
