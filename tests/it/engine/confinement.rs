//! Who may ask, and what SQL can reach.

use std::time::{Duration, Instant};

use clickhouse::Client;
use http::StatusCode;

use super::{count, post};
use crate::support::Engine;

#[tokio::test]
async fn tcp_asks_for_the_password_and_the_socket_does_not() {
    let tcp = Engine::start_on_tcp("secret");
    let ask = |client: Client| async move { client.query("SELECT 1").fetch_one::<u8>().await };
    let client = || Client::default().with_url(&tcp.url);
    assert_eq!(ask(client().with_user("default").with_password("secret")).await.unwrap(), 1);
    assert_eq!(ask(tcp.engine.client()).await.unwrap(), 1);
    for stranger in [
        client(),
        client().with_user("default").with_password("wrong"),
        client().with_user("root").with_password("secret"),
    ] {
        let error = ask(stranger).await.unwrap_err().to_string();
        assert!(error.contains("Code: 516") && error.contains("AUTHENTICATION_FAILED"), "{error}");
    }
}

#[tokio::test]
async fn sql_reaches_no_file_and_no_address_outside() {
    if !has_landlock() {
        eprintln!("skipped: this kernel has no Landlock");
        return;
    }
    let engine = Engine::start();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.csv");
    std::fs::write(&secret, "1\n").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let started = Instant::now();
    for sql in [
        "SELECT file('/etc/passwd')".to_owned(),
        "SELECT file('/proc/self/environ')".to_owned(),
        // This test's own environment, as Tenrec's would be.
        format!("SELECT file('/proc/{}/environ')", std::process::id()),
        format!("SELECT * FROM file('{}', 'CSV', 'a Int8')", secret.display()),
        format!("INSERT INTO FUNCTION file('{}/written.csv', 'CSV', 'a Int8') SELECT 1", outside.path().display()),
        format!("SELECT * FROM url('http://127.0.0.1:{port}/', 'CSV', 'a Int8')"),
        format!("SELECT * FROM remote('127.0.0.1:{port}', 'system.one')"),
    ] {
        let answer = post(&engine, &[], sql.clone()).await;
        assert_ne!(answer.status, StatusCode::OK, "{sql}");
    }
    assert!(!outside.path().join("written.csv").exists());
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "the engine connected to the listener");
    assert!(started.elapsed() < Duration::from_secs(60), "refused addresses are tried again and again");
}

#[tokio::test]
async fn confined_it_still_does_all_that_tables_need() {
    let engine = Engine::start();
    let client = engine.database("app").await;
    for sql in [
        "CREATE TABLE e (at DateTime, id UInt64, tags Map(String, String)) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(at) ORDER BY id
            SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1",
        "INSERT INTO e SELECT toDateTime('2026-01-01') + number, number, map() FROM numbers(100000)",
        "UPDATE e SET tags = map('a', 'b') WHERE id = 5",
        "DELETE FROM e WHERE id = 6",
        "ALTER TABLE e DELETE WHERE id = 7 SETTINGS mutations_sync = 2",
        "OPTIMIZE TABLE e FINAL",
        "CREATE MATERIALIZED VIEW counted REFRESH EVERY 1 HOUR ENGINE = MergeTree ORDER BY n AS SELECT count() AS n FROM e",
        "SYSTEM REFRESH VIEW counted",
        "SYSTEM WAIT VIEW counted",
        "CREATE DICTIONARY doubled (id UInt64, twice UInt64) PRIMARY KEY id
            SOURCE(CLICKHOUSE(QUERY 'SELECT id, id * 2 AS twice FROM app.e')) LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)",
        "SELECT number, rand() AS r FROM numbers(5000000) ORDER BY r
            SETTINGS max_bytes_before_external_sort = 10000000, max_memory_usage = 300000000 FORMAT Null",
        "BACKUP DATABASE app TO File('first')",
        "RESTORE DATABASE app AS restored FROM File('first')",
    ] {
        let answer = post(&engine, &[("database", "app")], sql).await;
        assert_eq!(answer.status, StatusCode::OK, "{sql}: {}", answer.text());
    }
    assert_eq!(count(&client, "e WHERE tags['a'] = 'b'").await, 1);
    assert_eq!(count(&client, "restored.e").await, 99_998);
    let numbers: (u64, u64) = client
        .query("SELECT n, dictGetOrDefault('app.doubled', 'twice', tuple(toUInt64(9)), toUInt64(0)) FROM counted")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(numbers, (99_998, 18));
}

fn has_landlock() -> bool {
    use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create)
        .is_ok()
}
