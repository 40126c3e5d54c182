//! The server configuration the engine starts with: small caches and pools, safe writes.

use std::path::Path;

/// Settings every session begins with, as the engine's command-line arguments.
///
/// Inserts are ours to batch and must be stored when they are answered, so none is deferred; and a
/// blocked or dead address fails at once instead of being tried for minutes.
pub const SESSION_ARGUMENTS: &[&str] = &["--async_insert=0", "--http_max_tries=1"];

/// The configuration file's text. `memory_limit_bytes` bounds all queries together.
pub fn server_config(data_dir: &Path, memory_limit_bytes: u64) -> String {
    // Caches share a quarter of the memory; the engine's own defaults are gigabytes each.
    let mark_cache_bytes = (memory_limit_bytes / 8).min(256 << 20);
    let small_cache_bytes = (memory_limit_bytes / 64).min(32 << 20);
    let backups = escape(&data_dir.join("backups").to_string_lossy());
    let user_files = escape(&data_dir.join("user_files").to_string_lossy());
    format!(
        "<clickhouse>
    <max_server_memory_usage>{memory_limit_bytes}</max_server_memory_usage>
    <mark_cache_size>{mark_cache_bytes}</mark_cache_size>
    <index_mark_cache_size>{small_cache_bytes}</index_mark_cache_size>
    <uncompressed_cache_size>0</uncompressed_cache_size>
    <index_uncompressed_cache_size>0</index_uncompressed_cache_size>
    <mmap_cache_size>0</mmap_cache_size>
    <compiled_expression_cache_size>{small_cache_bytes}</compiled_expression_cache_size>
    <query_condition_cache_size>{small_cache_bytes}</query_condition_cache_size>
    <vector_similarity_index_cache_size>0</vector_similarity_index_cache_size>
    <iceberg_metadata_files_cache_size>0</iceberg_metadata_files_cache_size>

    <background_pool_size>2</background_pool_size>
    <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
    <background_schedule_pool_size>2</background_schedule_pool_size>
    <background_move_pool_size>1</background_move_pool_size>
    <background_fetches_pool_size>1</background_fetches_pool_size>
    <background_common_pool_size>2</background_common_pool_size>
    <background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>
    <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
    <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
    <max_thread_pool_size>256</max_thread_pool_size>
    <max_thread_pool_free_size>8</max_thread_pool_free_size>
    <asynchronous_metrics_update_period_s>30</asynchronous_metrics_update_period_s>
    <asynchronous_heavy_metrics_update_period_s>3600</asynchronous_heavy_metrics_update_period_s>

    <backups><allowed_path>{backups}</allowed_path></backups>
    <user_files_path>{user_files}</user_files_path>

    <merge_tree>
        <fsync_after_insert>1</fsync_after_insert>
        <fsync_part_directory>1</fsync_part_directory>
        <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
        <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
        <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
    </merge_tree>
</clickhouse>
"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_and_caches_stay_small() {
        let text = server_config(Path::new("/data/<a&b>"), 16 << 30);
        assert!(text.contains("/data/&lt;a&amp;b&gt;/backups"));
        assert!(text.contains(&format!("<mark_cache_size>{}</mark_cache_size>", 256 << 20)));
    }
}
