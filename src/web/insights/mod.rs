//! Insights: the list, the editor, what its buttons do, and values to choose from.

mod actions;
mod chart;
mod editor;
mod form;
mod list;
mod result;
mod values;

pub use actions::{add_to_home, create, delete, duplicate, update};
pub use chart::{BigNumber, Chart, Column, Figure, Line, grouped};
pub use editor::{get as get_saved, get_new};
pub use form::{EditorForm, FilterRow, SeriesRow};
pub use list::get as get_list;
pub use result::{Outcome, ResultView};
pub use values::get as get_values;
