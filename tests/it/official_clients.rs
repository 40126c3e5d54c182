//! The official SDKs for servers, as they are published, against a running Tenrec (see `tests/clients/README.md`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tenrec::model::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::Command;
use tokio_util::task::TaskTracker;

use crate::capture::create_project;
use crate::support::{TestApp, eventually, repository};

const KEY: &str = "phc_official_clients";

/// An SDK as it is set up for one run.
#[derive(Debug, Clone, Copy)]
struct Sdk {
    /// Begins every distinct id of the run.
    run: &'static str,
    lib: &'static str,
    mode: &'static str,
    compress: bool,
    compression: Option<&'static str>,
}

const fn sdk(run: &'static str, lib: &'static str, mode: &'static str, compress: bool) -> Sdk {
    Sdk { run, lib, mode, compress, compression: None }
}

const NODE: &str = "posthog-node";
const PYTHON: &str = "posthog-python";

const SDKS: [Sdk; 7] = [
    sdk("node-v0", NODE, "v0", false),
    sdk("node-v0-gzip", NODE, "v0", true),
    sdk("node-v1-gzip", NODE, "v1", true),
    sdk("python-v0", PYTHON, "v0", false),
    sdk("python-v0-gzip", PYTHON, "v0", true),
    sdk("python-v1-gzip", PYTHON, "v1", true),
    Sdk { compression: Some("deflate"), ..sdk("python-v1-deflate", PYTHON, "v1", false) },
];

impl Sdk {
    fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.run)
    }

    /// The uuid that the run gives to one of its events.
    fn uuid(&self) -> String {
        let place = SDKS.iter().position(|other| other.run == self.run).unwrap();
        format!("0193aaaa-0000-7000-8000-{place:012}")
    }

    /// Runs the SDK's script to its end, which must be a good one.
    async fn drive(self, scenario: &str, host: SocketAddr, at: i64) {
        let (program, script) = match self.lib {
            NODE => ("node".into(), "posthog_node.mjs"),
            _ => (repository().join(".venv/bin/python"), "posthog_python.py"),
        };
        let spec = json!({
            "scenario": scenario, "host": format!("http://{host}"), "key": KEY, "run": self.run, "at": at,
            "uuid": self.uuid(), "compress": self.compress, "compression": self.compression,
        });
        let child = Command::new(&program)
            .arg(repository().join("tests/clients").join(script))
            .arg(spec.to_string())
            .env("POSTHOG_CAPTURE_MODE", self.mode)
            .current_dir(repository())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|e| {
                panic!("could not run {}: {e}; install it with: make parts clients", program.display())
            });
        let output = tokio::time::timeout(Duration::from_secs(120), child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("{} does not end", self.run)).unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{} {scenario}:\n{}", self.run, String::from_utf8_lossy(&said));
    }
}

/// Runs all of these at once.
async fn drive_all(sdks: &[Sdk], scenario: &'static str, host: impl Fn(&Sdk) -> SocketAddr, at: i64) {
    join_all(sdks.iter().map(|sdk| sdk.drive(scenario, host(sdk), at))).await;
}

/// A server with a project, on the system's clock, which is the SDKs' too.
async fn start(port: u16) -> TestApp {
    let app = TestApp::builder().clock(Clock::system()).config(|config| config.server.port = port).start().await;
    create_project(&app, KEY).await;
    app
}

/// The rows of a run: what every event has, and its properties.
async fn rows(app: &TestApp, sdk: &Sdk) -> Vec<Value> {
    app.ch_rows(&format!(
        "SELECT toString(uuid) AS id, event, distinct_id, toUnixTimestamp64Milli(timestamp) AS at, `$lib` AS lib,
             `$lib_version` AS version, `$group_0` AS company, properties
         FROM events WHERE startsWith(distinct_id, '{}-') AND match(distinct_id, '^{}-[a-z]+$')
         ORDER BY timestamp, id SETTINGS json_type_escape_dots_in_keys = 1",
        sdk.run, sdk.run
    ))
    .await
}

fn only<'a>(rows: &'a [Value], event: &str) -> &'a Value {
    let found: Vec<_> = rows.iter().filter(|row| row["event"] == event).collect();
    assert_eq!(found.len(), 1, "{event}: {found:?}");
    found[0]
}

/// How often each event of each person is there.
fn counts(rows: &[Value]) -> BTreeMap<(&str, &str), usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry((row["event"].as_str().unwrap(), row["distinct_id"].as_str().unwrap())).or_default() += 1;
    }
    counts
}

/// The numbers on the events of this name, in order.
fn numbers(rows: &[Value], event: &str) -> Vec<u64> {
    let of_event = rows.iter().filter(|row| row["event"] == event);
    let mut numbers: Vec<u64> = of_event.map(|row| row["properties"]["n"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_server_sdks_send_becomes_exactly_its_rows() {
    let app = start(0).await;
    // Two days ago, to the millisecond.
    let at = app.clock.now().as_millisecond() - 48 * 3_600_000;
    drive_all(&SDKS, "everything", |_| app.address(), at).await;
    app.flush().await;
    for sdk in &SDKS {
        check_rows(sdk, &rows(&app, sdk).await, at);
        check_person(&app, sdk).await;
    }
    let uuids = app.ch_rows("SELECT count() AS rows, uniqExact(uuid) AS uuids FROM events").await;
    assert_eq!(uuids[0]["rows"], uuids[0]["uuids"]);
}

fn check_rows(sdk: &Sdk, rows: &[Value], at: i64) {
    let (anon, ada, acme) = (sdk.id("anon"), sdk.id("ada"), sdk.id("acme"));
    let mut expected = BTreeMap::from([
        (("visited", anon.as_str()), 1),
        (("$create_alias", &ada), 1),
        (("$groupidentify", &ada), 1),
        (("paid", &ada), 1),
        (("$exception", &ada), 1),
        (("$ai_generation", &ada), 1),
        (("$feature_flag_called", &ada), 1),
        (("tick", &ada), 45),
    ]);
    match sdk.lib {
        NODE => expected.extend([(("$identify", ada.as_str()), 1), (("$set", &ada), 1), (("at once", &ada), 1)]),
        _ => expected.extend([(("$set", ada.as_str()), 1), (("$set_once", &ada), 2), (("odd", &ada), 1)]),
    }
    assert_eq!(counts(rows), expected, "{sdk:?}");
    assert_eq!(numbers(rows, "tick"), (0..45).collect::<Vec<_>>(), "{sdk:?}");
    for row in rows {
        assert_eq!(row["lib"], sdk.lib, "{row}");
        assert!(row["version"].as_str().is_some_and(|version| version.contains('.')), "{row}");
    }

    let paid = only(rows, "paid");
    assert_eq!(paid["id"], sdk.uuid(), "{sdk:?}");
    let late_by = paid["at"].as_i64().unwrap() - at;
    assert!((-1000..120_000).contains(&late_by), "{sdk:?}: {late_by} ms");
    let properties = &paid["properties"];
    let sent = json!({
        "amount": 12.5, "whole": 3, "yes": true, "text": "żółć 猫 \u{1f600} \"'\\", "list": [1, 2, 3],
        "nested": {"a": {"b.c": "d"}}, "$set": {"paid": true},
    });
    for (key, value) in sent.as_object().unwrap() {
        assert_eq!(&properties[key], value, "{sdk:?}: {key}");
    }
    assert!(properties["none"].is_null());
    assert_eq!(properties["$groups"], json!({"company": acme}), "{sdk:?}");

    let group = &only(rows, "$groupidentify")["properties"];
    assert_eq!((&group["$group_type"], &group["$group_key"]), (&json!("company"), &json!(acme)));
    assert_eq!(group["$group_set"], json!({"seats": 5}));
    assert_eq!(only(rows, "$create_alias")["properties"]["alias"], anon);
    let exception = &only(rows, "$exception")["properties"];
    assert_eq!(exception["$exception_list"][0]["value"], "boom", "{sdk:?}: {exception}");
    assert!(
        exception["$exception_list"][0]["stacktrace"]["frames"].as_array().is_some_and(|frames| !frames.is_empty())
    );
    assert_eq!(exception["where"], "here");
    assert_eq!(only(rows, "$ai_generation")["properties"]["$ai_input_tokens"], 7);
    if sdk.lib == PYTHON {
        let odd = &only(rows, "odd")["properties"];
        assert!(odd["nan"].is_null() && odd["infinite"].is_null(), "{odd}");
        assert_eq!(odd["huge"], "1208925819614629174706176", "{odd}");
        assert_eq!((&odd["day"], &odd["id"]), (&json!("2026-01-02"), &json!(sdk.uuid())), "{odd}");
    }
}

async fn check_person(app: &TestApp, sdk: &Sdk) {
    let (anon, ada) = (sdk.id("anon"), sdk.id("ada"));
    let of = |what: &str| {
        format!(
            "SELECT {what} FROM persons AS p JOIN person_distinct_ids AS d ON d.person_id = p.id
             WHERE d.distinct_id IN ('{anon}', '{ada}')"
        )
    };
    assert_eq!(app.pg_value::<i64>(&of("count(*)")).await, 2, "{sdk:?}");
    assert_eq!(app.pg_value::<i64>(&of("count(DISTINCT p.id)")).await, 1, "{sdk:?}: they are not merged");
    let properties: String = app.pg_value(&of("p.properties::text")).await;
    let properties: Value = serde_json::from_str(&properties).unwrap();
    for (key, value) in [
        ("email", json!(format!("{ada}@example.com"))),
        ("level", json!(2)),
        ("first", json!("a")),
        ("paid", json!(true)),
    ] {
        assert_eq!(properties[key], value, "{sdk:?}: {key} of {properties}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_the_python_sdk_keeps_its_days() {
    let app = start(0).await;
    let sdks = &SDKS[4..6];
    drive_all(sdks, "historical", |_| app.address(), 0).await;
    app.flush().await;
    for sdk in sdks {
        let rows = rows(&app, sdk).await;
        assert_eq!(numbers(&rows, "imported"), (0..30).collect::<Vec<_>>(), "{sdk:?}");
        for row in &rows {
            let noon = 1_546_344_000_000 + row["properties"]["n"].as_i64().unwrap() * 86_400_000;
            let late_by = row["at"].as_i64().unwrap() - noon;
            assert!((-1000..120_000).contains(&late_by), "{sdk:?}: {row}");
        }
    }
}

/// Stands between an SDK and the server: tells how often nobody was there, and loses the first answer that comes.
struct Gate {
    address: SocketAddr,
    turned_away: Arc<AtomicU32>,
    has_lost_answer: Arc<AtomicBool>,
}

impl Gate {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            turned_away: Arc::default(),
            has_lost_answer: Arc::default(),
        };
        let (turned_away, has_lost_answer) = (Arc::clone(&gate.turned_away), Arc::clone(&gate.has_lost_answer));
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            while let Ok((mut sdk, _)) = listener.accept().await {
                let (turned_away, has_lost_answer) = (Arc::clone(&turned_away), Arc::clone(&has_lost_answer));
                tasks.spawn(async move {
                    let Ok(mut server) = TcpStream::connect(server).await else {
                        turned_away.fetch_add(1, Ordering::Relaxed);
                        return;
                    };
                    if has_lost_answer.swap(true, Ordering::Relaxed) {
                        let _ = copy_bidirectional(&mut sdk, &mut server).await;
                    } else {
                        lose_answer(sdk, server).await;
                    }
                });
            }
        });
        gate
    }
}

/// Hands on what the SDK sends until the server has answered, and keeps the answer.
async fn lose_answer(mut sdk: TcpStream, mut server: TcpStream) {
    let (mut sent, mut answer) = ([0; 16 << 10], [0; 16 << 10]);
    loop {
        tokio::select! {
            count = server.read(&mut answer) => {
                let answer = &answer[..count.unwrap()];
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer));
                return;
            }
            count = sdk.read(&mut sent) => server.write_all(&sent[..count.unwrap()]).await.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_after_an_outage_and_a_lost_answer_is_there_once() {
    // A socket that is bound and does not listen keeps the port for the server, and refuses every connection.
    let place = TcpSocket::new_v4().unwrap();
    place.set_reuseaddr(true).unwrap();
    place.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let mut app = start(place.local_addr().unwrap().port()).await;
    app.stop().await;
    let sdks = [SDKS[1], SDKS[2], SDKS[3], SDKS[5]];
    let mut gates = BTreeMap::new();
    for sdk in &sdks {
        gates.insert(sdk.run, Gate::before(app.address()).await);
    }
    let driven = drive_all(&sdks, "late", |sdk| gates[sdk.run].address, 0);
    let come_back = async {
        let all_tried = async || gates.values().all(|g| g.turned_away.load(Ordering::Relaxed) > 0).then_some(());
        eventually("every SDK has tried in vain", all_tried).await;
        app.restart().await;
    };
    tokio::join!(driven, come_back);
    app.flush().await;
    for sdk in &sdks {
        assert!(gates[sdk.run].has_lost_answer.load(Ordering::Relaxed), "{sdk:?}");
        let rows = rows(&app, sdk).await;
        assert_eq!(numbers(&rows, "tick"), (0..30).collect::<Vec<_>>(), "{sdk:?}");
        assert_eq!(rows.len(), 30, "{sdk:?}");
    }
}
