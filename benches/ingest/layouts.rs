//! How else the table could look: the same stored rows inserted into variants of it, in several formats of input.
//!
//! The rows come from the pipeline; each variant takes them in the pipeline's own blocks, in the order of arrival. Inserting
//! and merging are measured apart: merges stand still during inserts, then one merges all parts of a month.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::engine::Engine;
use crate::floors::INSERT;
use crate::processes::{Part, Tenrec};
use crate::report::{note, number, section};

/// How a column of properties is kept, and so how rows are prepared and questions asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Json,
    Map,
    Text,
    /// Not at all: what remains is what the column costs.
    Nothing,
}

struct Variant {
    name: &'static str,
    tail: (Kept, &'static str),
    person: (Kept, &'static str),
    settings: &'static str,
    has_bloom: bool,
}

/// With so many paths that have files of their own; the rest shares some.
const JSON_256: (Kept, &str) = (Kept::Json, "JSON(max_dynamic_paths=256)");
const JSON_128: (Kept, &str) = (Kept::Json, "JSON(max_dynamic_paths=128)");
const JSON_16: (Kept, &str) = (Kept::Json, "JSON(max_dynamic_paths=16) CODEC(ZSTD(1))");
const JSON_8: (Kept, &str) = (Kept::Json, "JSON(max_dynamic_paths=8) CODEC(ZSTD(1))");
const JSON_0: (Kept, &str) = (Kept::Json, "JSON(max_dynamic_paths=0) CODEC(ZSTD(1))");
const MAP: (Kept, &str) = (Kept::Map, "Map(LowCardinality(String), String) CODEC(ZSTD(1))");
const TEXT: (Kept, &str) = (Kept::Text, "String CODEC(ZSTD(1))");
const NOTHING: (Kept, &str) = (Kept::Nothing, "String");
const MAP_BUCKETS: &str =
    ", map_serialization_version='with_buckets', map_serialization_version_for_zero_level_parts='basic'";
const BUCKETS: &str = ", object_serialization_version='v3', object_shared_data_serialization_version='map_with_buckets', \
                       object_shared_data_serialization_version_for_zero_level_parts='map'";
const FILES: &str = ", object_serialization_version='v3', object_shared_data_serialization_version='map_with_buckets', \
                     object_shared_data_serialization_version_for_zero_level_parts='map', min_bytes_for_wide_part=0";
const ADVANCED: &str = ", object_serialization_version='v3', object_shared_data_serialization_version='advanced', \
                        object_shared_data_serialization_version_for_zero_level_parts='map'";

const fn variant(
    name: &'static str,
    tail: (Kept, &'static str),
    person: (Kept, &'static str),
    settings: &'static str,
) -> Variant {
    Variant { name, tail, person, settings, has_bloom: true }
}

const VARIANTS: &[Variant] = &[
    variant("as it is: JSON(16), JSON(0), in buckets", JSON_16, JSON_0, BUCKETS),
    Variant { has_bloom: false, ..variant("  without uuid_bloom", JSON_16, JSON_0, BUCKETS) },
    variant("  a file for each column from the start", JSON_16, JSON_0, FILES),
    variant("as it was: JSON(256), JSON(128), files", JSON_256, JSON_128, ", min_bytes_for_wide_part=0"),
    variant("JSON(8), JSON(0), in buckets", JSON_8, JSON_0, BUCKETS),
    variant("JSON(0), JSON(0), in buckets", JSON_0, JSON_0, BUCKETS),
    variant("JSON(0), JSON(0), 'advanced'", JSON_0, JSON_0, ADVANCED),
    variant("JSON(0) in buckets, text", JSON_0, TEXT, BUCKETS),
    variant("Map in buckets, both", MAP, MAP, MAP_BUCKETS),
    variant("Map in buckets, text", MAP, TEXT, MAP_BUCKETS),
    variant("plain Map, text", MAP, TEXT, ""),
    variant("text, text", TEXT, TEXT, ""),
    variant("no tail, no person (the rest)", NOTHING, NOTHING, ""),
];

/// How rows arrive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    /// As the first pipeline did: row after row, JSON as text.
    RowBinary,
    /// Column after column, JSON as text.
    NativeText,
    /// Column after column, JSON as the engine's own columns.
    NativeObjects,
}

pub fn run(tenrec: &Tenrec, engine: &Engine, events: u64) -> Result<()> {
    section("Layouts: CPU of the engine per event in µs, bytes per event, CPU of questions in ms (one thread)");
    println!(
        "  {:<42} {:>9} {:>9} {:>9} {:>7} {:>7} {:>6} {:>6} {:>6} {:>6} {:>6}",
        "", "RowBinary", "Nat. text", "Nat. obj.", "merge", "bytes", "days", "typed", "tail", "rare", "person"
    );
    let ddl = engine.text("SHOW CREATE TABLE events FORMAT TSVRaw")?;
    for variant in VARIANTS {
        if let Err(error) = one(variant, &ddl, tenrec, engine, events) {
            let _ = engine.run("DROP TABLE IF EXISTS variant SYNC");
            note(&format!("{}: {error:.300}", variant.name));
        }
    }
    note("Nat. obj.: JSON as the engine's own columns, which our process cannot make cheaply: a floor");
    note(
        "merge: one merge of all parts; questions: count per day, by $browser, by plan, by feature_7, by the person's plan",
    );
    Ok(())
}

fn one(variant: &Variant, ddl: &str, tenrec: &Tenrec, engine: &Engine, events: u64) -> Result<()> {
    let cpu = || tenrec.cpu().of(Part::Engine);
    let each = |seconds: f64| number(seconds * 1e6 / events as f64);
    let has_json = variant.tail.0 == Kept::Json || variant.person.0 == Kept::Json;
    let mut inserts = Vec::new();
    // What comes last is merged and asked: the rows are the same.
    for input in [Input::RowBinary, Input::NativeObjects, Input::NativeText] {
        if input == Input::NativeObjects && !has_json {
            inserts.push("–".to_owned());
            continue;
        }
        engine.run("DROP TABLE IF EXISTS variant SYNC")?;
        engine.run(&table(variant, ddl)?)?;
        engine.run("SYSTEM STOP MERGES variant")?;
        let blocks = prepare(variant, input, engine)?;
        let format = if input == Input::RowBinary { "RowBinary" } else { "Native" };
        let mut settings = INSERT.to_vec();
        settings.extend([
            ("input_format_binary_read_json_as_string", "1"),
            ("json_type_escape_dots_in_keys", "1"),
            ("input_format_try_infer_dates", "0"),
            ("input_format_try_infer_datetimes", "0"),
        ]);
        let before = cpu();
        for block in &blocks {
            engine.send(&format!("INSERT INTO variant FORMAT {format}"), &settings, block)?;
        }
        inserts.push(each(cpu() - before));
        let rows = engine.number("SELECT count() FROM variant")?;
        ensure!(rows == events as f64, "{rows} of {events} rows arrived");
    }
    engine.run("SYSTEM START MERGES variant")?;
    let before = cpu();
    engine.run("OPTIMIZE TABLE variant FINAL")?;
    engine.await_merges()?;
    let merge = each(cpu() - before);
    let (bytes, _) = engine.bytes("variant")?;
    let mut line = format!(
        "  {:<42} {:>9} {:>9} {:>9} {:>7} {:>7}",
        variant.name,
        inserts[0],
        inserts[2],
        inserts[1],
        merge,
        number(bytes / events as f64)
    );
    for question in questions(variant) {
        let cost = question.map_or(Ok("–".to_owned()), |key| cost_ms(&key, engine, &cpu).map(number))?;
        line.push_str(&format!(" {cost:>6}"));
    }
    println!("{line}");
    engine.run("DROP TABLE variant SYNC")?;
    Ok(())
}

/// The statement that makes the variant of the table.
fn table(variant: &Variant, ddl: &str) -> Result<String> {
    let mut replaced = 0;
    let lines: Vec<String> = ddl
        .lines()
        .filter_map(|line| {
            let kept = [("    `properties` ", variant.tail.1), ("    `person_properties` ", variant.person.1)];
            if let Some((column, kind)) = kept.into_iter().find(|(column, _)| line.starts_with(column)) {
                replaced += 1;
                return Some(format!("{column}{kind}{}", if line.ends_with(',') { "," } else { "" }));
            }
            if let Some(settings) = line.strip_prefix("SETTINGS ") {
                // How shared data is kept is the variant's choice, and whatever else it names.
                let name = |setting: &str| setting.split(" = ").next().unwrap_or_default().to_owned();
                let is_kept =
                    |setting: &&str| !setting.starts_with("object_") && !variant.settings.contains(&name(setting));
                let kept: Vec<_> = settings.split(", ").filter(is_kept).collect();
                return Some(format!("SETTINGS {}", kept.join(", ")));
            }
            (variant.has_bloom || !line.trim_start().starts_with("INDEX uuid_bloom")).then(|| line.to_owned())
        })
        .collect();
    ensure!(replaced == 2, "the table has changed, and this program has not: {ddl}");
    let ddl = lines.join("\n").replacen("CREATE TABLE tenrec.events", "CREATE TABLE tenrec.variant", 1);
    Ok(format!("{ddl}{}", variant.settings))
}

/// The stored rows in the form in which this variant takes them.
fn prepare(variant: &Variant, input: Input, engine: &Engine) -> Result<Vec<Vec<u8>>> {
    let value = |(kept, _): (Kept, &str), column: &str| match kept {
        Kept::Json if input == Input::NativeText => format!("{column}::String AS {column}"),
        Kept::Json => column.to_owned(),
        Kept::Text => format!("{column}::String AS {column}"),
        Kept::Map => format!(
            "CAST(JSONExtractKeysAndValuesRaw({column}::String), 'Map(LowCardinality(String), String)') AS {column}"
        ),
        Kept::Nothing => format!("'' AS {column}"),
    };
    let (tail, person) = (value(variant.tail, "properties"), value(variant.person, "person_properties"));
    let format = if input == Input::RowBinary { "RowBinary" } else { "Native" };
    let inserts = engine.text(
        "SELECT inserted_by, toYYYYMM(timestamp) AS month FROM events GROUP BY inserted_by, month \
         ORDER BY min(received_at), month",
    )?;
    let settings = [("output_format_binary_write_json_as_string", "1"), ("json_type_escape_dots_in_keys", "1")];
    inserts
        .lines()
        .map(|line| {
            let (batch, month) = line.split_once('\t').context("two columns")?;
            let sql = format!(
                "SELECT * EXCEPT (properties, person_properties), {tail}, {person} FROM events \
                 WHERE inserted_by = {batch} AND toYYYYMM(timestamp) = {month} \
                 ORDER BY received_at, cityHash64(uuid) FORMAT {format}"
            );
            engine.send(&sql, &settings, &[])
        })
        .collect()
}

/// Five questions, as far as the variant can answer them.
fn questions(variant: &Variant) -> [Option<String>; 5] {
    let property = |(kept, _): (Kept, &str), column: &str, key: &str| match kept {
        Kept::Json => Some(format!("{column}.{key}::Nullable(String)")),
        Kept::Map => Some(format!("{column}['{key}']")),
        Kept::Text => Some(format!("JSONExtractString({column}, '{key}')")),
        Kept::Nothing => None,
    };
    [
        Some("toDate(timestamp)".to_owned()),
        Some("`$browser`".to_owned()),
        property(variant.tail, "properties", "plan"),
        property(variant.tail, "properties", "feature_7"),
        property(variant.person, "person_properties", "plan"),
    ]
}

/// CPU of one breakdown of all page views, in milliseconds.
fn cost_ms(key: &str, engine: &Engine, cpu: &dyn Fn() -> f64) -> Result<f64> {
    let sql = format!(
        "SELECT {key} AS key, count() FROM variant WHERE event = '$pageview' GROUP BY key FORMAT Null \
         SETTINGS max_threads = 1, use_query_condition_cache = 0"
    );
    engine.run(&sql)?;
    let (before, started, mut times) = (cpu(), Instant::now(), 0);
    while times < 5 || (started.elapsed() < Duration::from_millis(500) && times < 100) {
        engine.run(&sql)?;
        times += 1;
    }
    Ok((cpu() - before) * 1e3 / f64::from(times))
}
