-- Raw events, one row each, as they were when they happened.
--
-- The sort key puts one event name of one day together and, inside, one person's rows side by side: trends read few
-- granules, unique counts and funnels read sorted runs. ReplacingMergeTree collapses rows only if the whole key is
-- equal; that an event counts once rests on the pipeline's look-up by uuid, not on merges.
--
-- person_id is dense (Postgres' number) or, with the top bit set, the hash of an id that never got a profile;
-- person_overrides says which of them have become one. inserted_by names the spool batch that wrote the row: a batch
-- that is repeated after a crash recognises its own rows by it.
CREATE TABLE IF NOT EXISTS events
(
    project_id UInt32,
    event LowCardinality(String),
    timestamp DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    person_id UInt64 CODEC(ZSTD(1)),
    uuid UUID CODEC(ZSTD(1)),
    distinct_id String CODEC(ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    inserted_by UInt64 CODEC(ZSTD(1)),
    `$bot_class` LowCardinality(Nullable(String)),
    `$bot_rule` LowCardinality(Nullable(String)),
    `$browser` LowCardinality(Nullable(String)),
    `$browser_language` LowCardinality(Nullable(String)),
    `$browser_version` LowCardinality(Nullable(String)),
    `$channel_type` LowCardinality(Nullable(String)),
    `$current_url` Nullable(String) CODEC(ZSTD(1)),
    `$device` LowCardinality(Nullable(String)),
    `$device_id` Nullable(String) CODEC(ZSTD(1)),
    `$device_type` LowCardinality(Nullable(String)),
    `$el_text` Nullable(String) CODEC(ZSTD(1)),
    `$elements_chain` Nullable(String) CODEC(ZSTD(1)),
    `$event_type` LowCardinality(Nullable(String)),
    `$feature_flag` LowCardinality(Nullable(String)),
    `$feature_flag_response` LowCardinality(Nullable(String)),
    `$geoip_city_name` LowCardinality(Nullable(String)),
    `$geoip_country_code` LowCardinality(Nullable(String)),
    `$geoip_country_name` LowCardinality(Nullable(String)),
    `$geoip_subdivision_1_name` LowCardinality(Nullable(String)),
    `$group_0` Nullable(String) CODEC(ZSTD(1)),
    `$group_1` Nullable(String) CODEC(ZSTD(1)),
    `$group_2` Nullable(String) CODEC(ZSTD(1)),
    `$group_3` Nullable(String) CODEC(ZSTD(1)),
    `$group_4` Nullable(String) CODEC(ZSTD(1)),
    `$host` LowCardinality(Nullable(String)),
    `$ip` Nullable(String) CODEC(ZSTD(1)),
    `$is_identified` Nullable(Bool),
    `$lib` LowCardinality(Nullable(String)),
    `$lib_version` LowCardinality(Nullable(String)),
    `$os` LowCardinality(Nullable(String)),
    `$os_version` LowCardinality(Nullable(String)),
    `$pageview_id` Nullable(String) CODEC(ZSTD(1)),
    `$pathname` Nullable(String) CODEC(ZSTD(1)),
    `$prev_pageview_duration` Nullable(Float64) CODEC(ZSTD(1)),
    `$prev_pageview_max_scroll_percentage` Nullable(Float64) CODEC(ZSTD(1)),
    `$prev_pageview_pathname` Nullable(String) CODEC(ZSTD(1)),
    `$process_person_profile` Nullable(Bool),
    `$raw_user_agent` Nullable(String) CODEC(ZSTD(1)),
    `$referrer` Nullable(String) CODEC(ZSTD(1)),
    `$referring_domain` LowCardinality(Nullable(String)),
    `$screen_height` Nullable(Int32) CODEC(ZSTD(1)),
    `$screen_name` LowCardinality(Nullable(String)),
    `$screen_width` Nullable(Int32) CODEC(ZSTD(1)),
    `$session_id` Nullable(String) CODEC(ZSTD(1)),
    `$timezone` LowCardinality(Nullable(String)),
    `$user_id` Nullable(String) CODEC(ZSTD(1)),
    `$viewport_height` Nullable(Int32) CODEC(ZSTD(1)),
    `$viewport_width` Nullable(Int32) CODEC(ZSTD(1)),
    `$window_id` Nullable(String) CODEC(ZSTD(1)),
    `fbclid` Nullable(String) CODEC(ZSTD(1)),
    `gclid` Nullable(String) CODEC(ZSTD(1)),
    `title` Nullable(String) CODEC(ZSTD(1)),
    `utm_campaign` LowCardinality(Nullable(String)),
    `utm_content` LowCardinality(Nullable(String)),
    `utm_medium` LowCardinality(Nullable(String)),
    `utm_source` LowCardinality(Nullable(String)),
    `utm_term` LowCardinality(Nullable(String)),
    properties JSON(max_dynamic_paths = 256),
    person_properties JSON(max_dynamic_paths = 128),
    INDEX uuid_bloom uuid TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX received received_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (project_id, event, toDate(timestamp), person_id, timestamp, uuid)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
