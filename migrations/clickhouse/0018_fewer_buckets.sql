-- A merge deals each row's paths out to the buckets that values share. Half as many in parts of a file each, and two in parts of
-- one file, are read as fast, and a merge of events that carry people costs a tenth to a fifth less; benches/RESULTS.md has the
-- figures. Older parts follow as they are merged.
ALTER TABLE events
    MODIFY SETTING object_shared_data_buckets_for_wide_part = 16, object_shared_data_buckets_for_compact_part = 2;
ALTER TABLE persons
    MODIFY SETTING object_shared_data_buckets_for_wide_part = 16, object_shared_data_buckets_for_compact_part = 2
