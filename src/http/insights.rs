//! Why an insight has no answer, as a cause.

use super::Cause;
use crate::insights::InsightError;
use crate::insights::running::Crowded;
use crate::storage::pg::is_unavailable;

impl From<InsightError> for Cause {
    fn from(error: InsightError) -> Self {
        match error {
            InsightError::Invalid(wrong) => {
                Self::Invalid { detail: format!("{wrong}."), field: Some(wrong.field.into()) }
            }
            InsightError::Unavailable(error) => Self::Unavailable(error.into()),
            InsightError::Store(error) if is_unavailable(&error) => Self::Unavailable(error.into()),
            InsightError::Store(error) => Self::Internal(error.into()),
            error @ InsightError::TooSlow => Self::TooSlow(sentence(&error)),
            error @ InsightError::TooLarge => Self::TooHeavy(sentence(&error)),
            error @ (InsightError::Failed(_) | InsightError::Broken) => Self::Internal(error.into()),
            InsightError::Busy(crowded) => {
                let is_own = !matches!(crowded, Crowded::ByAll(_));
                Self::Crowded { detail: sentence(&error), is_own }
            }
            InsightError::Cancelled | InsightError::TooLargeToKeep => Self::Conflict(sentence(&error)),
            InsightError::Stopping => Self::Unavailable(error.into()),
        }
    }
}

/// A message of ours as a sentence.
fn sentence(error: &InsightError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
