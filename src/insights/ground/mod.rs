//! What every kind of insight stands on.
//!
//! [`Ground`] is read first: what holds for all of a question's events. [`SeriesNode`] is one thing that is counted: an event
//! or an action, with its filters. [`EventRows`] are the events of both as rows of an inner statement, with the columns that
//! the kind needs; the statement around it counts them, and stands with its kind in [`crate::storage::ch`]. A [`SplitValue`] is
//! what they are broken down by.

mod actor;
mod answered;
mod bins;
mod cohorts;
mod common;
mod event_rows;
mod path_cleaning;
mod previous;
mod series_node;
mod split_value;
mod weekdays;

pub use actor::Actor;
pub use answered::Answered;
pub use bins::Extremes;
pub use cohorts::CohortPart;
pub use common::Ground;
pub use event_rows::EventRows;
use path_cleaning::cleaned_path;
pub use path_cleaning::path_rules;
pub use previous::previous_range;
pub use series_node::{Entity, SeriesNode, action_json};
pub use split_value::{SplitReader, SplitValue, extremes};
pub use weekdays::Weekdays;
