-- Which person ids on event rows have become another person: written when an id without profile is identified and when
-- two people are merged. Postgres holds the truth (person_overrides there); this is its mirror for queries.
CREATE TABLE IF NOT EXISTS person_overrides
(
    project_id UInt32,
    from_id UInt64,
    into_id UInt64,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project_id, from_id)
SETTINGS index_granularity = 512, fsync_after_insert = 1, fsync_part_directory = 1;
