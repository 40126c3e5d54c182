//! The well-known event properties that have a column of their own in ClickHouse.
//!
//! Everything an SDK sends on nearly every event (PROTOCOL §3.2) is typed here; what is not listed, or does not fit its
//! column's type, goes to the `properties` tail under its own key. The migration that makes the table names the same
//! columns; a test compares the two. A column is named as its property.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;
use serde_json::Value;

use super::value_kinds::ValueKinds;

/// Longer texts in a column of few different values would blow up its dictionary: they go to the tail.
const MAX_WORD_BYTES: usize = 1000;

/// How a property is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text of few different values: `LowCardinality(Nullable(String))`.
    Word,
    /// The same, where some senders write a number: kept as its JSON text. A text that reads as a number does not fit.
    WordOrNumber,
    /// Any text: `Nullable(String)`.
    Text,
    /// A whole number: `Nullable(Int32)`.
    Integer,
    /// Any number: `Nullable(Float64)`.
    Number,
    /// `Nullable(Bool)`.
    Flag,
}

/// One property with a column of its own.
#[derive(Debug, Clone, Copy)]
pub struct PropertyColumn {
    /// The property's key and the column's name.
    pub key: &'static str,
    pub kind: ColumnKind,
}

const fn column(key: &'static str, kind: ColumnKind) -> PropertyColumn {
    PropertyColumn { key, kind }
}

use ColumnKind::{Flag, Integer, Number, Text, Word, WordOrNumber};

/// Sorted by key.
pub const PROPERTY_COLUMNS: &[PropertyColumn] = &[
    column("$bot_class", Word),
    column("$bot_rule", Word),
    column("$bot_score", Integer),
    column("$browser", Word),
    column("$browser_language", Word),
    column("$browser_language_prefix", Word),
    column("$browser_version", WordOrNumber),
    column("$channel_type", Word),
    column("$config_defaults", Word),
    column("$configured_session_timeout_ms", Integer),
    column("$current_url", Text),
    column("$device", Word),
    column("$device_id", Text),
    column("$device_type", Word),
    column("$el_text", Text),
    column("$elements_chain", Text),
    column("$event_type", Word),
    column("$feature_flag", Word),
    column("$feature_flag_request_id", Text),
    column("$feature_flag_response", Word),
    column("$geoip_city_name", Word),
    column("$geoip_country_code", Word),
    column("$geoip_country_name", Word),
    column("$geoip_subdivision_1_name", Word),
    column("$group_0", Text),
    column("$group_1", Text),
    column("$group_2", Text),
    column("$group_3", Text),
    column("$group_4", Text),
    column("$host", Word),
    column("$initialization_time", Text),
    column("$insert_id", Text),
    column("$ip", Text),
    column("$is_identified", Flag),
    column("$lib", Word),
    column("$lib_custom_api_host", Word),
    column("$lib_rate_limit_remaining_tokens", Number),
    column("$lib_version", Word),
    column("$os", Word),
    column("$os_version", Word),
    column("$pageview_id", Text),
    column("$pathname", Text),
    column("$prev_pageview_duration", Number),
    column("$prev_pageview_max_scroll_percentage", Number),
    column("$prev_pageview_pathname", Text),
    column("$process_person_profile", Flag),
    column("$raw_user_agent", Text),
    column("$recording_status", Word),
    column("$referrer", Text),
    column("$referring_domain", Word),
    column("$screen_height", Integer),
    column("$screen_name", Word),
    column("$screen_width", Integer),
    column("$sdk_dist_channel", Word),
    column("$session_entry_host", Word),
    column("$session_entry_pathname", Text),
    column("$session_entry_referrer", Text),
    column("$session_entry_referring_domain", Word),
    column("$session_entry_url", Text),
    column("$session_id", Text),
    column("$time", Number),
    column("$timezone", Word),
    column("$timezone_offset", Integer),
    column("$user_id", Text),
    column("$viewport_height", Integer),
    column("$viewport_width", Integer),
    column("$window_id", Text),
    column("fbclid", Text),
    column("gclid", Text),
    column("title", Text),
    column("token", Word),
    column("utm_campaign", Word),
    column("utm_content", Word),
    column("utm_medium", Word),
    column("utm_source", Word),
    column("utm_term", Word),
];

/// Asked for each property of each event. The names are ours, so nobody can choose ones that collide.
static POSITIONS: LazyLock<HashMap<&str, usize, FixedState>> =
    LazyLock::new(|| PROPERTY_COLUMNS.iter().enumerate().map(|(at, column)| (column.key, at)).collect());

/// The column of a property, if it has one of its own.
#[must_use]
pub fn find(key: &str) -> Option<&'static PropertyColumn> {
    position(key).map(|at| &PROPERTY_COLUMNS[at])
}

/// Where in [`PROPERTY_COLUMNS`] a property stands, if it has a column of its own.
#[must_use]
pub fn position(key: &str) -> Option<usize> {
    POSITIONS.get(key).copied()
}

/// Whether a text is what JSON writes for some number, so that it would be read back as that number.
#[must_use]
pub fn is_number_text(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

impl ColumnKind {
    /// The ClickHouse type of such a column.
    #[must_use]
    pub const fn sql_type(self) -> &'static str {
        match self {
            Word | WordOrNumber => "LowCardinality(Nullable(String))",
            Text => "Nullable(String)",
            Integer => "Nullable(Int32)",
            Number => "Nullable(Float64)",
            Flag => "Nullable(Bool)",
        }
    }

    /// Whether a column of this kind can hold the value unchanged. If not, the tail holds it under its own key.
    #[must_use]
    pub fn fits(self, value: &Value) -> bool {
        match (self, value) {
            (Word, Value::String(text)) => text.len() <= MAX_WORD_BYTES,
            (WordOrNumber, Value::String(text)) => text.len() <= MAX_WORD_BYTES && !is_number_text(text),
            (Text, Value::String(_)) | (Flag, Value::Bool(_)) | (WordOrNumber, Value::Number(_)) => true,
            (Integer, value) => as_integer(value).is_some(),
            (Number, value) => as_number(value).is_some(),
            _ => false,
        }
    }
}

/// A whole number of 32 bits.
#[must_use]
pub fn as_integer(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|n| i32::try_from(n).ok())
}

/// A number that a double holds exactly as it was sent.
#[must_use]
pub fn as_number(value: &Value) -> Option<f64> {
    const EXACT: i64 = 1 << 53;
    match value.as_i64() {
        Some(n) => (-EXACT..=EXACT).contains(&n).then_some(n as f64),
        None if value.is_u64() => None,
        None => value.as_f64(),
    }
}

/// What the tail of an event holds under the key of a property with this value, if `column` is the key's own.
#[must_use]
pub fn kinds_in_tail(column: Option<ColumnKind>, value: &Value) -> ValueKinds {
    if column.is_some_and(|kind| kind.fits(value)) { ValueKinds::NONE } else { ValueKinds::of(value) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_sorted_for_the_search_and_unique() {
        assert!(PROPERTY_COLUMNS.windows(2).all(|pair| pair[0].key < pair[1].key));
        assert_eq!(find("$browser").map(|c| c.kind), Some(Word));
        assert!(find("plan").is_none());
    }

    #[test]
    fn the_table_has_these_columns_with_these_types() {
        let migrations = [
            include_str!("../../migrations/clickhouse/0001_events.sql"),
            include_str!("../../migrations/clickhouse/0004_bot_score.sql"),
            include_str!("../../migrations/clickhouse/0007_small_tails.sql"),
        ];
        for column in PROPERTY_COLUMNS {
            let line = format!("`{}` {}", column.key, column.kind.sql_type());
            assert!(migrations.iter().any(|migration| migration.contains(&line)), "no migration makes {line}");
        }
    }

    #[test]
    fn a_value_stands_in_its_column_only_if_nothing_is_lost() {
        let cases = [
            (Integer, json!(1080), true),
            (Integer, json!(1080.5), false),
            (Integer, json!(4_000_000_000_u64), false),
            (Number, json!(9_007_199_254_740_993_i64), false),
            (Number, json!(-1.5), true),
            (Number, json!("1"), false),
            (Word, json!("x".repeat(2000)), false),
            (WordOrNumber, json!(131), true),
            (WordOrNumber, json!("131.0.2"), true),
            (WordOrNumber, json!("131"), false),
            (WordOrNumber, json!(true), false),
            (Text, json!("x".repeat(2000)), true),
            (Text, json!(3), false),
            (Flag, json!(true), true),
            (Flag, json!("true"), false),
            (Text, json!(null), false),
        ];
        for (kind, value, expected) in cases {
            assert_eq!(kind.fits(&value), expected, "{kind:?} {value}");
        }
    }
}
