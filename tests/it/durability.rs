//! What was acknowledged is stored once, whatever dies.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tenrec::storage::ch::UnixConnector;

use crate::support::{Tenrec, eventually};

const KEY: &str = "phc_durability";

/// Starts a server with one project.
fn serve(dir: &std::path::Path) -> Tenrec {
    let mut command = Tenrec::command(dir, &["serve"]);
    command.envs([("TENREC_INIT_EMAIL", "ada@example.com"), ("TENREC_INIT_PASSWORD", "correct horse battery staple")]);
    command.env("TENREC_INIT_PROJECT_KEY", KEY);
    Tenrec::spawn(command, dir.to_owned())
}

/// Sends one event as an SDK does: again with the same uuid, until it hears 200.
async fn send(url: &str, number: u32) {
    let uuid = format!("01930000-0000-7000-8000-{number:012}");
    let event = json!({"api_key": KEY, "event": "tick", "distinct_id": format!("user-{}", number % 7), "uuid": uuid});
    let started = Instant::now();
    loop {
        let request = http::Request::post(format!("{url}/capture/"))
            .header("content-type", "application/json")
            .body(http_body_util::Full::<bytes::Bytes>::from(event.to_string()))
            .unwrap();
        use hyper_util::client::legacy::Client;
        let client: Client<_, http_body_util::Full<bytes::Bytes>> =
            Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        if client.request(request).await.is_ok_and(|answer| answer.status() == 200) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "event {number} was never accepted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn kill_9(pids: &[u32]) {
    for pid in pids {
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    }
}

/// Kills the child of this command line; one that was killed before may still be on its way back.
async fn kill_child(tenrec: &Tenrec, text: &str) {
    let running = async || Some(tenrec.children(text)).filter(|pids| !pids.is_empty());
    kill_9(&eventually("the child runs", running).await);
}

/// How many rows there are, and how many different events among them; nothing while the engine does not answer.
async fn count(dir: &std::path::Path) -> Option<(u64, u64)> {
    use hyper_util::client::legacy::Client;
    let socket = UnixConnector::new(dir.join("run/clickhouse/engine.sock"));
    let http = Client::builder(hyper_util::rt::TokioExecutor::new()).build(socket);
    let client = clickhouse::Client::with_http_client(http).with_url("http://engine").with_database("tenrec");
    client.query_raw("SELECT count(), uniqExact(uuid) FROM events WHERE event = 'tick'").fetch_one().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_either_store_or_all_of_tenrec_loses_no_acknowledged_event_and_counts_none_twice() {
    let dir = Tenrec::fresh_data_dir();
    let mut tenrec = serve(&dir);
    let mut url = tenrec.wait_until_ready();
    let total = 120;
    for number in 0..total {
        match number {
            20 | 60 => kill_child(&tenrec, "tenrec engine").await,
            40 | 61 => kill_child(&tenrec, "postgres -D").await,
            80 => {
                // All at one instant, as when a machine runs out of memory.
                let mut all = tenrec.children("");
                all.push(tenrec.pid());
                kill_9(&all);
                tenrec = serve(&dir);
                url = tenrec.wait_until_ready();
            }
            _ => {}
        }
        send(&url, number).await;
    }
    let expected = (u64::from(total), u64::from(total));
    let mut last = None;
    let started = Instant::now();
    while last != Some(expected) && started.elapsed() < Duration::from_secs(90) {
        last = count(&dir).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(last, Some(expected), "rows and different events");
    drop(tenrec);
    eventually("the directory can be removed", async || fs::remove_dir_all(dir.parent().unwrap()).ok()).await;
}
