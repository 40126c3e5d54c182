//! Beginning an erasure.

use jiff::Timestamp;

use super::job::Plan;
use super::{Privacy, PrivacyError};
use crate::ingest::erased_id::IdSecret;
use crate::model::ProjectId;
use crate::storage::pg::{ErasureRow, NewErasure, PgError, SubjectName};

impl Privacy {
    /// Erases somebody: when this returns, Postgres has nothing of them, nothing of their past will be stored any more, and
    /// the worker is at the rest. None if the name is nobody's. With `keeps_events` only the profile goes.
    ///
    /// # Errors
    /// If Postgres does not answer; then nothing is changed, or all of it.
    pub async fn erase(
        &self,
        project: ProjectId,
        name: &SubjectName,
        requested_by: &str,
        keeps_events: bool,
    ) -> Result<Option<ErasureRow>, PrivacyError> {
        let secret = IdSecret::load(&self.pg).await?;
        // While nobody stores: a batch is over before, or sees the marks.
        let mut turn = self.pg.storing_turn();
        turn.take().await?;
        let now = self.clock.now();
        let new = NewErasure {
            id: self.clock.new_uuid(),
            project_id: project,
            requested_by: requested_by.to_owned(),
            now,
            until: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
            keeps_events,
        };
        let begun = self
            .pg
            .begin_erasure(name, &new, |id| secret.hash(project, id), |subject| Plan::of(subject).to_json())
            .await;
        turn.release().await;
        self.wake.notify_one();
        Ok(begun?)
    }

    /// Everybody that one of these names means: distinct ids, and e-mail addresses, which may be several people's.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn names(
        &self,
        project: ProjectId,
        distinct_ids: &[String],
        emails: &[String],
    ) -> Result<Vec<SubjectName>, PgError> {
        let ids = distinct_ids.iter().filter(|id| !id.is_empty() && !id.contains('\0'));
        let mut names: Vec<SubjectName> = ids.map(|id| SubjectName::DistinctId(id.clone())).collect();
        if !emails.is_empty() {
            let people = self.pg.list_persons_by_email(project, emails).await?;
            names.extend(people.into_iter().map(SubjectName::Uuid));
        }
        Ok(names)
    }
}
