//! Why an insight has no answer.

use crate::model::query::InvalidQuery;
use crate::storage::ch::{ChError, error_code};
use crate::storage::pg::PgError;

/// Why an insight has no answer, in words for who asked.
#[derive(Debug, thiserror::Error)]
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
    Store(#[from] PgError),
    /// The store does not answer.
    #[error("ClickHouse does not answer at the moment")]
    Unavailable(#[source] ChError),
    /// A mistake of ours.
    #[error("the question could not be answered; what went wrong was written to the log")]
    Failed(#[source] ChError),
}

impl InsightError {
    /// Whether asking the same again may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Store(_) | Self::TooSlow)
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
                Self::Failed(error)
            }
            None => {
                tracing::warn!(%error, "ClickHouse did not answer a question");
                Self::Unavailable(error)
            }
        }
    }
}
