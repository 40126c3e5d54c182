//! What Tenrec counts about itself. Every name stands in this file; labels take few values, and never a user's.
//!
//! `metrics::EVENTS_STORED.add(n)`, `metrics::EVENTS_REJECTED.with("invalid_json").add(1)`, `metrics::HTTP_CONNECTIONS.set(n)`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Events whose capture request was answered with 200.
pub static EVENTS_ACCEPTED: Counter = Counter::new();
/// Events written to ClickHouse.
pub static EVENTS_STORED: Counter = Counter::new();
/// Events left out because one with the same project and uuid was stored before.
pub static EVENTS_DUPLICATE: Counter = Counter::new();
/// Events refused at the door, by reason.
pub static EVENTS_REJECTED: CounterVec = CounterVec::new("reason");
/// Events answered with 429 because their project sends too many.
pub static EVENTS_LIMITED: Counter = Counter::new();
/// Capture requests answered with 429 because their address sends too many.
pub static REQUESTS_LIMITED: Counter = Counter::new();
/// Events that no store takes, kept aside, by reason.
pub static EVENTS_QUARANTINED: CounterVec = CounterVec::new("reason");
/// Events in the ledger, by outcome: what was received is the sum of the others.
pub static LEDGER_EVENTS: CounterVec = CounterVec::new("outcome");
/// Requests of SDKs refused as a whole, by code. Those with an unknown key belong to no project and are counted here only.
pub static CAPTURE_REFUSED: CounterVec = CounterVec::new("code");
/// Parts of language models' events that were left out of them, by reason; the events are stored and name them.
pub static AI_PARTS_DROPPED: CounterVec = CounterVec::new("reason");
/// Requests of SDKs with what is not kept here, by kind, answered as if it were.
pub static SIDE_CHANNEL_REQUESTS: CounterVec = CounterVec::new("kind");
/// Bytes the spool takes on disk.
pub static SPOOL_USED_BYTES: Gauge = Gauge::new();
/// Bytes the spool may take before capture answers 503.
pub static SPOOL_MAX_BYTES: Gauge = Gauge::new();
/// Bytes of them that both stores have, kept for looking again.
pub static SPOOL_KEPT_BYTES: Gauge = Gauge::new();
/// Events in the spool that are not stored yet.
pub static SPOOL_WAITING_EVENTS: Gauge = Gauge::new();
/// Bytes free on the spool's disk.
pub static SPOOL_FREE_BYTES: Gauge = Gauge::new();
/// Whether the spool takes events (1) or not (0).
pub static SPOOL_ACCEPTING: Gauge = Gauge::new();
/// Places of the spool that could not be read, since the start.
pub static SPOOL_DAMAGED: Gauge = Gauge::new();
/// Events lost to damage of the spool since the start, as far as they could be counted.
pub static SPOOL_LOST_EVENTS: Gauge = Gauge::new();
/// Whether stored events are looked at again (1) or not (0): new ones wait meanwhile.
pub static SPOOL_LOOKING_AGAIN: Gauge = Gauge::new();
/// Events that a store had lost, stored again from what the spool kept.
pub static EVENTS_RESTORED: Counter = Counter::new();
/// Writes of the spool that failed since the start; their events were refused.
pub static SPOOL_FAILED_WRITES: Gauge = Gauge::new();
/// Segments of the spool that must have been there and were not.
pub static SPOOL_MISSING_SEGMENTS: Gauge = Gauge::new();
/// Requests in the spool that are not stored yet.
pub static SPOOL_WAITING_REQUESTS: Gauge = Gauge::new();
/// Things that events asked for and did not get, by reason; the events are stored.
pub static INGEST_WARNINGS: CounterVec = CounterVec::new("reason");
/// Tries of the pipeline that failed because a store was away or slow.
pub static PIPELINE_RETRIES: Counter = Counter::new();
/// Age of the oldest event that is being stored.
pub static PIPELINE_LAG_SECONDS: Gauge = Gauge::new();
/// Answers, by class of status (`2xx`).
pub static HTTP_RESPONSES: CounterVec = CounterVec::new("status");
/// Time from a request's head to its answer's head.
pub static HTTP_SECONDS: Histogram = Histogram::new();
/// Connections open now.
pub static HTTP_CONNECTIONS: Gauge = Gauge::new();
/// Connections closed at once because their address had too many open.
pub static HTTP_CONNECTIONS_REFUSED: Counter = Counter::new();
/// Connections closed because the other side was too slow, by what it was slow with.
pub static HTTP_TIMEOUTS: CounterVec = CounterVec::new("part");
/// Questions that are being answered.
pub static QUERIES_RUNNING: Gauge = Gauge::new();
/// Questions that wait for their turn.
pub static QUERIES_WAITING: Gauge = Gauge::new();
/// Answers to questions, by where they came from: kept from before, of a run that somebody else began, of one of their own.
pub static QUERY_ANSWERS: CounterVec = CounterVec::new("from");
/// Times an embedded store was started again.
pub static CHILD_RESTARTS: CounterVec = CounterVec::new("child");
/// Whether a part works (1) or not (0), as `/readyz` saw it last.
pub static PART_UP: GaugeVec = GaugeVec::new("part");

const ALL: &[(&str, &str, &dyn Metric)] = &[
    ("tenrec_events_accepted_total", "Events whose capture request was answered with 200", &EVENTS_ACCEPTED),
    ("tenrec_events_stored_total", "Events written to ClickHouse", &EVENTS_STORED),
    ("tenrec_events_duplicate_total", "Events left out because they were stored before", &EVENTS_DUPLICATE),
    ("tenrec_events_rejected_total", "Events refused at the door", &EVENTS_REJECTED),
    ("tenrec_events_limited_total", "Events answered with 429 because their project sends too many", &EVENTS_LIMITED),
    (
        "tenrec_requests_limited_total",
        "Capture requests answered with 429 because their address sends too many",
        &REQUESTS_LIMITED,
    ),
    ("tenrec_events_quarantined_total", "Events that no store takes, kept aside", &EVENTS_QUARANTINED),
    ("tenrec_ledger_events_total", "Events in the ledger by outcome", &LEDGER_EVENTS),
    ("tenrec_capture_refused_total", "Requests of SDKs refused as a whole", &CAPTURE_REFUSED),
    ("tenrec_ai_parts_dropped_total", "Parts of AI events that were left out of them", &AI_PARTS_DROPPED),
    ("tenrec_side_channel_requests_total", "Requests with what is not kept, by kind", &SIDE_CHANNEL_REQUESTS),
    ("tenrec_spool_used_bytes", "Bytes the spool takes on disk", &SPOOL_USED_BYTES),
    ("tenrec_spool_max_bytes", "Bytes the spool may take before capture answers 503", &SPOOL_MAX_BYTES),
    ("tenrec_spool_kept_bytes", "Bytes of stored events kept for looking again", &SPOOL_KEPT_BYTES),
    ("tenrec_spool_waiting_events", "Events in the spool that are not stored yet", &SPOOL_WAITING_EVENTS),
    ("tenrec_spool_free_bytes", "Bytes free on the disk of the spool", &SPOOL_FREE_BYTES),
    ("tenrec_spool_accepting", "Whether the spool takes events", &SPOOL_ACCEPTING),
    ("tenrec_spool_damaged_places", "Places of the spool that could not be read", &SPOOL_DAMAGED),
    ("tenrec_spool_lost_events", "Events known to be lost to damage of the spool", &SPOOL_LOST_EVENTS),
    (
        "tenrec_spool_looking_again",
        "Whether stored events are looked at again, and new ones wait",
        &SPOOL_LOOKING_AGAIN,
    ),
    ("tenrec_events_restored_total", "Events that a store had lost and that were stored again", &EVENTS_RESTORED),
    ("tenrec_spool_failed_writes", "Writes of the spool that failed since the start", &SPOOL_FAILED_WRITES),
    ("tenrec_spool_missing_segments", "Segments of the spool that were not there", &SPOOL_MISSING_SEGMENTS),
    ("tenrec_spool_waiting_requests", "Requests in the spool that are not stored yet", &SPOOL_WAITING_REQUESTS),
    ("tenrec_ingest_warnings_total", "Things that stored events asked for and did not get", &INGEST_WARNINGS),
    ("tenrec_pipeline_retries_total", "Tries that failed because a store was away or slow", &PIPELINE_RETRIES),
    ("tenrec_pipeline_lag_seconds", "Age of the oldest event that is being stored", &PIPELINE_LAG_SECONDS),
    ("tenrec_http_responses_total", "Answers by class of status", &HTTP_RESPONSES),
    ("tenrec_http_request_seconds", "Time from a request's head to its answer's head", &HTTP_SECONDS),
    ("tenrec_http_connections", "Connections open now", &HTTP_CONNECTIONS),
    (
        "tenrec_http_connections_refused_total",
        "Connections closed because their address had too many open",
        &HTTP_CONNECTIONS_REFUSED,
    ),
    ("tenrec_http_timeouts_total", "Connections closed because the other side was too slow", &HTTP_TIMEOUTS),
    ("tenrec_queries_running", "Questions that are being answered", &QUERIES_RUNNING),
    ("tenrec_queries_waiting", "Questions that wait for their turn", &QUERIES_WAITING),
    ("tenrec_query_answers_total", "Answers to questions, by where they came from", &QUERY_ANSWERS),
    ("tenrec_child_restarts_total", "Times an embedded store was started again", &CHILD_RESTARTS),
    ("tenrec_part_up", "Whether a part works", &PART_UP),
];

/// All metrics in Prometheus' text format.
#[must_use]
pub fn render() -> String {
    let mut out = String::with_capacity(4096);
    for (name, help, metric) in ALL {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", metric.kind());
        metric.render(name, &mut out);
    }
    out
}

trait Metric: Sync {
    fn kind(&self) -> &'static str;
    fn render(&self, name: &str, out: &mut String);
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes over a total that is counted elsewhere.
    pub fn set(&self, total: u64) {
        self.0.store(total, Ordering::Relaxed);
    }

    /// What was added so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metric for Counter {
    fn kind(&self) -> &'static str {
        "counter"
    }

    fn render(&self, name: &str, out: &mut String) {
        let _ = writeln!(out, "{name} {}", self.get());
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    /// Replaces it.
    pub fn set(&self, n: i64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Adds to it, or takes from it.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metric for Gauge {
    fn kind(&self) -> &'static str {
        "gauge"
    }

    fn render(&self, name: &str, out: &mut String) {
        let _ = writeln!(out, "{name} {}", self.get());
    }
}

/// One metric for each value of a label.
#[derive(Debug)]
pub struct Family<M: 'static> {
    label: &'static str,
    values: Mutex<BTreeMap<&'static str, Arc<M>>>,
}

/// Counters by a label.
pub type CounterVec = Family<Counter>;
/// Gauges by a label.
pub type GaugeVec = Family<Gauge>;

impl<M: Default> Family<M> {
    const fn new(label: &'static str) -> Self {
        Self { label, values: Mutex::new(BTreeMap::new()) }
    }

    /// The metric for one value of the label; values are words of the program, so there are few.
    pub fn with(&self, value: &'static str) -> Arc<M> {
        let mut values = self.values.lock().unwrap_or_else(|e| e.into_inner());
        Arc::clone(values.entry(value).or_default())
    }
}

impl<M: Metric + Default + Send> Metric for Family<M> {
    fn kind(&self) -> &'static str {
        M::default().kind()
    }

    fn render(&self, name: &str, out: &mut String) {
        for (value, metric) in &*self.values.lock().unwrap_or_else(|e| e.into_inner()) {
            metric.render(&format!("{name}{{{}=\"{value}\"}}", self.label), out);
        }
    }
}

/// Upper bounds of a histogram's buckets, in microseconds.
const BOUNDS_MICROS: [u64; 12] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];

/// How long something took, in buckets.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_MICROS.len()],
    count: AtomicU64,
    sum_micros: AtomicU64,
}

impl Histogram {
    const fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BOUNDS_MICROS.len()],
            count: AtomicU64::new(0),
            sum_micros: AtomicU64::new(0),
        }
    }

    /// Counts one.
    pub fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(at) = BOUNDS_MICROS.iter().position(|bound| micros <= *bound) {
            self.buckets[at].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Metric for Histogram {
    fn kind(&self) -> &'static str {
        "histogram"
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds for people to read")]
    fn render(&self, name: &str, out: &mut String) {
        let mut below = 0;
        for (bound, bucket) in BOUNDS_MICROS.iter().zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {below}", *bound as f64 / 1e6);
        }
        let count = self.count.load(Ordering::Relaxed);
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum {}", self.sum_micros.load(Ordering::Relaxed) as f64 / 1e6);
        let _ = writeln!(out, "{name}_count {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_render_as_prometheus_reads_them() {
        EVENTS_REJECTED.with("test_reason").add(2);
        EVENTS_REJECTED.with("test_reason").add(1);
        HTTP_SECONDS.record(Duration::from_millis(3));
        let text = render();
        assert!(text.contains("# TYPE tenrec_events_rejected_total counter\n"));
        assert!(text.contains("tenrec_events_rejected_total{reason=\"test_reason\"} 3\n"), "{text}");
        assert!(text.contains("tenrec_http_request_seconds_bucket{le=\"0.005\"} "));
        assert!(text.contains("tenrec_http_request_seconds_bucket{le=\"+Inf\"} "));
    }

    #[test]
    fn every_name_is_there_once() {
        let mut names: Vec<_> = ALL.iter().map(|(name, _, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
