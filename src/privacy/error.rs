//! What can keep a request of privacy from being answered.

use crate::identity::IdentityError;
use crate::storage::ch::ChError;
use crate::storage::pg::PgError;

/// Why something could not be done; doing it again is always harmless.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    #[error("postgres: {0}")]
    Postgres(#[from] PgError),
    #[error("clickhouse: {0}")]
    ClickHouse(#[from] ChError),
    #[error("the disk: {0}")]
    Disk(#[from] std::io::Error),
    /// A key or a note of ours cannot be read.
    #[error("{0}")]
    Damaged(&'static str),
}

impl From<IdentityError> for PrivacyError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Postgres(error) => Self::Postgres(error),
            IdentityError::ClickHouse(error) => Self::ClickHouse(error),
        }
    }
}
