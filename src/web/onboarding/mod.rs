//! From a new project to its first events.

mod page;
mod snippet;

pub use page::{get, poll};
pub use snippet::Snippets;
