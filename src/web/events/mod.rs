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

use crate::http::{AppState, Cause};
use crate::insights::explore::{ExploreError, unless_away};
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

/// What was read of the events, or that they cannot be read now; the latter is said within seconds, also where ClickHouse hangs.
///
/// # Errors
/// As `read` does; [`Cause::Unavailable`] if ClickHouse is away.
pub async fn answered<T>(state: &AppState, read: impl Future<Output = Result<T, ExploreError>>) -> Result<T, Cause> {
    unless_away(&state.ch, read).await?.ok_or_else(clickhouse_is_away)
}

/// Why a page that is nothing without events is not shown.
#[must_use]
pub fn clickhouse_is_away() -> Cause {
    Cause::Unavailable("ClickHouse does not answer".into())
}
