//! Requests that are almost right, to every address that is open to the world: nothing may panic, fail or get stuck
//! (RELIABILITY S1).
//!
//! From a fixed seed; `TENREC_FUZZ_SEED` and `TENREC_FUZZ_REQUESTS` take another or more of them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::capture::create_project;
use crate::support::TestApp;
use packing::{mutate, packed};
use seeds::Seed;
use words::{HEADERS, NAMES, PATHS, QUERIES, TEXTS};

mod packing;
mod seeds;
mod words;

const KEY: &str = "phc_hostile";
/// Connections at once.
const LANES: u64 = 8;

/// splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// A value as no sender should write it; mostly small.
fn value(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(if depth == 0 { 8 } else { 12 }) {
        0 => Value::Null,
        1 => dice.one_in(2).into(),
        2 => (dice.roll().cast_signed()).into(),
        3 => json!(f64::from_bits(dice.roll())),
        4 => [0_i64, -1, 1, 1_793_534_400, 1_793_534_400_000, i64::MAX, i64::MIN][dice.below(7)].into(),
        5..8 => match dice.below(40) {
            0 => dice.pick(TEXTS).repeat(3000).into(),
            _ => dice.pick(TEXTS).into(),
        },
        8 | 9 => (0..dice.below(4)).map(|_| value(dice, depth - 1)).collect::<Vec<_>>().into(),
        _ => object(dice, depth - 1).into(),
    }
}

fn object(dice: &mut Dice, depth: usize) -> Map<String, Value> {
    (0..dice.below(7)).map(|_| (dice.pick(NAMES).to_owned(), value(dice, depth))).collect()
}

/// An event that is right up to a few of its fields.
fn event(dice: &mut Dice) -> Value {
    let mut event = json!({
        "event": dice.pick(TEXTS), "distinct_id": dice.pick(&["ada", "anon", "bob"]), "timestamp": "2026-11-01T11:00:00Z",
        "uuid": format!("01930000-0000-4000-8000-{:012x}", dice.roll() >> 16),
        "properties": object(dice, 3),
    });
    let fields = event.as_object_mut().unwrap();
    for _ in 0..dice.below(3) {
        let name = dice.pick(NAMES).to_owned();
        if dice.one_in(4) {
            fields.remove(&name);
        } else {
            fields.insert(name, value(dice, 3));
        }
    }
    event
}

fn json_body(dice: &mut Dice) -> Vec<u8> {
    let events = |dice: &mut Dice| (0..1 + dice.below(4)).map(|_| event(dice)).collect::<Vec<_>>();
    let mut body = match dice.below(6) {
        0 => event(dice),
        1 => json!(events(dice)),
        2..5 => json!({"batch": events(dice), "sent_at": value(dice, 0)}),
        _ => value(dice, 4),
    };
    if let Value::Object(fields) = &mut body
        && !dice.one_in(8)
    {
        fields.insert("api_key".to_owned(), KEY.into());
        fields.remove("token");
        fields.remove("$token");
    }
    let mut text = body.to_string();
    if dice.one_in(10) {
        // What strict JSON has no word for.
        let odd = dice.pick(&[
            "NaN",
            "-Infinity",
            "1e400",
            "\"\\ud83d\"",
            "123456789012345678901234567890",
            "[[[[[[[[",
            "{\"a\":1,\"a\":2}",
        ]);
        text = text.replacen("null", odd, 1 + dice.below(3));
    }
    if dice.one_in(60) {
        text = format!(
            "{{\"api_key\":\"{KEY}\",\"event\":\"x\",\"distinct_id\":\"u\",\"properties\":{}1{}}}",
            "[".repeat(2000),
            "]".repeat(2000)
        );
    }
    text.into_bytes()
}

/// A request as it goes over the wire, and whether it is whole: must be understood as HTTP.
fn request(dice: &mut Dice, seeds: &[Seed]) -> (Vec<u8>, bool) {
    let (head, body) = if dice.one_in(4) { seeded(dice, seeds) } else { made_up(dice) };
    let mut bytes = head.into_bytes();
    if dice.one_in(5) {
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(1 + dice.below(500)) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    } else {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(&body);
    }
    let is_mutated = dice.one_in(8);
    if is_mutated {
        mutate(dice, &mut bytes);
    }
    (bytes, !is_mutated)
}

/// A body in one of all the forms that SDKs send, and the head that goes with it.
fn seeded(dice: &mut Dice, seeds: &[Seed]) -> (String, Vec<u8>) {
    let seed = &seeds[dice.below(seeds.len())];
    let method = if seed.body.is_empty() { "GET" } else { "POST" };
    let (path, query) = (dice.pick(seed.paths), &seed.query);
    let mut head = format!("{method} {path}?{query} HTTP/1.1\r\nHost: tenrec.test\r\nConnection: close\r\n");
    if path.starts_with("/i/v1/a") {
        push_v1_headers(&mut head);
    }
    for header in &seed.headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    let mut body = seed.body.clone();
    if dice.one_in(2) {
        mutate(dice, &mut body);
    }
    (head, body)
}

fn push_v1_headers(head: &mut String) {
    for header in [
        "Authorization: Bearer phc_hostile",
        "Content-Type: application/json",
        "User-Agent: sdk/1",
        "PostHog-Sdk-Info: sdk/1",
        "PostHog-Attempt: 1",
        "PostHog-Request-Id: 01a1fbc5-56ec-700b-a097-8e6145c0d1af",
        "PostHog-Request-Timestamp: 2026-11-01T12:00:00Z",
    ] {
        head.push_str(header);
        head.push_str("\r\n");
    }
}

/// A head and a body that go together by chance only.
fn made_up(dice: &mut Dice) -> (String, Vec<u8>) {
    let method = dice.pick(&["POST", "POST", "POST", "POST", "POST", "GET", "GET", "OPTIONS", "PUT", "HEAD", "DELETE"]);
    // Capture first of all.
    let path = if dice.one_in(2) { PATHS[dice.below(10)] } else { dice.pick(PATHS) };
    let slash = dice.pick(&["", "", "", "/", "/", "/", "/", "//"]);
    let query = dice.pick(QUERIES);
    let mut head = format!("{method} {path}{slash}?{query} HTTP/1.1\r\nHost: tenrec.test\r\nConnection: close\r\n");
    if path.starts_with("/i/v1/a") && !dice.one_in(4) {
        push_v1_headers(&mut head);
    }
    for _ in 0..dice.below(4) {
        head.push_str(dice.pick(HEADERS));
        head.push_str("\r\n");
    }
    let body = json_body(dice);
    (head, packed(dice, body))
}

/// The status of the answer, if there is one.
async fn answer(app: &TestApp, request: &[u8], is_whole: bool) -> Option<u16> {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    // An answer may come before the request has ended.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    if !is_whole {
        // The server may wait for more; when it has had time to answer without, there is no more.
        let _ = tokio::time::timeout(Duration::from_millis(200), stream.read_to_end(&mut answer)).await;
        let _ = stream.shutdown().await;
    }
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
    let shown = || String::from_utf8_lossy(&request[..request.len().min(3000)]).into_owned();
    assert!(read.is_ok(), "no end of the answer to:\n{}", shown());
    let answer = String::from_utf8_lossy(&answer);
    let answer = answer.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&answer);
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_makes_the_server_fail() {
    let app = TestApp::start().await;
    create_project(&app, KEY).await;
    create_project(&app, seeds::KEY).await;
    let seeds = seeds::all();
    let seed = setting("TENREC_FUZZ_SEED", 1);
    let each = setting("TENREC_FUZZ_REQUESTS", 4000) / LANES;
    let lane = async |lane: u64| {
        let mut statuses: BTreeMap<Option<u16>, u64> = BTreeMap::new();
        let mut dice = Dice(seed.wrapping_mul(1000) + lane);
        for number in 0..each {
            let (request, is_whole) = request(&mut dice, &seeds);
            let status = answer(&app, &request, is_whole).await;
            let shown =
                || format!("seed {seed}, lane {lane}, request {number}:\n{}", String::from_utf8_lossy(&request));
            assert!(status.is_some() || !is_whole, "no answer to {}", shown());
            assert!(status.is_none_or(|status| status < 500), "{status:?} to {}", shown());
            *statuses.entry(status).or_default() += 1;
        }
        statuses
    };
    let mut statuses: BTreeMap<Option<u16>, u64> = BTreeMap::new();
    for lane in join_all((0..LANES).map(lane)).await {
        lane.into_iter().for_each(|(status, count)| *statuses.entry(status).or_default() += count);
    }
    println!("{statuses:?}");
    for status in [200, 400, 401, 404, 405, 415] {
        assert!(statuses.contains_key(&Some(status)), "too tame: none was answered {status}: {statuses:?}");
    }

    // What was accepted can be stored, all of it, and the server is as it was.
    let good = json!({"api_key": KEY, "event": "good", "distinct_id": "ada", "properties": {"a": 1}});
    app.post_json("/e/", &good).await.assert_ok();
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events WHERE event = 'good'").await, 1);
    assert!(app.ch_count("SELECT count() FROM events").await > each * LANES / 20);
    let status = app.state().pipeline.status();
    assert!(status.quarantined.is_empty(), "{:?}", status.quarantined);
}
