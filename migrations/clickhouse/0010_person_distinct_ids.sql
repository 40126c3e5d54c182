-- Whose each distinct id is now: a mirror of Postgres' table for questions. The highest version counts.
CREATE TABLE IF NOT EXISTS person_distinct_ids
(
    project_id UInt32,
    distinct_id String CODEC(ZSTD(1)),
    person UInt64,
    version UInt64,
    is_deleted Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project_id, distinct_id)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
