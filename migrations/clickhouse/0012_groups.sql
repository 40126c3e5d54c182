-- Groups as they are now: a mirror of Postgres' table for questions. The highest version counts.
CREATE TABLE IF NOT EXISTS groups
(
    project_id UInt32,
    type_index UInt8,
    key String CODEC(ZSTD(1)),
    created_at DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    properties JSON(max_dynamic_paths = 0),
    version UInt64,
    is_deleted Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project_id, type_index, key)
SETTINGS
    index_granularity = 1024,
    object_serialization_version = 'v3',
    object_shared_data_serialization_version = 'map_with_buckets',
    object_shared_data_serialization_version_for_zero_level_parts = 'map',
    fsync_after_insert = 1,
    fsync_part_directory = 1;
