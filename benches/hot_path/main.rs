//! What an event costs our own code, stage by stage, in one thread: `cargo bench --bench hot_path`.
use std::time::Instant;

use bytes::Bytes;
use tenrec::config::LimitsConfig;
use tenrec::ingest::{
    CaptureRequest, CheckedEvents,
    enrich::{Enricher, Origin},
};
use tenrec::model::{Clock, ProjectId};

fn time<T>(name: &str, events: usize, mut work: impl FnMut() -> T) -> T {
    let mut result = work();
    let began = Instant::now();
    let mut rounds = 0;
    while began.elapsed().as_millis() < 700 {
        result = work();
        rounds += 1;
    }
    let micros = began.elapsed().as_secs_f64() * 1e6 / (rounds * events) as f64;
    println!("{name:40} {micros:8.2} µs per event");
    result
}

fn main() {
    let dir = std::env::var("BODIES").expect("BODIES names the directory of request bodies");
    let body = |name: &str| Bytes::from(std::fs::read(format!("{dir}/{name}")).expect("a body"));
    let limits = LimitsConfig {
        max_body_bytes: 20 << 20,
        max_event_bytes: 1 << 20,
        max_ai_event_bytes: 8 << 20,
        spool_max_mb: 1,
    };
    let clock = Clock::default();
    for (name, events) in [("one.json", 1), ("batch50.json", 50), ("batch50.json.gz", 50)] {
        println!("{name}");
        let request = CaptureRequest {
            body: body(name),
            content_type: Some("application/json".into()),
            ..CaptureRequest::default()
        };
        time("decode and parse JSON", events, || request.json(limits.max_body_bytes).expect("json"));
        time("read", events, || request.read(&limits).expect("a request"));
        let checked: CheckedEvents = time("read and check", events, || {
            request.read(&limits).expect("a request").check(ProjectId::new(1), &clock, &limits)
        });
        let enricher = Enricher::new(None, false);
        let mut done = time("…and enrich", events, || {
            let mut c = request.read(&limits).expect("a request").check(ProjectId::new(1), &clock, &limits);
            enricher.enrich(&mut c.accepted, &Origin::default());
            c.accepted
        });
        drop(checked);
        let json = time("serialize", events, || serde_json::to_vec(&done).expect("json"));
        let lz4 = time("lz4", events, || lz4_flex::block::compress(&json));
        println!("{} bytes json, {} lz4", json.len() / events, lz4.len() / events);
        time("unlz4", events, || lz4_flex::block::decompress(&lz4, json.len()).expect("lz4"));
        time("deserialize", events, || {
            serde_json::from_slice::<Vec<tenrec::ingest::AcceptedEvent>>(&json).expect("json")
        });
        time("crc", events, || crc32fast::hash(&lz4));
        let raw = request.json(limits.max_body_bytes).expect("json").0.to_string();
        time("ignored any", events, || serde_json::from_str::<serde::de::IgnoredAny>(&raw).expect("json"));
        time("utf8", events, || std::str::from_utf8(raw.as_bytes()).expect("json").len());
        done.clear();
    }
}
