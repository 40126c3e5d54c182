//! People: the list and its file, and one person with their properties and events.

mod export;
mod facts;
mod list;
mod properties;
mod show;
mod state;
mod timeline;

pub use export::get as get_export;
pub use facts::{Missing, get_by_distinct_id as get_facts_by_distinct_id, get_by_uuid as get_facts_by_uuid};
pub use list::{Moment, get as get_list, initial};
pub use properties::{
    EditForm, Properties, PropertyFields, delete as delete_property, get as get_properties, post as post_property,
};
pub use show::{get_by_distinct_id, get_by_uuid};
