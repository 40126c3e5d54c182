//! ClickHouse: raw events and what is asked of them. The same client speaks to a server and to the embedded engine.

mod answer;
mod broken_parts;
mod buckets;
mod client;
mod erase;
mod events_block;
mod events_find;
mod events_insert;
mod events_read;
mod events_record;
mod export;
mod failure;
mod filters;
mod group_events;
pub mod hogql;
mod inserts_running;
mod json_text;
mod lifecycle;
mod merges;
mod migrate;
mod native;
mod overrides;
mod person_events;
mod persons_mirror;
mod retention;
mod row_binary;
mod sessions;
mod sessions_read;
mod sessions_sql;
mod sql;
mod stickiness;
mod trends;
mod unix;
mod values;

pub use answer::Cost;
pub use buckets::{bucket_index, bucket_key};
pub use client::{ChError, ClickHouse, ClickHouseAddress, InvalidClickHouseUrl};
pub use erase::{ErasedRows, ErasedTable, text_hash};
pub use events_block::{EventBlock, EventRow, event_blocks, fits, partition};
pub use events_insert::StoredEvent;
pub use events_read::{EventCursor, EventFilter, EventPage, EventSlice, EventSpan};
pub use events_record::{EventRecord, Wanted};
pub use export::ExportedLines;
pub use failure::{blames_data, comes_too_late, error_code};
pub use group_events::{GroupActivity, GroupPerson};
pub use inserts_running::InsertsRunning;
pub use json_text::original_key;
pub use lifecycle::{LifecyclePoint, LifecycleQuestion, lifecycle_people_sql, lifecycle_sql};
pub use merges::Counted;
pub use migrate::ChMigrateError;
pub use overrides::PersonOverride;
pub use person_events::{Carried, CopiedFrom, PropertySource, SetBy};
pub use persons_mirror::{MirroredDistinctId, MirroredPerson, MirroredState};
pub use retention::{Begins, RetentionPoint, RetentionQuestion, retention_people_sql, retention_sql};
pub use sessions::{SessionKey, StoredSession};
pub use sessions_read::{SessionCursor, SessionFilter, SessionPage, SessionRecord, SessionSlice, Visitors};
pub use sessions_sql::{SessionScope, sessions_sql};
pub use sql::{Param, Sql};
pub use stickiness::{CountIs, StickinessPoint, StickinessQuestion, stickiness_people_sql, stickiness_sql};
pub use trends::{
    Extremes, MISSING, Split, Statistic, TrendCount, TrendPoint, TrendQuestion, ValuesAre, extremes_sql,
    trend_people_sql, trend_sql,
};
pub use unix::UnixConnector;
pub use values::values_sql;
