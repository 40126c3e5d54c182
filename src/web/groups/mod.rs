//! Groups: the list of each type, and one group with its people and events.

mod activity;
mod list;
mod properties;
mod show;

pub use activity::get as get_activity;
pub use list::{get as get_list, get_first};
pub use properties::{delete as delete_property, post as post_property};
pub use show::get as get_one;

use crate::model::ProjectId;
use crate::storage::pg::GroupTypeRow;

/// A group type as a tab.
#[derive(Debug)]
struct TypeTab {
    name: String,
    href: String,
    is_current: bool,
}

/// The list of a type.
fn type_href(project: ProjectId, index: i16) -> String {
    format!("/project/{project}/groups/{index}")
}

fn type_tabs(project: ProjectId, types: &[GroupTypeRow], current: i16) -> Vec<TypeTab> {
    let tab = |one: &GroupTypeRow| TypeTab {
        name: one.name.clone(),
        href: type_href(project, one.index),
        is_current: one.index == current,
    };
    types.iter().map(tab).collect()
}
