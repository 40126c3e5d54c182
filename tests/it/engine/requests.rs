//! Parameters, settings and errors of single requests.

use bytes::Bytes;
use clickhouse::Row;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tenrec::storage::ch::UnixConnector;

use super::{post, send};
use crate::support::Engine;

#[tokio::test]
async fn ping_is_answered() {
    let engine = Engine::start();
    let client = HttpClient::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(UnixConnector::new(engine.socket()));
    for path in ["ping", "replicas_status", ""] {
        let response = client.get(format!("http://localhost/{path}").parse().unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "Ok.\n");
    }
    let response = client.get("http://localhost/absent".parse().unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn parameters_arrive_as_values_whatever_they_hold() {
    #[derive(Row, Deserialize)]
    struct Pair {
        one: String,
        list: Vec<String>,
    }
    let engine = Engine::start();
    let client = engine.client();
    for text in ["plain", "", "it's", "\\", "\t\n\r\n\n", "'); DROP TABLE x; --", "{b:String}", "żółć 🦊"] {
        let list = vec![text.to_owned(), "second".to_owned()];
        let back: Pair = client
            .query("SELECT {one:String} AS one, {list:Array(String)} AS list")
            .param("one", text)
            .param("list", &list)
            .fetch_one()
            .await
            .unwrap();
        assert_eq!((back.one, back.list), (text.to_owned(), list));
    }
    let number: i64 = client.query("SELECT {n:Int64} + 1").param("n", -8).fetch_one().await.unwrap();
    assert_eq!(number, -7);
}

#[tokio::test]
async fn settings_and_database_end_with_their_request() {
    let engine = Engine::start();
    engine.database("app").await;
    let current = "SELECT getSetting('max_threads'), currentDatabase()";
    let default = post(&engine, &[], current).await.text();
    let changed: &[(&str, &str)] = &[("max_threads", "7"), ("database", "app")];
    assert_eq!(post(&engine, changed, current).await.text(), "7\tapp\n");
    assert_eq!(post(&engine, changed, "SELECT absent").await.status, StatusCode::NOT_FOUND);
    assert_eq!(post(&engine, &[], "SET max_threads = 9").await.status, StatusCode::OK);
    assert_eq!(post(&engine, &[], "CREATE TEMPORARY TABLE t (a Int8)").await.status, StatusCode::OK);
    assert_eq!(post(&engine, &[], "SELECT * FROM t").await.status, StatusCode::NOT_FOUND);
    for _ in 0..20 {
        assert_eq!(post(&engine, &[], current).await.text(), default);
    }
    let injected = post(&engine, &[("max_threads", "1', readonly='1")], "SELECT 1").await;
    assert_ne!(injected.status, StatusCode::OK);
    assert_eq!(post(&engine, &[], "SELECT getSetting('async_insert')").await.text(), "false\n");
}

#[tokio::test]
async fn errors_have_the_servers_code_status_and_text() {
    let engine = Engine::start();
    type Query = &'static [(&'static str, &'static str)];
    let cases: &[(Query, &str, u16, &str)] = &[
        (&[], "SELECT * FROM absent", 404, "60"),
        (&[], "SELECT 1 +", 400, "62"),
        (&[], "SELECT absent()", 404, "46"),
        (&[("absent", "1")], "SELECT 1", 404, "115"),
        (&[("database", "absent")], "SELECT 1", 404, "81"),
        (
            &[("max_execution_time", "0.1")],
            "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1",
            408,
            "159",
        ),
        (&[("max_memory_usage", "10000000")], "SELECT groupArray(number) FROM numbers(10000000)", 500, "241"),
        (&[("readonly", "1")], "CREATE DATABASE absent", 500, "164"),
        (&[], "SELECT 1 INTO OUTFILE '/tmp/absent'", 500, "358"),
        (&[("query", "INSERT INTO absent FORMAT CSV")], "1", 404, "60"),
        (&[], "", 400, "62"),
    ];
    for (query, sql, status, code) in cases {
        let answer = post(&engine, query, *sql).await;
        assert_eq!(
            (answer.status.as_u16(), answer.headers["x-clickhouse-exception-code"].to_str().unwrap()),
            (*status, *code),
            "{sql}"
        );
        let text = answer.text();
        assert!(text.starts_with(&format!("Code: {code}. DB::Exception: ")) && text.contains("(version 2"), "{text}");
    }
    let error = engine.client().query("SELECT * FROM absent").fetch_one::<u8>().await.unwrap_err();
    assert!(error.to_string().contains("UNKNOWN_TABLE"), "{error}");
    let written_by_get = send(&engine, Method::GET, &[("query", "CREATE DATABASE absent")], "").await.unwrap();
    assert_eq!(written_by_get.headers["x-clickhouse-exception-code"], "164");
}
