//! People: the list, and one person with their events.

mod list;
mod show;

pub use list::get as get_list;
pub use show::{get_by_distinct_id, get_by_uuid};
