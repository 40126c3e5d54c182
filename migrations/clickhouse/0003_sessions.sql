-- Sessions: what each node of Tenrec knows of one.
--
-- A row is a partial: it folds exactly the events that one node (one spool) stored, so that several nodes may work on one
-- session without knowing of each other. The highest version counts; it is the number of the last spool frame that went in,
-- so a batch that is repeated after a crash sees that it is in already. Partials are put together by a query: all of them
-- are minima, maxima, sums and small sets, in any order. The ties (from the events' uuids) decide between events of one
-- moment.
--
-- Ids of version 7 sort by time as text, so rows of one time lie together and the index of first_at leaves out the rest. It
-- may differ from the time in the id (clocks, imports, ids of the caller's own), so nothing relies on that. There are no
-- partitions: a row must stay where it is when an earlier event arrives, and an id may claim any month.
CREATE TABLE IF NOT EXISTS sessions
(
    project_id UInt32,
    session_id String CODEC(ZSTD(1)),
    node UUID,
    version UInt64 CODEC(ZSTD(1)),
    first_at DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    first_tie UInt64 CODEC(ZSTD(1)),
    first_distinct_id String CODEC(ZSTD(1)),
    last_at DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    last_tie UInt64 CODEC(ZSTD(1)),
    last_person_id UInt64 CODEC(ZSTD(1)),
    events UInt64 CODEC(ZSTD(1)),
    pageviews UInt64 CODEC(ZSTD(1)),
    screens UInt64 CODEC(ZSTD(1)),
    autocaptures UInt64 CODEC(ZSTD(1)),
    -- The smallest hashes of its pages' addresses: a set of bounded size that comes out the same in any order.
    url_hashes Array(UInt64) CODEC(ZSTD(1)),
    -- The entry is the first view of a page or screen (rank 0), or the first event if there is no view (rank 1).
    entry_rank UInt8,
    entry_at DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    entry_tie UInt64 CODEC(ZSTD(1)),
    entry_url Nullable(String) CODEC(ZSTD(1)),
    entry_pathname Nullable(String) CODEC(ZSTD(1)),
    entry_host LowCardinality(Nullable(String)),
    entry_title Nullable(String) CODEC(ZSTD(1)),
    entry_screen LowCardinality(Nullable(String)),
    referrer Nullable(String) CODEC(ZSTD(1)),
    referring_domain LowCardinality(Nullable(String)),
    utm_source LowCardinality(Nullable(String)),
    utm_medium LowCardinality(Nullable(String)),
    utm_campaign LowCardinality(Nullable(String)),
    utm_content LowCardinality(Nullable(String)),
    utm_term LowCardinality(Nullable(String)),
    channel_type LowCardinality(Nullable(String)),
    device_type LowCardinality(Nullable(String)),
    browser LowCardinality(Nullable(String)),
    os LowCardinality(Nullable(String)),
    country_code LowCardinality(Nullable(String)),
    country_name LowCardinality(Nullable(String)),
    region LowCardinality(Nullable(String)),
    city LowCardinality(Nullable(String)),
    language LowCardinality(Nullable(String)),
    timezone LowCardinality(Nullable(String)),
    lib LowCardinality(Nullable(String)),
    bot_class LowCardinality(Nullable(String)),
    bot_rule LowCardinality(Nullable(String)),
    click_ids Map(String, String) CODEC(ZSTD(1)),
    -- The last view; says nothing if there is none.
    exit_at DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    exit_tie UInt64 CODEC(ZSTD(1)),
    exit_url Nullable(String) CODEC(ZSTD(1)),
    exit_pathname Nullable(String) CODEC(ZSTD(1)),
    exit_host LowCardinality(Nullable(String)),
    exit_screen LowCardinality(Nullable(String)),
    INDEX first first_at TYPE minmax GRANULARITY 1,
    INDEX person last_person_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project_id, session_id, node)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
