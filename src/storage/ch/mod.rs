//! ClickHouse: raw events and what is asked of them. The same client speaks to a server and to the embedded engine.

mod answer;
mod away;
mod broken_parts;
mod buckets;
mod client;
mod cohort_members;
mod days;
mod erase;
mod events_block;
mod events_find;
mod events_insert;
mod events_read;
mod events_record;
mod export;
mod failure;
mod filters;
mod funnels;
mod group_events;
mod groups_mirror;
pub mod hogql;
mod inserts_running;
mod json_binary;
mod json_block;
mod json_keys;
mod lifecycle;
mod merges;
mod migrate;
mod mirror_block;
mod mutations;
mod native;
mod native_read;
mod overrides;
mod paths;
mod person_events;
mod persons_mirror;
mod quarter_hours;
mod retention;
mod row_binary;
mod sessions;
mod sessions_read;
mod sessions_sql;
mod settling;
mod sql;
mod stickiness;
mod trends;
mod unix;
mod values;
mod web;
mod web_goals;
mod web_keys;
mod web_pages;
mod web_table;

pub use answer::Cost;
pub use buckets::{bucket_index, bucket_key};
pub use client::{ChError, ClickHouse, ClickHouseAddress, InvalidClickHouseUrl};
pub use erase::{ErasedRows, ErasedTable, text_hash};
pub use events_block::{EventBlock, EventRow, event_blocks, partition};
pub use events_insert::StoredEvent;
pub use events_read::{EventCursor, EventFilter, EventPage, EventSlice, EventSpan};
pub use events_record::{EventRecord, Wanted};
pub use export::ExportedLines;
pub use failure::{blames_data, comes_too_late, error_code};
pub use funnels::{FunnelActors, FunnelBlock, FunnelQuestion, funnel_firsts_sql, funnel_sql, numbers_sql, texts_sql};
pub use group_events::{GroupActivity, GroupPerson};
pub use groups_mirror::MirroredGroup;
pub use inserts_running::InsertsRunning;
pub use json_keys::original_key;
pub use lifecycle::{LifecyclePoint, LifecycleQuestion, lifecycle_people_sql, lifecycle_sql};
pub use merges::Counted;
pub use migrate::ChMigrateError;
pub use mutations::LastMutations;
pub use native_read::{Numbers, Texts};
pub use overrides::PersonOverride;
pub use paths::{
    EdgesShown, HashedEdge, PathEdge, PathEnds, PathItem, PathKeys, PathNames, PathsQuestion, SpanOfPerson,
    named_path_edges_sql, path_edges_sql, path_items_sql, paths_people_sql, spans_sql,
};
pub use person_events::{Carried, CopiedFrom, GROUPS_WITHIN, MOST_GROUPS, PropertySource, SetBy};
pub use persons_mirror::{MirroredDistinctId, MirroredPerson, MirroredState};
pub use retention::{
    Begins, RetentionPoint, RetentionQuestion, ValueOf, retention_others, retention_people_sql, retention_sql,
};
pub use sessions::{SessionKey, StoredSession};
pub use sessions_read::{SessionCursor, SessionFilter, SessionPage, SessionRecord, SessionSlice, Visitors};
pub use sessions_sql::{SessionScope, sessions_sql};
pub use settling::Unsettled;
pub use sql::{Param, Sql};
pub use stickiness::{CountIs, StickinessPoint, StickinessQuestion, stickiness_people_sql, stickiness_sql};
pub use trends::{
    Extremes, MISSING, Split, Statistic, TrendCount, TrendPoint, TrendQuestion, ValuesAre, extremes_sql,
    trend_others_sql, trend_people_sql, trend_sql,
};
pub use unix::UnixConnector;
pub use values::values_sql;
pub use web::{Stretch, Stretches, WebNumbers, WebVisits, web_overview_sql};
pub use web_goals::{WebGoals, web_goals_sql};
pub use web_keys::{PathRule, WebKeys, WebNones, WebSessionKey};
pub use web_pages::PageParts;
pub use web_table::{WebMetric, WebRow, WebTable, web_table_sql};
