//! What an event costs our own code, stage by stage, in one thread and without any store.
//!
//!     BODIES=directory cargo bench --bench hot_path
//!
//! The directory holds `one.json`, `batch50.json` and `batch50.json.gz`: requests of 1 and 50 events of about 1.3 KB, with the
//! keys that the browser SDK sends.

use std::time::Instant;

use bytes::Bytes;
use tenrec::config::Config;
use tenrec::ingest::enrich::{Enricher, Origin};
use tenrec::ingest::scanned::{Facts, ScannedRequest};
use tenrec::ingest::{CaptureRequest, Glanced};
use tenrec::model::{Clock, PersonId, ProjectId};
use tenrec::storage::ch::{EventRow, event_blocks};

/// Works for a while, prints what an event cost, and gives the last result.
fn measure<T>(stage: &str, events: usize, mut work: impl FnMut() -> T) -> T {
    let mut result = work();
    let began = Instant::now();
    let mut rounds = 0;
    while began.elapsed().as_millis() < 500 {
        result = work();
        rounds += 1;
    }
    println!("  {stage:48} {:6.2} µs", began.elapsed().as_secs_f64() * 1e6 / (rounds * events) as f64);
    result
}

fn main() {
    let Ok(dir) = std::env::var("BODIES") else {
        println!("BODIES names no directory of request bodies: nothing is measured");
        return;
    };
    let limits = Config::defaults().limits;
    let (clock, enricher) = (Clock::default(), Enricher::default());
    for (name, events) in [("one.json", 1), ("batch50.json", 50), ("batch50.json.gz", 50)] {
        println!("{name}, for each of {events}");
        let body = Bytes::from(std::fs::read(format!("{dir}/{name}")).expect("a body"));
        let request = CaptureRequest { body, ..CaptureRequest::default() };
        let glanced = measure("at the door: decode and glance", events, || request.glance(&limits).expect("a request"));
        let Glanced::Scanned { json, glance, query_clock } = glanced else { panic!("a plain request") };
        let facts = Facts {
            project_id: ProjectId::new(1),
            received_at: clock.now(),
            query_clock,
            sender: enricher.locate(&Origin::default()),
            uuids: (0..glance.without_uuid).map(|_| clock.new_uuid()).collect(),
            limits: limits.event,
        };
        let packed = measure("at the door: pack for the spool", events, || lz4_flex::block::compress(&json));
        measure("behind the spool: unpack", events, || {
            lz4_flex::block::decompress(&packed, json.len()).expect("it was packed")
        });
        let scanned = ScannedRequest { facts, events: glance.events, json };
        let read = measure("behind the spool: read, check, enrich", events, || {
            scanned.clone().read(&enricher).expect("a glance let it pass")
        });
        let rows = || {
            read.events.iter().map(|event| EventRow {
                project_id: event.project_id,
                event: &event.event,
                timestamp: event.timestamp,
                person_id: PersonId::from_row(1),
                uuid: event.uuid,
                distinct_id: &event.distinct_id,
                received_at: event.received_at,
                inserted_by: 1,
                properties: &event.properties,
                person_properties: None,
            })
        };
        let blocks = measure("behind the spool: rows for ClickHouse", events, || event_blocks(rows()));
        assert_eq!(blocks.iter().map(tenrec::storage::ch::EventBlock::rows).sum::<usize>(), events);
    }
}
