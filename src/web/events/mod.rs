//! The event explorer, one event, and the live page.

mod cells;
mod columns;
mod detail;
mod event;
mod explorer;
mod form;
mod live;
mod pages;
mod range;
mod state;

pub use cells::{Cell, EventTable, Line, event_href, event_label, path_segment, person_href, time_text, web_address};
pub use columns::Column;
pub use detail::{EventDetail, PropertyLine, property_lines};
pub use event::get as get_detail;
pub use explorer::get;
pub use form::{Chip, Preset};
pub use live::{get as get_live, poll as poll_live};
pub use pages::{EventsPage, EventsPager, EventsPlace};
pub use range::{PRESETS, Range};
pub use state::{FilterLine, conditions, cursor_text, filters, read_cursor};

use crate::http::Cause;
use crate::insights::explore::ExploreError;
use crate::storage::ch::ChError;

impl From<ExploreError> for Cause {
    fn from(error: ExploreError) -> Self {
        match error {
            ExploreError::Pg(error) => error.into(),
            ExploreError::Ch(error @ (ChError::Network(_) | ChError::TimedOut)) => Self::Unavailable(Box::new(error)),
            ExploreError::Ch(error) => Self::Internal(Box::new(error)),
        }
    }
}
