//! Paths: what people do one after another.
//!
//! What each did is kept in one list. The list is cut into sittings, repetitions are one, and what is left are steps.

mod edges;
mod question;
mod sittings;
mod spans;

pub use edges::{HashedEdge, PathEdge, PathItem, named_path_edges_sql, path_edges_sql, path_items_sql};
pub use question::{EdgesShown, PathEnds, PathKeys, PathNames, PathsQuestion};
pub use sittings::paths_people_sql;
pub use spans::{SpanOfPerson, spans_sql};
