//! Why an insight has no answer.

use std::sync::Arc;

use super::running::Crowded;
use crate::model::query::InvalidQuery;
use crate::storage::ch::{ChError, error_code};
use crate::storage::pg::PgError;

/// Why an insight has no answer, in words for who asked. Whoever waited for the same answer gets the same error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InsightError {
    /// The question makes no sense; the field says where.
    #[error(transparent)]
    Invalid(#[from] InvalidQuery),
    /// It took too long.
    #[error("the question took longer than 30 seconds; a shorter date range or fewer series would answer sooner")]
    TooSlow,
    /// It needed more memory than one question may use.
    #[error("the question needed more memory than one may use; a shorter date range or a smaller breakdown needs less")]
    TooLarge,
    /// Postgres does not answer.
    #[error("Postgres does not answer at the moment")]
    Store(#[source] Arc<PgError>),
    /// The store does not answer.
    #[error("ClickHouse does not answer at the moment")]
    Unavailable(#[source] Arc<ChError>),
    /// A mistake of ours.
    #[error("the question could not be answered; what went wrong was written to the log")]
    Failed(#[source] Arc<ChError>),
    /// There was no place for it in time.
    #[error(transparent)]
    Busy(#[from] Crowded),
    /// Somebody who may ended it.
    #[error("the question was cancelled")]
    Cancelled,
    /// Nobody waited for it, and the server ends.
    #[error("Tenrec was stopped before the question was answered")]
    Stopping,
    /// The answer was to be fetched later.
    #[error("the answer is too large to be kept until it is fetched; wait for it instead, with refresh blocking")]
    TooLargeToKeep,
    /// A mistake of ours that left nothing but a line in the log.
    #[error("the question could not be answered; what went wrong was written to the log")]
    Broken,
}

impl InsightError {
    /// Whether asking the same again may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Store(_) | Self::TooSlow | Self::Busy(_) | Self::Stopping)
    }
}

impl From<PgError> for InsightError {
    fn from(error: PgError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<ChError> for InsightError {
    fn from(error: ChError) -> Self {
        match error_code(&error) {
            Some(427) => InvalidQuery::new("properties", "a pattern is no regular expression that RE2 knows").into(),
            Some(159 | 160) => Self::TooSlow,
            Some(241 | 158 | 307 | 396) => Self::TooLarge,
            Some(_) => {
                tracing::error!(%error, "ClickHouse refused a question");
                Self::Failed(Arc::new(error))
            }
            None => {
                tracing::warn!(%error, "ClickHouse did not answer a question");
                Self::Unavailable(Arc::new(error))
            }
        }
    }
}
