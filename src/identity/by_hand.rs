//! Merging, undoing and splitting by hand, under the same lock as batches of events.

use jiff::Timestamp;

use super::parting::{CannotPart, part, split};
use super::resolve::Identity;
use super::world::{Wish, World};
use crate::model::{PersonId, ProjectId, UserId};
use crate::storage::ch::ClickHouse;
use crate::storage::pg::{IdentityQuestion, IdentityTx, MergeCause, Parting, PgError};

/// Why something was not done by hand.
#[derive(Debug, thiserror::Error)]
pub enum HandError {
    #[error(transparent)]
    Cannot(#[from] CannotPart),
    #[error("both are one person already")]
    AlreadyOne,
    #[error("neither has a profile")]
    NoProfile,
    #[error("postgres: {0}")]
    Postgres(#[from] PgError),
}

/// What is to be parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Undo this merge.
    Merge(i64),
    /// Let this distinct id get off its person alone.
    DistinctId(&'a str),
}

impl Identity {
    /// Makes one person of two distinct ids' persons, the target's, also if both are identified. Queries see it at once.
    ///
    /// # Errors
    /// If they are one, if neither has a profile, or if Postgres does not answer.
    pub async fn merge_by_hand(
        &self,
        clickhouse: &ClickHouse,
        project: ProjectId,
        target_id: &str,
        other_id: &str,
        by: UserId,
        at: Timestamp,
    ) -> Result<(), HandError> {
        let mut tx = self.pg.begin_identity(&[project]).await?;
        let ids = [(project, target_id, false), (project, other_id, false)];
        let question = IdentityQuestion { projects: &[project], ids: &ids, ..IdentityQuestion::default() };
        let answer = tx.read(&question).await?;
        if answer.ids.is_empty() {
            return Err(HandError::NoProfile);
        }
        let mut world = World::new(answer);
        if target_id == other_id || world.are_one(project, target_id, other_id) {
            return Err(HandError::AlreadyOne);
        }
        let wish = Wish { at, cause: MergeCause::Hand(by), is_dangerous: true };
        world.join(project, target_id, other_id, wish);
        world.identify(project, target_id);
        tx.write(&world.changes()).await?;
        tx.commit().await?;
        self.tell_queries(clickhouse).await;
        Ok(())
    }

    /// What [`Identity::part`] would do now.
    ///
    /// # Errors
    /// If it cannot be done, or Postgres does not answer.
    pub async fn preview(&self, project: ProjectId, what: Part<'_>) -> Result<Parting, HandError> {
        let mut tx = self.pg.begin_identity(&[project]).await?;
        parting(&mut tx, project, what).await
    }

    /// Undoes a merge or lets a distinct id off. Who leaves has the profile of before the merge again; gives its number, or
    /// none if it never had one. Queries see it at once.
    ///
    /// # Errors
    /// If it cannot be done, or Postgres does not answer; nothing is changed then.
    pub async fn part(
        &self,
        clickhouse: &ClickHouse,
        project: ProjectId,
        what: Part<'_>,
        by: UserId,
        at: Timestamp,
    ) -> Result<Option<PersonId>, HandError> {
        let mut tx = self.pg.begin_identity(&[project]).await?;
        let parting = parting(&mut tx, project, what).await?;
        let restored = tx.part(project, &parting, by, at).await?;
        tx.commit().await?;
        self.tell_queries(clickhouse).await;
        Ok(restored)
    }

    /// What is decided stands; if ClickHouse does not answer now, the pipeline tells it with the next batch.
    async fn tell_queries(&self, clickhouse: &ClickHouse) {
        if let Err(error) = self.mirror_overrides(clickhouse).await {
            tracing::warn!(error = %error, "What became of persons is told to ClickHouse later");
        }
    }
}

async fn parting(tx: &mut IdentityTx, project: ProjectId, what: Part<'_>) -> Result<Parting, HandError> {
    let number = match what {
        Part::Merge(merge) => tx.find_merge(project, merge).await?.ok_or(CannotPart::UndoneBefore)?,
        Part::DistinctId(id) => tx.find_number(project, id).await?.ok_or(CannotPart::NotTheirs)?,
    };
    let tree = tx.find_tree(project, number).await?.ok_or(CannotPart::PersonGone)?;
    let parting = match what {
        Part::Merge(merge) => part(project, &tree, merge)?,
        Part::DistinctId(id) => split(project, &tree, id)?,
    };
    Ok(parting)
}
