//! A batch's identity against Postgres: lock, read, decide, write.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::groups::names_groups;
use super::subject::{Resolved, Subject, Warning};
use super::world::World;
use crate::model::ProjectId;
use crate::storage::ch::{ChError, ClickHouse};
use crate::storage::pg::{IdentityChanges, IdentityQuestion, IdentityTx, Pg, PgError, RecentPersons, WrittenPersons};

/// Rows of changes of overrides copied to ClickHouse at once, of up to 500 each.
const MIRROR_ROWS: u32 = 100;
/// Changes of people copied at once, each with all that is known of a person.
const MIRROR_CHANGES: u32 = 2_000;

/// Resolves events to persons. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(super) pg: Pg,
}

/// What became of a batch.
#[derive(Debug)]
pub struct Resolution {
    /// One for each event, in order.
    pub resolved: Vec<Resolved>,
    /// How often something was asked for and refused.
    pub warnings: HashMap<Warning, u64>,
    /// For [`Identity::mirror`].
    pub written: WrittenPersons,
}

/// The persons that events may ask for, under the locks of their projects: nobody else changes them meanwhile. Dropped, it
/// changes nothing.
#[derive(Debug)]
pub struct Held {
    tx: IdentityTx,
    world: World,
}

/// What a batch changes, not stored yet. Dropped, it changes nothing.
#[derive(Debug)]
pub struct Decision {
    tx: IdentityTx,
    changes: IdentityChanges,
}

impl Held {
    /// Says of each of these events whose it is: some of those it is held for, in their order. It is so once the decision
    /// is stored.
    #[must_use]
    pub fn decide(self, subjects: &[Subject<'_>]) -> (Resolution, Decision) {
        let Self { tx, mut world } = self;
        let resolved = subjects.iter().map(|subject| world.happen(subject)).collect();
        let mut warnings = HashMap::new();
        for warning in std::mem::take(&mut world.warnings) {
            *warnings.entry(warning).or_insert(0) += 1;
        }
        let changes = world.changes();
        (Resolution { resolved, warnings, written: WrittenPersons::of(&changes) }, Decision { tx, changes })
    }
}

impl Decision {
    /// Stores it all or nothing, and lets the locks go.
    ///
    /// # Errors
    /// If Postgres refuses or does not answer; after a lost answer to the commit the changes may stand.
    pub async fn store(self) -> Result<(), PgError> {
        let Self { mut tx, changes } = self;
        if !changes.is_empty() {
            tx.write(&changes).await?;
        }
        tx.commit().await
    }
}

/// Why overrides could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("postgres: {0}")]
    Postgres(#[from] PgError),
    #[error("clickhouse: {0}")]
    ClickHouse(#[from] ChError),
}

impl Identity {
    /// On these persons.
    #[must_use]
    pub fn new(pg: Pg) -> Self {
        Self { pg }
    }

    /// Takes the locks of these events' projects and reads what the events may ask for. Then [`Held::decide`] says of each
    /// event whose it is, and [`Decision::store`] changes persons as the events ask. Doing it again for the same events finds
    /// the same persons. However many the events, Postgres is asked four times: to begin with the locks, to read, to write,
    /// to commit; three times if nothing changes. What is known of the `recent` persons is not read again.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn hold(&self, subjects: &[Subject<'_>], recent: &mut RecentPersons) -> Result<Held, PgError> {
        let mut projects = BTreeSet::new();
        let mut projects_with_groups = BTreeSet::new();
        let mut ids: BTreeMap<(ProjectId, String), bool> = BTreeMap::new();
        let mut merging_events: Vec<(ProjectId, Uuid)> = Vec::new();
        for subject in subjects {
            let project = subject.project_id;
            projects.insert(project);
            for (id, may_be_created) in subject.distinct_ids() {
                *ids.entry((project, id)).or_default() |= may_be_created;
            }
            if subject.other_id().is_some() {
                merging_events.push((project, subject.uuid));
            }
            if names_groups(subject) {
                projects_with_groups.insert(project);
            }
        }
        let projects: Vec<ProjectId> = projects.into_iter().collect();
        let projects_with_groups: Vec<ProjectId> = projects_with_groups.into_iter().collect();
        let ids: Vec<(ProjectId, &str, bool)> =
            ids.iter().map(|((project, id), may_be_created)| (*project, id.as_str(), *may_be_created)).collect();

        let mut tx = self.pg.begin_identity(&projects).await?;
        let question = IdentityQuestion {
            projects: &projects,
            ids: &ids,
            merging_events: &merging_events,
            projects_with_groups: &projects_with_groups,
        };
        let world = World::new(tx.read(&question, recent).await?);
        Ok(Held { tx, world })
    }

    /// Copies to ClickHouse what has become of merged persons and claimed ids, and what people and groups are now, as far as
    /// it changed. `written` is what a batch has just written, or nothing.
    ///
    /// # Errors
    /// If a store does not answer; what is left is copied next time.
    pub async fn mirror(&self, clickhouse: &ClickHouse, written: &WrittenPersons) -> Result<(), IdentityError> {
        tokio::try_join!(
            self.mirror_overrides(clickhouse),
            self.mirror_persons(clickhouse, written),
            self.mirror_groups(clickhouse)
        )?;
        Ok(())
    }

    async fn mirror_overrides(&self, clickhouse: &ClickHouse) -> Result<(), IdentityError> {
        loop {
            let changes = self.pg.list_override_changes(MIRROR_ROWS).await?;
            if !changes.seqs.is_empty() {
                clickhouse.insert_person_overrides(&changes.overrides).await?;
                self.pg.mark_override_changes_mirrored(&changes).await?;
            }
            if !changes.is_cut {
                return Ok(());
            }
        }
    }

    async fn mirror_groups(&self, clickhouse: &ClickHouse) -> Result<(), IdentityError> {
        loop {
            let changes = self.pg.list_group_changes(MIRROR_CHANGES).await?;
            if !changes.seqs.is_empty() {
                clickhouse.insert_mirrored_groups(&changes.groups).await?;
                self.pg.mark_group_changes_mirrored(&changes).await?;
            }
            if changes.seqs.len() < MIRROR_CHANGES as usize {
                return Ok(());
            }
        }
    }

    async fn mirror_persons(&self, clickhouse: &ClickHouse, written: &WrittenPersons) -> Result<(), IdentityError> {
        loop {
            let changes = self.pg.list_person_changes(MIRROR_CHANGES, written).await?;
            if !changes.seqs.is_empty() {
                // A distinct id is never mirrored before its person.
                clickhouse.insert_mirrored_persons(&changes.persons).await?;
                clickhouse.insert_mirrored_distinct_ids(&changes.distinct_ids).await?;
                self.pg.mark_person_changes_mirrored(&changes).await?;
            }
            if !changes.is_cut {
                return Ok(());
            }
        }
    }
}
