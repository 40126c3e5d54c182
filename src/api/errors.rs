//! Answers to calls that no route takes.

use crate::http::{ApiError, Cause};

/// The answer to a path below `/api/` that nothing is at.
pub async fn not_found() -> ApiError {
    Cause::NotFound.into()
}
