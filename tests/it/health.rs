//! `/healthz`, `/readyz`, `/version`, `/metrics`, and the accept loop they come through.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::TestApp;

#[tokio::test]
async fn a_whole_server_is_alive_ready_and_names_its_version() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/healthz").await.assert_ok().text(), "ok\n");
    let ready = app.get("/readyz").await;
    let parts = serde_json::json!({"status": "ready", "postgres": "up", "clickhouse": "up", "spool": "up"});
    assert_eq!(ready.assert_ok().json(), parts);
    assert_eq!(app.get("/version").await.json()["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn metrics_are_in_the_text_format_and_hold_no_secret() {
    let app = TestApp::start().await;
    app.get("/healthz").await;
    let metrics = app.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = metrics.text();
    assert!(text.contains("tenrec_http_responses_total{status=\"2xx\"} "), "{text}");
    assert!(text.contains("# TYPE tenrec_http_request_seconds histogram"), "{text}");
    assert!(!text.contains("phc_") && !text.contains("phx_"), "{text}");
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    TestApp::start().await.get("/no-such-page").await.assert_status(404);
}

/// The limit itself is 10 s; that the connection ends at all is what a client with a slow head must not prevent.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_loses_its_connection_and_a_working_client_does_not_notice() {
    let app = TestApp::start().await;
    let address = app.address();
    let slow = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n").unwrap();
        // A header a second: never silent, never done.
        for _ in 0..40 {
            let _ = stream.write_all(b"X-Slow: 1\r\n");
            match stream.read(&mut [0; 64]) {
                Ok(0) => return true,
                Ok(_) => panic!("an answer to half a request"),
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return true,
                Err(_) => {}
            }
        }
        false
    });
    app.get("/healthz").await.assert_ok();
    assert!(slow.await.unwrap(), "the slow connection was still open after 40 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_for_the_next_request() {
    let app = TestApp::start().await;
    let address = app.address();
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        for _ in 0..3 {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"ok\n") {
                let mut piece = [0; 512];
                let read = stream.read(&mut piece).unwrap();
                assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&piece[..read]);
            }
            assert!(answer.starts_with(b"HTTP/1.1 200"));
        }
    })
    .await
    .unwrap();
}
