//! Why something about accounts could not be done.

use crate::storage::pg::PgError;

/// A failure that is nobody's input.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Postgres does not answer, or a statement failed.
    #[error("could not reach the accounts in Postgres")]
    Store(#[from] PgError),
    /// More passwords wait to be hashed than the processor can do in time.
    #[error("too many passwords are being checked at once")]
    Busy,
    /// The hash in the store, or the system's random source, is broken.
    #[error("could not hash or check a password: {0}")]
    Hash(String),
}
