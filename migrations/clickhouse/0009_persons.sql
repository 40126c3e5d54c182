-- People as they are now: a mirror of Postgres' table for questions. The highest version counts; number is what stands on
-- event rows, uuid what the API shows.
CREATE TABLE IF NOT EXISTS persons
(
    project_id UInt32,
    number UInt64,
    uuid UUID,
    created_at DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    is_identified Bool,
    properties JSON(max_dynamic_paths = 0),
    version UInt64,
    is_deleted Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project_id, number)
SETTINGS
    index_granularity = 1024,
    object_serialization_version = 'v3',
    object_shared_data_serialization_version = 'map_with_buckets',
    object_shared_data_serialization_version_for_zero_level_parts = 'map',
    fsync_after_insert = 1,
    fsync_part_directory = 1;
