//! Why an insight has no answer, as a cause.

use super::Cause;
use crate::insights::InsightError;

impl From<InsightError> for Cause {
    fn from(error: InsightError) -> Self {
        match error {
            InsightError::Invalid(wrong) => {
                Self::Invalid { detail: format!("{wrong}."), field: Some(wrong.field.into()) }
            }
            InsightError::Unavailable(error) => Self::Unavailable(error.into()),
            InsightError::Store(error) => error.into(),
            error @ InsightError::TooSlow => Self::TooSlow(sentence(&error)),
            error @ InsightError::TooLarge => Self::TooHeavy(sentence(&error)),
            error @ InsightError::Failed(_) => Self::Internal(error.into()),
        }
    }
}

/// A message of ours as a sentence.
fn sentence(error: &InsightError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
