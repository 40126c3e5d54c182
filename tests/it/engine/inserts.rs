//! Rows arrive whole or not at all.

use clickhouse::{Client, Row};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tenrec::storage::ch::{ClickHouse, ClickHouseAddress};

use super::{count, post};
use crate::support::Engine;

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Event {
    id: u64,
    name: String,
    properties: String,
    tags: Vec<String>,
    score: Option<f64>,
}

const EVENTS: &str =
    "CREATE TABLE events (id UInt64, name String, properties JSON, tags Array(String), score Nullable(Float64))
    ENGINE = MergeTree ORDER BY id";

fn with_json_as_strings(client: Client) -> Client {
    client
        .with_setting("input_format_binary_read_json_as_string", "1")
        .with_setting("output_format_binary_write_json_as_string", "1")
}

#[tokio::test]
async fn the_official_crate_creates_inserts_and_selects() {
    let engine = Engine::start();
    let client = with_json_as_strings(engine.database("app").await);
    client.query(EVENTS).execute().await.unwrap();
    let events: Vec<Event> = (0..1000)
        .map(|id| Event {
            id,
            name: format!("it's\n\n\t{id}"),
            properties: format!(r#"{{"path":"/{id}","nested":{{"on":true}}}}"#),
            tags: vec!["a".into(), "b'\\".into()],
            score: (id % 2 == 0).then_some(0.5),
        })
        .collect();
    let mut insert = client.insert::<Event>("events").await.unwrap();
    for event in &events {
        insert.write(event).await.unwrap();
    }
    insert.end().await.unwrap();

    let read: Vec<Event> = client.query("SELECT ?fields FROM events ORDER BY id").fetch_all().await.unwrap();
    assert_eq!(read.len(), events.len());
    for (read, event) in read.iter().zip(&events) {
        assert_eq!((&read.name, &read.tags, read.score), (&event.name, &event.tags, event.score));
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(json(&read.properties), json(&event.properties));
    }
    let on: u64 =
        client.query("SELECT count() FROM events WHERE properties.nested.on.:Bool").fetch_one().await.unwrap();
    assert_eq!(on, 1000);
}

/// The library cuts inline data at the first empty line; ours must never reach it that way.
#[tokio::test]
async fn a_binary_insert_full_of_empty_lines_arrives_whole() {
    const ROWS: u64 = 100_000;
    let engine = Engine::start();
    let client = engine.database("app").await;
    let mut body = Vec::new();
    for id in 0..ROWS {
        body.extend(id.to_le_bytes());
        body.extend(b"\x04\n\n\n\n");
    }
    assert!(body.windows(2).any(|pair| pair == b"\n\n"));
    for table in ["statement_in_url", "statement_in_body", "native_blocks"] {
        client
            .query(&format!("CREATE TABLE {table} (id UInt64, text String) ENGINE = MergeTree ORDER BY id"))
            .execute()
            .await
            .unwrap();
        let sql = format!("INSERT INTO app.{table} (id, text) FORMAT RowBinary");
        let answer = match table {
            "statement_in_url" => post(&engine, &[("query", &sql)], body.clone()).await,
            "statement_in_body" => post(&engine, &[], [format!("{sql}\n").as_bytes(), &body].concat()).await,
            _ => {
                #[derive(Row, Serialize)]
                struct Line {
                    id: u64,
                    text: &'static str,
                }
                let mut insert = client.insert::<Line>(table).await.unwrap();
                for id in 0..ROWS {
                    insert.write(&Line { id, text: "\n\n\n\n" }).await.unwrap();
                }
                insert.end().await.unwrap();
                post(&engine, &[], "SELECT 1").await
            }
        };
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let (rows, sum, same): (u64, u64, u64) = client
            .query(&format!(r"SELECT count(), sum(id), countIf(text = '\n\n\n\n') FROM {table}"))
            .fetch_one()
            .await
            .unwrap();
        assert_eq!((rows, sum, same), (ROWS, ROWS * (ROWS - 1) / 2, ROWS), "{table}");
        let parts: u64 = client
            .query("SELECT count() FROM system.parts WHERE database = 'app' AND table = ? AND level = 0")
            .bind(table)
            .fetch_one()
            .await
            .unwrap();
        assert_eq!(parts, 1, "one insert is one part: {table}");
    }
    let values =
        post(&engine, &[], "INSERT INTO app.native_blocks VALUES (1, 'a\n\nb')\n\n,(2, concat('c', ';'));").await;
    assert_eq!(values.status, StatusCode::OK, "{}", values.text());
    assert_eq!(count(&client, "native_blocks").await, ROWS + 2);
}

#[tokio::test]
async fn an_insert_that_breaks_off_stores_nothing() {
    let engine = Engine::start();
    let client = engine.database("app").await;
    client.query("CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id").execute().await.unwrap();
    #[derive(Row, Serialize)]
    struct Id {
        id: u64,
    }
    let mut insert = client.insert::<Id>("t").await.unwrap();
    for id in 0..200_000 {
        insert.write(&Id { id }).await.unwrap();
    }
    drop(insert);
    // Half a row at the end of a body that is otherwise whole.
    let half = post(&engine, &[("query", "INSERT INTO app.t FORMAT RowBinary")], vec![1; 8 * 1000 + 3]).await;
    assert_eq!(half.headers["x-clickhouse-exception-code"], "33");
    assert_eq!(count(&client, "t").await, 0);
    let damaged =
        post(&engine, &[("query", "INSERT INTO app.t FORMAT RowBinary"), ("decompress", "1")], vec![7; 100]).await;
    assert_eq!(damaged.headers["x-clickhouse-exception-code"], "33");
    assert_eq!(count(&client, "t").await, 0);
}

/// What the pipeline rests on before it sends a batch again: an insert whose client is gone may still be at work.
#[tokio::test]
async fn a_running_insert_is_found_by_the_name_its_client_gave_it() {
    let engine = Engine::start();
    let client = engine.database("app").await;
    client.query("CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id").execute().await.unwrap();
    let clickhouse = ClickHouse::new(&ClickHouseAddress::Socket { path: engine.socket(), database: "app".to_owned() });
    let mut insert =
        client.insert_formatted_with("INSERT INTO t FORMAT RowBinary").with_setting("query_id", "batch-7-a");
    insert.send(bytes::Bytes::copy_from_slice(&7_u64.to_le_bytes())).await.unwrap();

    let mut is_running = false;
    for _ in 0..100 {
        is_running = clickhouse.inserts_running("batch-7-").await.unwrap().count > 0;
        if is_running {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(is_running, "the open insert is not among the running statements");
    assert_eq!(clickhouse.inserts_running("batch-8-").await.unwrap().count, 0);
    insert.end().await.unwrap();
    assert_eq!(clickhouse.inserts_running("batch-7-").await.unwrap().count, 0);
    assert_eq!(count(&client, "t").await, 1);
}
