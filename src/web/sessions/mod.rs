//! Sessions: the list, and one session with its events in order.

mod list;
mod show;
mod state;
mod words;

pub use list::get as get_list;
pub use show::get as get_one;
pub use words::{duration_text, session_href};
