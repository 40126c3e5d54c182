//! How the process starts, ends and survives being killed.

use std::time::Duration;

use clickhouse::Row;
use nix::sys::signal::Signal;
use serde::Serialize;
use tokio_util::task::TaskTracker;

use super::{count, post};
use crate::support::{Engine, Options};

#[tokio::test(flavor = "multi_thread")]
async fn killed_amid_inserts_it_keeps_every_acknowledged_row() {
    const BATCH: u64 = 500;
    #[derive(Row, Serialize)]
    struct Line {
        batch: u64,
        n: u64,
    }
    let tasks = TaskTracker::new();
    let mut engine = Engine::start();
    let table = "CREATE TABLE t (batch UInt64, n UInt64) ENGINE = MergeTree ORDER BY batch";
    engine.database("app").await.query(table).execute().await.unwrap();
    let (mut acknowledged, mut next) = (Vec::new(), 0);
    for round in 0..5 {
        let client = engine.client().with_database("app");
        let writer = tasks.spawn(async move {
            let mut stored = Vec::new();
            for batch in next.. {
                let mut insert = match client.insert::<Line>("t").await {
                    Ok(insert) => insert,
                    Err(_) => return (stored, batch + 1),
                };
                for n in 0..BATCH {
                    if insert.write(&Line { batch, n }).await.is_err() {
                        return (stored, batch + 1);
                    }
                }
                match insert.end().await {
                    Ok(()) => stored.push(batch),
                    Err(_) => return (stored, batch + 1),
                }
            }
            unreachable!("the engine is killed first")
        });
        tokio::time::sleep(Duration::from_millis(150 + 70 * round)).await;
        tokio::task::block_in_place(|| engine.kill_and_restart());
        let (stored, reached) = writer.await.unwrap();
        assert!(!stored.is_empty(), "nothing was stored before the kill");
        acknowledged.extend(stored);
        next = reached;
    }
    let client = engine.client().with_database("app");
    let kept: Vec<(u64, u64)> =
        client.query("SELECT batch, count() FROM t GROUP BY batch ORDER BY batch").fetch_all().await.unwrap();
    assert!(kept.iter().all(|(_, rows)| *rows == BATCH), "an insert is stored whole or not at all");
    let kept: std::collections::HashSet<u64> = kept.into_iter().map(|(batch, _)| batch).collect();
    assert!(acknowledged.iter().all(|batch| kept.contains(batch)));
}

#[tokio::test]
async fn a_second_engine_on_the_same_data_is_refused_in_one_line() {
    let engine = Engine::start();
    let said = engine.second_opener();
    assert!(said.contains("another engine (process ") && said.contains("/data open"), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert_eq!(post(&engine, &[], "SELECT 1").await.text(), "1\n");
}

#[tokio::test]
async fn it_ends_in_order_on_a_signal_and_when_its_supervisor_is_gone() {
    for signal in [Some(Signal::SIGTERM), Some(Signal::SIGINT), None] {
        let mut engine = Engine::start_with(&Options { is_supervised: true, ..Options::default() });
        let client = engine.database("app").await;
        client.query("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").execute().await.unwrap();
        client
            .query("CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY a AS SELECT a FROM t")
            .execute()
            .await
            .unwrap();
        for _ in 0..50 {
            client.query("INSERT INTO t SELECT number FROM numbers(10)").execute().await.unwrap();
        }
        match signal {
            Some(signal) => engine.signal(signal),
            None => engine.close_stdin(),
        }
        assert_eq!(engine.wait().code(), Some(0), "{signal:?}");
        assert!(!engine.socket().exists());
        engine.kill_and_restart();
        assert_eq!(count(&engine.client().with_database("app"), "v").await, 500);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_lets_running_statements_end() {
    let mut engine = Engine::start();
    let running = {
        let client = engine.client();
        TaskTracker::new().spawn(async move {
            client.query("SELECT sum(sleepEachRow(0.05)) FROM numbers(20)").fetch_one::<u64>().await
        })
    };
    // It runs once the engine lists it.
    while post(&engine, &[], "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%'").await.text()
        != "2\n"
    {
        tokio::task::yield_now().await;
    }
    engine.signal(Signal::SIGTERM);
    assert!(running.await.unwrap().is_ok());
    assert_eq!(tokio::task::block_in_place(|| engine.wait()).code(), Some(0));
}
