//! The field's layouts at their best, on the same engine: one table with all properties as JSON text and columns made from
//! those that are asked for, one with all of them in one native `JSON` column; people by their uuids, and a table of those who
//! have become others, joined to each event by its distinct id.
//!
//! Both are what merges would leave: the text table is merged, and the other is filled from it day after day, so that its parts
//! do not overlap. What no question reads (people's own properties, addresses of groups) is left out; a table of columns
//! answers no slower for that.

use anyhow::{Result, ensure};

use crate::engine::Engine;
use crate::events::{World, whole_json};
use crate::report::number;

/// Rows of an insert: bounds the memory that loading takes.
const CHUNK: u64 = 100_000;
/// As a merge begins it holds a granule of each part, and the parts of a month are merged at once. So texts are loaded with
/// small granules; what a merge writes has those of its table, as if it had read them from there.
const LOADED_GRANULE_BYTES: u64 = 256 << 10;
const DAYS: u64 = 62;

/// Keys of the text that have columns of their own, as an administrator would choose for these questions.
pub const MATERIALIZED: &[&str] = &["$browser", "$geoip_country_code", "$current_url", "plan"];

/// Paths of known types in the other: what SDKs send.
const TYPED: &[&str] = &[
    "$browser",
    "$browser_language",
    "$browser_version",
    "$current_url",
    "$device_id",
    "$device_type",
    "$geoip_city_name",
    "$geoip_country_code",
    "$host",
    "$insert_id",
    "$is_identified",
    "$lib",
    "$lib_version",
    "$os",
    "$os_version",
    "$pageview_id",
    "$pathname",
    "$process_person_profile",
    "$raw_user_agent",
    "$referrer",
    "$referring_domain",
    "$screen_height",
    "$screen_width",
    "$session_id",
    "$time",
    "$timezone",
    "$viewport_height",
    "$viewport_width",
    "$window_id",
    "utm_campaign",
    "utm_source",
];

/// Makes and fills our tables and theirs.
pub fn load(world: &World, engine: &Engine) -> Result<()> {
    create(engine)?;
    for table in ["events", "field_text", "field_text_loaded", "field_json"] {
        engine.run(&format!("SYSTEM STOP MERGES {table}"))?;
    }
    together(
        || fill(engine, world, &|from, many| insert_of_text(world, from, many)),
        || fill(engine, world, &|from, many| world.insert_of_ours(from, many)),
    )?;
    for month in ["202609", "202610"] {
        engine.run(&format!("ALTER TABLE field_text_loaded MOVE PARTITION ID '{month}' TO TABLE field_text"))?;
    }
    engine.run("DROP TABLE field_text_loaded SYNC")?;
    people(world, engine)?;
    // One merge at a time: the engine's memory is bounded.
    together(|| merge(engine, "events"), || fill_json(world, engine))?;
    merge(engine, "field_text")?;
    engine.await_merges()
}

/// Makes ready for questions.
///
/// # Errors
/// If an event is missing, or there is one too many.
pub fn check(world: &World, engine: &Engine) -> Result<()> {
    engine.run("SYSTEM STOP MERGES field_json")?;
    for table in ["events", "field_text", "field_json"] {
        let rows = engine.number(&format!("SELECT count() FROM {table} WHERE toDate(timestamp) >= '2026-09-01'"))?;
        ensure!(rows == world.events as f64, "{table} has {} rows", number(rows));
    }
    Ok(())
}

/// Merges of texts go in small blocks, for long texts of many parts take much memory.
fn create(engine: &Engine) -> Result<()> {
    let columns = "team_id Int64, event String, timestamp DateTime64(6, 'UTC'), distinct_id String, person_id UUID, uuid UUID, \
                   _timestamp DateTime";
    let materialized: String = MATERIALIZED
        .iter()
        .map(|key| {
            format!(
                ", `mat_{key}` Nullable(String) MATERIALIZED \
                 replaceRegexpAll(nullIf(nullIf(JSONExtractRaw(properties, '{key}'), ''), 'null'), '^\"|\"$', '')"
            )
        })
        .collect();
    let granule = format!(", index_granularity_bytes = {LOADED_GRANULE_BYTES}");
    for (table, setting) in [("field_text", ""), ("field_text_loaded", granule.as_str())] {
        engine.run(&format!(
            "CREATE TABLE {table} ({columns}, properties String CODEC(ZSTD(3)){materialized}) \
             ENGINE = ReplacingMergeTree(_timestamp) PARTITION BY toYYYYMM(timestamp) \
             ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid)) \
             SETTINGS merge_max_block_size = 1024{setting}"
        ))?;
    }
    let typed: Vec<String> = TYPED.iter().map(|key| format!("`{key}` Nullable(String)")).collect();
    engine.run(&format!(
        "CREATE TABLE field_json ({columns}, properties JSON(max_dynamic_types = 8, max_dynamic_paths = 256, {})) \
         ENGINE = ReplacingMergeTree(_timestamp) PARTITION BY toYYYYMM(timestamp) \
         PRIMARY KEY (team_id, toDate(timestamp), event, timestamp, cityHash64(distinct_id)) \
         ORDER BY (team_id, toDate(timestamp), event, timestamp, cityHash64(distinct_id), distinct_id, uuid) \
         SETTINGS object_serialization_version = 'v3', object_shared_data_serialization_version = 'map_with_buckets', \
         object_shared_data_serialization_version_for_zero_level_parts = 'map'",
        typed.join(", ")
    ))?;
    engine.run(
        "CREATE TABLE field_overrides (team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64) \
         ENGINE = ReplacingMergeTree(version) ORDER BY (team_id, distinct_id) SETTINGS index_granularity = 512",
    )?;
    Ok(())
}

/// Does both at a time.
fn together(one: impl Fn() -> Result<()> + Send, other: impl FnOnce() -> Result<()>) -> Result<()> {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        other()?;
        one.join().expect("it does not panic")
    })
}

/// Puts all events into a table, in the order in which they arrived.
fn fill(engine: &Engine, world: &World, statement: &dyn Fn(u64, u64) -> String) -> Result<()> {
    let mut from = 0;
    while from < world.events {
        let many = CHUNK.min(world.events - from);
        insert(engine, &statement(from, many))?;
        from += many;
    }
    Ok(())
}

/// Lets a table's parts be merged into one a month.
fn merge(engine: &Engine, table: &str) -> Result<()> {
    engine.run(&format!("SYSTEM START MERGES {table}"))?;
    engine.run(&format!("OPTIMIZE TABLE {table} FINAL")).map(drop)
}

/// Puts the events of the other table into this one, some days after others.
fn fill_json(world: &World, engine: &Engine) -> Result<()> {
    let columns = "team_id, event, timestamp, distinct_id, person_id, uuid, _timestamp, properties";
    for day in (0..DAYS).step_by(days_each(world)) {
        let to = day + days_each(world) as u64;
        insert(
            engine,
            &format!(
                "INSERT INTO field_json ({columns}) SELECT {columns} FROM field_text \
                 WHERE toDate(timestamp) >= toDate('2026-09-01') + {day} AND toDate(timestamp) < toDate('2026-09-01') + {to}"
            ),
        )?;
    }
    Ok(())
}

fn insert(engine: &Engine, sql: &str) -> Result<()> {
    let rows = CHUNK.to_string();
    let settings = [
        ("async_insert", "0"),
        ("insert_deduplicate", "0"),
        ("max_insert_threads", "1"),
        ("min_insert_block_size_rows", rows.as_str()),
        ("min_insert_block_size_bytes", "0"),
        ("max_memory_usage", "2000000000"),
    ];
    engine.send(sql, &settings, &[]).map(drop)
}

fn insert_of_text(world: &World, from: u64, many: u64) -> String {
    format!(
        "INSERT INTO field_text_loaded (team_id, event, timestamp, distinct_id, person_id, properties, uuid, _timestamp)\n\
         SELECT 1, name, at, distinct_id, person_uuid, {}, reinterpretAsUUID(sipHash128({}, number)), arrived FROM ({})",
        whole_json(),
        world.seed,
        world.rows(from, many)
    )
}

/// People, who they have become, and their mirrors.
fn people(world: &World, engine: &Engine) -> Result<()> {
    let (merges, identified) = (world.merges(), world.identified());
    insert(engine, &format!("INSERT INTO field_overrides SELECT 1, distinct_id, into_uuid, 0, 1 FROM ({merges})"))?;
    insert(
        engine,
        &format!(
            "INSERT INTO person_overrides (project_id, from_id, into_id, version) \
             SELECT 1, from_number, into_number, 1 FROM ({merges})"
        ),
    )?;
    insert(
        engine,
        &format!(
            "INSERT INTO person_distinct_ids (project_id, distinct_id, person, version, is_deleted) \
             SELECT 1, distinct_id, person_number, 1, false FROM ({identified})"
        ),
    )?;
    insert(
        engine,
        &format!(
            "INSERT INTO persons (project_id, number, uuid, created_at, is_identified, properties, version, is_deleted) \
             SELECT 1, person_number, person_uuid, toDateTime64('2026-09-01 00:00:00', 6, 'UTC'), true, \
             CAST(known, 'JSON(max_dynamic_paths=0)'), 1, false FROM ({identified})"
        ),
    )
}

/// How many days hold about as many rows as an insert should.
fn days_each(world: &World) -> usize {
    usize::try_from((3 * CHUNK * 57 / world.events).clamp(1, DAYS)).expect("at most 62")
}
