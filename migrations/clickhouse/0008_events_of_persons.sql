-- One person's events lie spread over all names and days. The sort key leaves out most granules where a name's day fills
-- many; this leaves out those where it fills one or two. Parts that are there already get it when they are merged.
ALTER TABLE events ADD INDEX IF NOT EXISTS person_bloom person_id TYPE bloom_filter(0.01) GRANULARITY 1
