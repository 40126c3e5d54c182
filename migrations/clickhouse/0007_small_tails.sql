-- What browsers send with nearly every event gets columns of its own: as keys of the tail it took 24 bytes an event more. The
-- rest of the tail is packed better, and what an insert writes is one file instead of hundreds: only parts of some hundred
-- thousand rows have a file for each column. benches/RESULTS.md has the figures.
--
-- Inserts bring the JSON as text, in columns that only exist while they run: a default reads it with the insert's own
-- settings, which a text in place of the JSON itself is not read with.
--
-- Most moments are whole milliseconds, so what they have in common (GCD) is a thousand of the column's microseconds.
ALTER TABLE events
    ADD COLUMN IF NOT EXISTS `$browser_language_prefix` LowCardinality(Nullable(String)) AFTER `$browser_language`,
    ADD COLUMN IF NOT EXISTS `$config_defaults` LowCardinality(Nullable(String)) AFTER `$channel_type`,
    ADD COLUMN IF NOT EXISTS `$configured_session_timeout_ms` Nullable(Int32) CODEC(ZSTD(1)) AFTER `$config_defaults`,
    ADD COLUMN IF NOT EXISTS `$feature_flag_request_id` Nullable(String) CODEC(ZSTD(1)) AFTER `$feature_flag`,
    ADD COLUMN IF NOT EXISTS `$initialization_time` Nullable(String) CODEC(ZSTD(1)) AFTER `$host`,
    ADD COLUMN IF NOT EXISTS `$insert_id` Nullable(String) CODEC(ZSTD(1)) AFTER `$initialization_time`,
    ADD COLUMN IF NOT EXISTS `$lib_custom_api_host` LowCardinality(Nullable(String)) AFTER `$lib`,
    ADD COLUMN IF NOT EXISTS `$lib_rate_limit_remaining_tokens` Nullable(Float64) CODEC(ZSTD(1)) AFTER `$lib_custom_api_host`,
    ADD COLUMN IF NOT EXISTS `$recording_status` LowCardinality(Nullable(String)) AFTER `$raw_user_agent`,
    ADD COLUMN IF NOT EXISTS `$sdk_dist_channel` LowCardinality(Nullable(String)) AFTER `$screen_width`,
    ADD COLUMN IF NOT EXISTS `$session_entry_host` LowCardinality(Nullable(String)) AFTER `$sdk_dist_channel`,
    ADD COLUMN IF NOT EXISTS `$session_entry_pathname` Nullable(String) CODEC(ZSTD(1)) AFTER `$session_entry_host`,
    ADD COLUMN IF NOT EXISTS `$session_entry_referrer` Nullable(String) CODEC(ZSTD(1)) AFTER `$session_entry_pathname`,
    ADD COLUMN IF NOT EXISTS `$session_entry_referring_domain` LowCardinality(Nullable(String)) AFTER `$session_entry_referrer`,
    ADD COLUMN IF NOT EXISTS `$session_entry_url` Nullable(String) CODEC(ZSTD(1)) AFTER `$session_entry_referring_domain`,
    ADD COLUMN IF NOT EXISTS `$time` Nullable(Float64) CODEC(FPC, ZSTD(1)) AFTER `$session_id`,
    ADD COLUMN IF NOT EXISTS `$timezone_offset` Nullable(Int32) CODEC(ZSTD(1)) AFTER `$timezone`,
    ADD COLUMN IF NOT EXISTS `token` LowCardinality(Nullable(String)) AFTER `title`,
    ADD COLUMN IF NOT EXISTS properties_json String EPHEMERAL '{}',
    ADD COLUMN IF NOT EXISTS person_properties_json String EPHEMERAL '{}',
    MODIFY COLUMN timestamp DateTime64(6, 'UTC') CODEC(GCD, T64, ZSTD(1)),
    MODIFY COLUMN received_at DateTime64(3, 'UTC') CODEC(T64, ZSTD(1)),
    MODIFY COLUMN properties JSON(max_dynamic_paths = 16)
        DEFAULT CAST(properties_json, 'JSON(max_dynamic_paths=16)') CODEC(ZSTD(1)),
    MODIFY COLUMN person_properties JSON(max_dynamic_paths = 0)
        DEFAULT CAST(person_properties_json, 'JSON(max_dynamic_paths=0)') CODEC(ZSTD(1)),
    MODIFY SETTING min_bytes_for_wide_part = 134217728, min_rows_for_wide_part = 0
SETTINGS mutations_sync = 2
