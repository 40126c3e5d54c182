-- How a person first came: the channel, and the kind of site. Worked out when a person is mirrored, by the same rules as an
-- event's channel.
ALTER TABLE persons
    ADD COLUMN IF NOT EXISTS initial_channel_type LowCardinality(String) AFTER is_identified,
    ADD COLUMN IF NOT EXISTS initial_referring_domain_type LowCardinality(String) AFTER initial_channel_type
