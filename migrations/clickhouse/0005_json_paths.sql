-- Most of what an insert cost was the files of JSON paths: one for each key, in each part. A few frequent keys of the tail
-- keep files of their own; the rest, and all that stands of a person on an event, shares some in buckets, where one key is
-- found without reading all. benches/RESULTS.md has the figures.
ALTER TABLE events
    MODIFY COLUMN properties JSON(max_dynamic_paths = 16),
    MODIFY COLUMN person_properties JSON(max_dynamic_paths = 0),
    MODIFY SETTING
        object_serialization_version = 'v3',
        object_shared_data_serialization_version = 'map_with_buckets',
        object_shared_data_serialization_version_for_zero_level_parts = 'map'
SETTINGS mutations_sync = 2
