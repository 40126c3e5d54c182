//! Questions in the query language, and what is asked by way of it: lists of events and of people.
//!
//! [`filters`] turns property filters of the API into values of the language, each by its operator ([`operators`]);
//! [`Asked`] compiles a question, asks it and shapes the rows.

mod actors;
mod ask;
mod dates;
mod events;
mod filters;
mod hogql;
mod operators;
mod versions;

pub(in crate::insights) use actors::actor_conditions;
pub use actors::run_actors;
pub use ask::{Asked, PropertyTypes, Question, insight_error, sql_error};
pub(in crate::insights) use ask::{prepare, statement};
pub use dates::date_filter;
pub use events::run_events;
pub(in crate::insights) use events::{from_table, without_name};
pub use filters::{FilterTarget, filters_to_expr};
pub(in crate::insights) use filters::{
    call, compare, field, group_field, joined, made, not, number, person_field, text,
};
pub(in crate::insights) use hogql::hogql_people;
pub use hogql::{export_csv, run_hogql};
