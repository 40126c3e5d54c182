//! Merging, undoing and splitting by hand, under the same lock as batches of events.

use jiff::Timestamp;

use super::parting::{CannotPart, part, split};
use super::resolve::Identity;
use super::world::{Wish, World};
use crate::model::{PersonId, ProjectId, UserId};
use crate::storage::ch::ClickHouse;
use crate::storage::pg::{
    IdentityQuestion, IdentityTx, MergeCause, Parting, PersonTree, PgError, RecentPersons, WrittenPersons,
};

/// Why something was not done by hand.
#[derive(Debug, thiserror::Error)]
pub enum HandError {
    #[error(transparent)]
    Cannot(#[from] CannotPart),
    #[error("both are one person already")]
    AlreadyOne,
    #[error("neither has a profile")]
    NoProfile,
    #[error("{id:?} cannot be split off: {why}")]
    CannotSplit { id: String, why: CannotPart },
    #[error("more than {MAX_SPLIT} distinct ids would be split off at once")]
    TooMany,
    #[error("postgres: {0}")]
    Postgres(#[from] PgError),
}

/// Most distinct ids that get off a person at once: nobody's events are stored meanwhile.
pub const MAX_SPLIT: usize = 100;

impl HandError {
    /// As a sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let reason = self.to_string();
        let mut letters = reason.chars();
        let first = letters.next().map(char::to_uppercase);
        first.into_iter().flatten().chain(letters).chain(['.']).collect()
    }
}

/// Who gets off a person, each alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitOff<'a> {
    These(&'a [String]),
    AllBut(&'a str),
    /// All but the ids that the profile was made for.
    AllButOwn,
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
        let answer = tx.read(&question, &mut RecentPersons::default()).await?;
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

    /// Lets distinct ids get off a person, each alone and all of them or none; gives how many did. Queries see it at once.
    ///
    /// # Errors
    /// If one of them cannot, they are more than [`MAX_SPLIT`], or Postgres does not answer; nothing is changed then.
    pub async fn split(
        &self,
        clickhouse: &ClickHouse,
        project: ProjectId,
        person: PersonId,
        wish: SplitOff<'_>,
        by: UserId,
        at: Timestamp,
    ) -> Result<usize, HandError> {
        let mut tx = self.pg.begin_identity(&[project]).await?;
        let tree = tx.find_tree(project, person).await?.filter(|tree| tree.root.id == person);
        let leaving = leaving(&tree.ok_or(CannotPart::PersonGone)?, wish)?;
        if leaving.len() > MAX_SPLIT {
            return Err(HandError::TooMany);
        }
        for id in &leaving {
            // Read anew: who left before may have been what joined this one to the person.
            let tree = tx.find_tree(project, person).await?.ok_or(CannotPart::PersonGone)?;
            let parting = split(project, &tree, id);
            let parting = parting.map_err(|why| HandError::CannotSplit { id: id.clone(), why })?;
            tx.part(project, &parting, by, at).await?;
        }
        tx.commit().await?;
        if !leaving.is_empty() {
            self.tell_queries(clickhouse).await;
        }
        Ok(leaving.len())
    }

    /// What is decided stands; if ClickHouse does not answer now, the pipeline tells it with the next batch.
    pub(super) async fn tell_queries(&self, clickhouse: &ClickHouse) {
        if let Err(error) = clickhouse.or_away(self.mirror(clickhouse, &WrittenPersons::default())).await {
            tracing::warn!(error = %error, "What became of persons is told to ClickHouse later");
        }
    }
}

/// The ids that are to leave, each once.
fn leaving(tree: &PersonTree, wish: SplitOff<'_>) -> Result<Vec<String>, HandError> {
    let named = match wish {
        SplitOff::These(ids) => ids,
        SplitOff::AllBut(main) => &[main.to_owned()],
        SplitOff::AllButOwn => &[],
    };
    if let Some(id) = named.iter().find(|id| !tree.ids.iter().any(|(known, _)| known == *id)) {
        return Err(HandError::CannotSplit { id: id.clone(), why: CannotPart::NotTheirs });
    }
    let leaves = |(id, number): &&(String, PersonId)| match wish {
        SplitOff::These(ids) => ids.contains(id),
        SplitOff::AllBut(main) => id != main,
        SplitOff::AllButOwn => *number != tree.root.id,
    };
    Ok(tree.ids.iter().filter(leaves).map(|(id, _)| id.clone()).collect())
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
