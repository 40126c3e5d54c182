//! Results: whole, streamed, failed midway, abandoned.

use std::time::Duration;

use clickhouse::Row;
use http::{Method, StatusCode};
use serde::Deserialize;

use super::{post, send};
use crate::support::{Engine, Options};

/// Row formats, whose results are sent as they are made (`Native` too, but its blocks may differ).
const STREAMED: &[&str] = &[
    "CSV",
    "CSVWithNames",
    "CSVWithNamesAndTypes",
    "JSONCompactEachRow",
    "JSONCompactEachRowWithNames",
    "JSONCompactEachRowWithNamesAndTypes",
    "JSONCompactStringsEachRowWithNamesAndTypes",
    "JSONEachRow",
    "JSONStringsEachRow",
    "MsgPack",
    "RawBLOB",
    "RowBinary",
    "RowBinaryWithNames",
    "RowBinaryWithNamesAndTypes",
    "TSKV",
    "TabSeparated",
    "TabSeparatedRaw",
    "TabSeparatedWithNames",
    "TabSeparatedWithNamesAndTypes",
    "Values",
];

#[tokio::test]
async fn every_format_is_whole() {
    let engine = Engine::start();
    let rows = 200_000;
    for (format, content_type) in [
        ("JSON", "application/json; charset=UTF-8"),
        ("JSONCompact", "application/json; charset=UTF-8"),
        ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
        ("CSVWithNames", "text/csv; charset=UTF-8; header=present"),
        ("TabSeparated", "text/tab-separated-values; charset=UTF-8"),
        ("RowBinary", "application/octet-stream"),
    ] {
        let answer = post(&engine, &[("default_format", format)], format!("SELECT number FROM numbers({rows})")).await;
        assert_eq!(answer.headers["x-clickhouse-format"], format);
        assert_eq!(answer.headers["content-type"], content_type);
        match format {
            "JSON" | "JSONCompact" => {
                let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                assert_eq!(json["rows"], rows, "{format}");
                assert_eq!(json["data"].as_array().unwrap().len(), rows, "{format}");
            }
            "RowBinary" => assert_eq!(answer.body.len(), rows * 8),
            "CSVWithNames" => assert_eq!(answer.text().lines().count(), rows + 1),
            _ => assert_eq!(answer.text().lines().count(), rows, "{format}"),
        }
    }
    // Pieces of a streamed result are not simply parts of the whole: it must not show.
    let sql = r#"SELECT number AS "a""b\n\tc", toString(number) AS d, [number] AS `e'` FROM numbers(200000)"#;
    for format in STREAMED {
        let whole = post(&engine, &[("default_format", format), ("wait_end_of_query", "1")], sql).await;
        let streamed = post(&engine, &[("default_format", format)], sql).await;
        assert_eq!(streamed.status, StatusCode::OK, "{}", streamed.text());
        assert!(streamed.body == whole.body, "{format}: {} and {} bytes", streamed.body.len(), whole.body.len());
        let none = post(&engine, &[("default_format", format)], "SELECT 1 AS a WHERE 0").await;
        let none_whole =
            post(&engine, &[("default_format", format), ("wait_end_of_query", "1")], "SELECT 1 AS a WHERE 0").await;
        assert_eq!(none.body, none_whole.body, "{format}");
    }
    let array: &[(&str, &str)] = &[("default_format", "JSONEachRow"), ("output_format_json_array_of_rows", "1")];
    let array = post(&engine, array, "SELECT number FROM numbers(200000)").await;
    assert_eq!(serde_json::from_slice::<Vec<serde_json::Value>>(&array.body).unwrap().len(), rows);
    let totals =
        post(&engine, &[], "SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k").await;
    assert_eq!(totals.text(), "0\t5\n1\t5\n\n0\t10\n");
    let in_text = post(&engine, &[("default_format", "JSON")], "SELECT 1 AS a FORMAT CSV").await;
    assert_eq!((in_text.text().as_str(), &in_text.headers["x-clickhouse-format"]), ("1\n", &"CSV".parse().unwrap()));
}

#[tokio::test]
async fn a_result_that_fails_midway_never_looks_complete() {
    let engine = Engine::start();
    let sql = "SELECT throwIf(number = 3000000), number FROM numbers(4000000)";
    assert!(send(&engine, Method::POST, &[], sql).await.is_err(), "the response must break off");
    let mut cursor = engine.client().query(sql).fetch::<(u8, u64)>().unwrap();
    let error = loop {
        match cursor.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the result looked complete"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("Code: 395"), "{error}");
}

#[tokio::test]
async fn a_large_result_is_streamed_in_little_memory() {
    #[derive(Row, Deserialize)]
    struct Line<'a> {
        number: u64,
        text: &'a str,
    }
    const ROWS: u64 = 5_000_000;
    let engine = Engine::start();
    post(&engine, &[], "SELECT number, toString(number) FROM numbers(100000) FORMAT RowBinary").await;
    let before = engine.resident_bytes();
    let client = engine.client();
    // About 200 bytes a row: a gigabyte, far more than the engine may grow.
    let mut cursor =
        client.query("SELECT number, repeat('x', 190) AS text FROM numbers(5000000)").fetch::<Line<'_>>().unwrap();
    let (mut rows, mut sum, mut highest) = (0, 0, before);
    while let Some(Line { number, text }) = cursor.next().await.unwrap() {
        assert_eq!(text.len(), 190);
        rows += 1;
        sum += number;
        if rows % 100_000 == 0 {
            highest = highest.max(engine.resident_bytes());
        }
    }
    assert_eq!((rows, sum), (ROWS, ROWS * (ROWS - 1) / 2));
    let grown = highest.saturating_sub(before) >> 20;
    assert!(grown < 200, "the engine grew by {grown} MiB");
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place() {
    let engine = Engine::start_with(&Options { max_queries: Some(1), ..Options::default() });
    let endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1";
    for _ in 0..3 {
        let abandoned = tokio::time::timeout(Duration::from_millis(200), post(&engine, &[], endless)).await;
        assert!(abandoned.is_err());
        // The only place is free again, or this would wait for ever.
        assert_eq!(
            tokio::time::timeout(Duration::from_secs(30), post(&engine, &[], "SELECT 1")).await.unwrap().text(),
            "1\n"
        );
    }
}
