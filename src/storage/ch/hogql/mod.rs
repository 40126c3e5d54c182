//! The query language ([`crate::sql`]) printed for ClickHouse.
//!
//! [`compile`] takes a tree and gives a statement. Whatever stands in a question, its statement holds only text of ours:
//!
//! - tables, columns and functions come from lists here; what is not on them is refused by name, with its place;
//! - every name that a question gives (of a column, a table, a lambda's argument) is printed as a number, `a3`, `t0`;
//! - every value is a parameter, or where there are too many, digits or hex digits.
//!
//! **A table is only ever printed by [`tables`], with its project in it**, so no question can leave the project out.
//! Comparisons answer true or false, never null, as the language has it.

mod call;
mod cohort_tables;
mod compare;
mod compile;
mod days;
mod expr;
mod fields;
mod functions;
mod group_tables;
mod json;
mod level;
mod moments;
mod named;
mod run;
mod select;
mod sources;
mod special;
mod tables;
mod value;
mod window;

pub use compile::{ActorsBehind, ColumnName, CompiledQuery, LimitRule, QueryScope, Said, compile, compile_named};
pub use fields::{EVENT_FILTERS, SESSION_FILTERS};
pub use functions::{has_aggregate, listed_functions};
pub use json::{PropertyFacts, PropertyType};
pub use named::Named;
pub use run::{SqlRows, SqlStream};

#[cfg(test)]
mod tests;
