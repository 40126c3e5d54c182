//! ClickHouse: raw events and what is asked of them. The same client speaks to a server and to the embedded engine.

mod answer;
mod broken_parts;
mod client;
mod events_find;
mod events_insert;
mod events_read;
mod events_record;
mod failure;
mod filters;
mod json_text;
mod migrate;
mod overrides;
mod row_binary;
mod sessions;
mod sessions_read;
mod sessions_sql;
mod sql;
mod trends;
mod unix;
mod values;

pub use answer::Cost;
pub use client::{ChError, ClickHouse, ClickHouseAddress, InvalidClickHouseUrl};
pub use events_insert::{EventBlock, EventRow, StoredEvent, event_blocks, fits, partition};
pub use events_read::{EventCursor, EventFilter, EventPage, EventSlice, EventSpan};
pub use events_record::{EventRecord, Wanted};
pub use failure::{blames_data, error_code};
pub use json_text::original_key;
pub use migrate::ChMigrateError;
pub use overrides::PersonOverride;
pub use sessions::{SessionKey, StoredSession};
pub use sessions_read::{SessionCursor, SessionFilter, SessionPage, SessionRecord, SessionSlice, Visitors};
pub use sessions_sql::{SessionScope, sessions_sql};
pub use sql::{Param, Sql};
pub use trends::{TrendPoint, TrendQuestion, trend_sql};
pub use unix::UnixConnector;
pub use values::values_sql;
