//! Who is whom, by hand: the merges of a person and undoing them, merging two people, and people who may be one.

mod duplicates;
mod merge;
mod part;
mod section;

pub use duplicates::{
    get as get_duplicates, get_merge as get_merge_all, merge as merge_all, search as search_duplicates,
};
pub use merge::{get as get_merge, post as merge};
pub use part::{get_split, get_undo, split, undo};
pub use section::MergeSection;

use crate::http::{Cause, WebError};
use crate::identity::HandError;

/// What cannot be done is at odds with what is stored.
fn refused(error: HandError) -> WebError {
    match error {
        HandError::Postgres(error) => error.into(),
        other => Cause::Conflict(other.sentence()).into(),
    }
}
