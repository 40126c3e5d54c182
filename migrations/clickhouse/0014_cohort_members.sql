-- Who was put into a static cohort, by number: who that is after merges is looked up when it is asked, so that a merge carries
-- membership and its undoing gives it back. The highest version counts. Nothing of this stands in Postgres.
CREATE TABLE IF NOT EXISTS cohort_members
(
    project_id UInt32,
    cohort_id UInt64,
    person UInt64,
    version UInt64,
    is_deleted Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project_id, cohort_id, person)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
