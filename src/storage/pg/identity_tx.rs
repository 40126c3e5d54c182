//! Persons, their distinct ids and groups, as the pipeline reads and writes them: a batch at a time, one statement to read
//! and one to write, under the locks of [`Pg::begin_identity`](super::Pg::begin_identity).

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::{IdentityTx, PgError, PgTime, RecentPersons};
use crate::model::{PersonId, ProjectId, UserId};

/// A project that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownProject {
    pub id: ProjectId,
    /// Whether it ever had an event of someone without a profile.
    pub has_personless_events: bool,
}

/// A person as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonState {
    pub id: PersonId,
    pub uuid: Uuid,
    /// Shared with the events of a batch that say what was known then.
    pub properties: Arc<Map<String, Value>>,
    pub is_identified: bool,
    /// When it came into being by itself; `created_at` is that of the oldest of those merged into it.
    pub own_created_at: Timestamp,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub version: i64,
    /// Properties that it has from persons merged into it, with the values it got.
    pub inherited: Map<String, Value>,
}

/// A distinct id that belongs to somebody, or may be given a person.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownId {
    pub project_id: ProjectId,
    pub distinct_id: String,
    /// Under which its events are stored. If it belongs to nobody, one that nobody has: for the person made for it.
    pub number: PersonId,
    /// Whether `$identify` ever named it.
    pub is_identified: bool,
    /// One of [`IdentityAnswer::persons`].
    pub person: Option<PersonId>,
}

/// What a batch needs to know.
#[derive(Debug, Clone, Default)]
pub struct IdentityQuestion<'a> {
    pub projects: &'a [ProjectId],
    /// Distinct ids, and whether a person may be made for them.
    pub ids: &'a [(ProjectId, &'a str, bool)],
    /// Events that may merge somebody.
    pub merging_events: &'a [(ProjectId, Uuid)],
    /// Projects whose events name groups.
    pub projects_with_groups: &'a [ProjectId],
}

/// The answer to that.
#[derive(Debug, Clone, Default)]
pub struct IdentityAnswer {
    pub projects: Vec<KnownProject>,
    /// Those that the ids belong to.
    pub persons: Vec<(ProjectId, PersonState)>,
    pub ids: Vec<KnownId>,
    /// Events whose merge was decided before, whether it stands or was undone.
    pub decided: Vec<(ProjectId, Uuid)>,
    pub group_types: Vec<GroupType>,
}

/// A kind of groups: `type_index` is its place, 0 to 4, and the digit in `$group_0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupType {
    pub project_id: ProjectId,
    pub type_index: u8,
    pub name: String,
}

/// What `$groupidentify` says of a group: laid over what is known.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupChange {
    pub project_id: ProjectId,
    pub type_index: u8,
    pub key: String,
    pub properties: Map<String, Value>,
    pub at: Timestamp,
}

/// What made two ids one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeCause {
    Event { name: String, uuid: Uuid },
    Hand(UserId),
}

/// A line of the merge log: a link between two numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMerge {
    pub project_id: ProjectId,
    pub at: Timestamp,
    pub cause: MergeCause,
    pub other_distinct_id: String,
    pub target_distinct_id: String,
    pub other_number: PersonId,
    pub target_number: PersonId,
    /// The person that ends by it.
    pub other_person: Option<PersonId>,
}

/// The profile of a person that was merged, as it was then, without what it had from others.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedPerson {
    pub id: PersonId,
    pub uuid: Uuid,
    pub properties: Map<String, Value>,
    /// Keys that it had from others and that were unset.
    pub removed: Vec<String>,
    pub own_created_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// A distinct id that is given to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDistinctId {
    pub project_id: ProjectId,
    pub distinct_id: String,
    pub person: PersonId,
    /// Under which its events are stored.
    pub number: PersonId,
    /// Whether `$identify` named it.
    pub is_identified: bool,
}

/// All that a batch changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IdentityChanges {
    /// Projects that had their first event of someone without a profile.
    pub first_personless: Vec<ProjectId>,
    pub created: Vec<(ProjectId, PersonState)>,
    pub changed: Vec<PersonState>,
    /// Distinct ids that belonged to nobody.
    pub distinct_ids: Vec<NewDistinctId>,
    /// Of the others, those that `$identify` named for the first time.
    pub identified: Vec<(ProjectId, String)>,
    /// Persons that become another: their distinct ids move, what led to them leads on, they are deleted.
    pub absorbed: Vec<(ProjectId, PersonId, PersonId)>,
    /// Numbers whose events belong to a person now.
    pub overrides: Vec<(ProjectId, PersonId, PersonId)>,
    pub merges: Vec<NewMerge>,
    pub merged_persons: Vec<(ProjectId, MergedPerson)>,
    pub group_types: Vec<(GroupType, Timestamp)>,
    pub groups: Vec<GroupChange>,
}

impl IdentityChanges {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(FromRow)]
struct Row {
    kind: i32,
    project_id: i32,
    name: Option<String>,
    has_personless_events: Option<bool>,
    number: Option<i64>,
    uuid: Option<Uuid>,
    person_id: Option<i64>,
    properties: Option<Json<Map<String, Value>>>,
    is_identified: Option<bool>,
    own_created_at: Option<PgTime>,
    created_at: Option<PgTime>,
    last_seen_at: Option<PgTime>,
    version: Option<i64>,
    inherited: Option<Json<Map<String, Value>>>,
}

impl Row {
    fn person(&mut self, recent: &RecentPersons) -> Option<PersonState> {
        let id = PersonId::from_row(self.person_id?);
        let read = self.properties.take().map(|properties| Arc::new(properties.0));
        Some(PersonState {
            id,
            uuid: self.uuid?,
            properties: read.or_else(|| recent.get(id).cloned())?,
            is_identified: self.is_identified?,
            own_created_at: self.own_created_at?.0,
            created_at: self.created_at?.0,
            last_seen_at: self.last_seen_at?.0,
            version: self.version?,
            inherited: self.inherited.take().map(|inherited| inherited.0).unwrap_or_default(),
        })
    }
}

impl IdentityTx {
    /// Reads all that a batch needs to know, in one statement. Properties that are among the `recent` are not read again;
    /// those that are become so.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn read(
        &mut self,
        question: &IdentityQuestion<'_>,
        recent: &mut RecentPersons,
    ) -> Result<IdentityAnswer, PgError> {
        let (known, versions) = recent.versions();
        let numbers = |projects: &[ProjectId]| projects.iter().map(|p| p.get()).collect::<Vec<_>>();
        let rows: Vec<Row> = sqlx::query_as(include_str!("identity_read.sql"))
            .bind(numbers(question.projects))
            .bind(question.ids.iter().map(|(project, ..)| project.get()).collect::<Vec<_>>())
            .bind(question.ids.iter().map(|(_, id, _)| *id).collect::<Vec<_>>())
            .bind(question.ids.iter().map(|(.., may_be_created)| *may_be_created).collect::<Vec<_>>())
            .bind(question.merging_events.iter().map(|(project, _)| project.get()).collect::<Vec<_>>())
            .bind(question.merging_events.iter().map(|(_, uuid)| *uuid).collect::<Vec<_>>())
            .bind(numbers(question.projects_with_groups))
            .bind(known)
            .bind(versions)
            .fetch_all(&mut *self.tx)
            .await?;
        let mut answer = IdentityAnswer::default();
        for mut row in rows {
            let project_id = ProjectId::new(row.project_id);
            match row.kind {
                0 => answer.projects.push(KnownProject {
                    id: project_id,
                    has_personless_events: row.has_personless_events == Some(true),
                }),
                1 => answer.persons.extend(row.person(recent).map(|person| (project_id, person))),
                2 => answer.ids.push(KnownId {
                    project_id,
                    distinct_id: row.name.take().unwrap_or_default(),
                    number: PersonId::from_row(row.number.unwrap_or_default()),
                    is_identified: row.is_identified == Some(true),
                    person: row.person_id.map(PersonId::from_row),
                }),
                3 => answer.decided.extend(row.uuid.map(|uuid| (project_id, uuid))),
                _ => answer.group_types.push(GroupType {
                    project_id,
                    type_index: row.number.and_then(|n| n.try_into().ok()).unwrap_or_default(),
                    name: row.name.take().unwrap_or_default(),
                }),
            }
        }
        for (_, person) in &answer.persons {
            recent.put(person.id, person.version, &person.properties);
        }
        Ok(answer)
    }

    /// Writes all changes, in one statement.
    ///
    /// # Errors
    /// If Postgres refuses or does not answer; nothing is changed then.
    pub async fn write(&mut self, changes: &IdentityChanges) -> Result<(), PgError> {
        fn each<'a, T, R>(of: &'a [T], with: impl Fn(&'a T) -> R) -> Vec<R> {
            of.iter().map(with).collect()
        }
        fn inherited(person: &PersonState) -> Option<Json<&Map<String, Value>>> {
            Some(Json(&person.inherited)).filter(|inherited| !inherited.is_empty())
        }
        let IdentityChanges { created, changed, distinct_ids, identified, absorbed, overrides, .. } = changes;
        let IdentityChanges { merges, merged_persons, group_types, groups, .. } = changes;
        sqlx::query(include_str!("identity_write.sql"))
            .bind(each(&changes.first_personless, |p| p.get()))
            .bind(each(created, |(project, _)| project.get()))
            .bind(each(created, |(_, p)| p.id.as_row()))
            .bind(each(created, |(_, p)| p.uuid))
            .bind(each(created, |(_, p)| Json(&*p.properties)))
            .bind(each(created, |(_, p)| p.is_identified))
            .bind(each(created, |(_, p)| PgTime(p.own_created_at)))
            .bind(each(created, |(_, p)| PgTime(p.created_at)))
            .bind(each(created, |(_, p)| PgTime(p.last_seen_at)))
            .bind(each(created, |(_, p)| inherited(p)))
            .bind(each(changed, |p| p.id.as_row()))
            .bind(each(changed, |p| Json(&*p.properties)))
            .bind(each(changed, |p| p.is_identified))
            .bind(each(changed, |p| PgTime(p.own_created_at)))
            .bind(each(changed, |p| PgTime(p.created_at)))
            .bind(each(changed, |p| PgTime(p.last_seen_at)))
            .bind(each(changed, |p| p.version))
            .bind(each(changed, inherited))
            .bind(each(distinct_ids, |d| d.project_id.get()))
            .bind(each(distinct_ids, |d| d.distinct_id.as_str()))
            .bind(each(distinct_ids, |d| d.person.as_row()))
            .bind(each(distinct_ids, |d| (d.number != d.person).then_some(d.number.as_row())))
            .bind(each(distinct_ids, |d| d.is_identified))
            .bind(each(identified, |(project, _)| project.get()))
            .bind(each(identified, |(_, id)| id.as_str()))
            .bind(each(absorbed, |(project, ..)| project.get()))
            .bind(each(absorbed, |(_, id, _)| id.as_row()))
            .bind(each(absorbed, |(.., into)| into.as_row()))
            .bind(each(overrides, |(project, ..)| project.get()))
            .bind(each(overrides, |(_, from, _)| from.as_row()))
            .bind(each(overrides, |(.., into)| into.as_row()))
            .bind(each(merges, |m| m.project_id.get()))
            .bind(each(merges, |m| PgTime(m.at)))
            .bind(each(merges, |m| m.cause.event().map(|(name, _)| name)))
            .bind(each(merges, |m| m.cause.event().map(|(_, uuid)| uuid)))
            .bind(each(merges, |m| m.cause.user().map(UserId::get)))
            .bind(each(merges, |m| m.other_distinct_id.as_str()))
            .bind(each(merges, |m| m.target_distinct_id.as_str()))
            .bind(each(merges, |m| m.other_number.as_row()))
            .bind(each(merges, |m| m.target_number.as_row()))
            .bind(each(merges, |m| m.other_person.map(PersonId::as_row)))
            .bind(each(merged_persons, |(project, _)| project.get()))
            .bind(each(merged_persons, |(_, p)| p.id.as_row()))
            .bind(each(merged_persons, |(_, p)| p.uuid))
            .bind(each(merged_persons, |(_, p)| Json(&p.properties)))
            .bind(each(merged_persons, |(_, p)| Json(&p.removed)))
            .bind(each(merged_persons, |(_, p)| PgTime(p.own_created_at)))
            .bind(each(merged_persons, |(_, p)| PgTime(p.last_seen_at)))
            .bind(each(group_types, |(group, _)| group.project_id.get()))
            .bind(each(group_types, |(group, _)| i16::from(group.type_index)))
            .bind(each(group_types, |(group, _)| group.name.as_str()))
            .bind(each(group_types, |(_, at)| PgTime(*at)))
            .bind(each(groups, |g| g.project_id.get()))
            .bind(each(groups, |g| i16::from(g.type_index)))
            .bind(each(groups, |g| g.key.as_str()))
            .bind(each(groups, |g| Json(&g.properties)))
            .bind(each(groups, |g| PgTime(g.at)))
            .execute(&mut *self.tx)
            .await
            .map(drop)
    }
}

impl MergeCause {
    /// The event that asked for it.
    #[must_use]
    pub fn event(&self) -> Option<(&str, Uuid)> {
        match self {
            Self::Event { name, uuid } => Some((name, *uuid)),
            Self::Hand(_) => None,
        }
    }

    /// Who did it by hand.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Event { .. } => None,
            Self::Hand(user) => Some(*user),
        }
    }
}
