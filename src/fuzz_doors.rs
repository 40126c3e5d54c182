//! Doors for fuzzers to everything that reads bytes of strangers, or of a disk: what `fuzz/` enters by libFuzzer and the
//! tests below by a fixed seed. Only in tests and with the feature `fuzzing`.
//!
//! A door panics if a promise is broken: that is what a fuzzer looks for. Parameters stand on the first lines of the data,
//! so that seeds can be written and read by people.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use serde_json::Value;

use crate::config::{Config, EventLimits, LimitsConfig};
use crate::http::find_client_ip;
use crate::ingest::decode::{Encoded, decode};
use crate::ingest::elements::elements_chain;
use crate::ingest::enrich::{Enricher, Origin};
use crate::ingest::json;
use crate::ingest::normalise::normalise;
use crate::ingest::timestamp::{Claim, event_time, parse_query_clock, parse_value};
use crate::ingest::v1::V1Request;
use crate::ingest::{AcceptedEvent, CaptureRequest, Glanced, UnpackLimits};
use crate::model::{Clock, ProjectId, Properties};

mod spool;
#[cfg(test)]
mod tests;

/// A way in.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// Names it to the fuzzer, and its folder of seeds.
    pub name: &'static str,
    /// Panics if it finds a defect.
    pub enter: fn(&[u8]),
}

/// All of them.
pub const DOORS: &[Door] = &[
    Door { name: "decode_body", enter: decode_body },
    Door { name: "event_batch", enter: event_batch },
    Door { name: "v1_batch", enter: v1_batch },
    Door { name: "ai_form", enter: ai_form },
    Door { name: "json", enter: json },
    Door { name: "normalise", enter: normalise_twice },
    Door { name: "timestamp", enter: timestamp },
    Door { name: "elements", enter: elements },
    Door { name: "enrich", enter: enrich },
    Door { name: "headers", enter: headers },
    Door { name: "spool", enter: spool::enter },
];

/// What is unpacked may be so large here: a fuzzer has little memory and less time.
const MAX_BYTES: usize = 4 << 20;

/// Takes the first line off; what is no UTF-8 is replaced.
fn line<'a>(data: &mut &'a [u8]) -> std::borrow::Cow<'a, str> {
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    *data = rest.get(1..).unwrap_or_default();
    String::from_utf8_lossy(line)
}

/// A line, or nothing.
fn optional(data: &mut &[u8]) -> Option<String> {
    Some(line(data).into_owned()).filter(|text| !text.is_empty())
}

fn limits() -> LimitsConfig {
    LimitsConfig { max_body_bytes: MAX_BYTES, max_event_bytes: 64 << 10, ..Config::defaults().limits }
}

/// So tight that most events have something cut.
fn tight_limits() -> LimitsConfig {
    let event = EventLimits {
        max_event_properties: 3,
        max_event_values: 10,
        max_key_bytes: 12,
        max_text_bytes: 24,
        max_nesting: 3,
        max_event_ahead_hours: 1,
        max_event_age_days: 1,
    };
    LimitsConfig { max_event_bytes: 256, max_request_values: 1000, max_unpack_ratio: 10, event, ..limits() }
}

fn clock() -> Clock {
    Clock::frozen("2026-11-01T12:00:00Z".parse().expect("a timestamp"))
}

/// Query, content type and content encoding on lines of their own, then the body.
fn decode_body(data: &[u8]) {
    decoded(data, |json| {
        assert!(json.len() <= MAX_BYTES);
        let text = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json).trim_ascii_start();
        assert!(matches!(text.first(), Some(b'{' | b'[')));
    });
}

/// What `look` makes of the JSON of such a body, if it has any.
fn decoded<T>(mut data: &[u8], look: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let (query, content_type, content_encoding) = (line(&mut data), optional(&mut data), optional(&mut data));
    let request = Encoded {
        query: &query,
        content_type: content_type.as_deref(),
        content_encoding: content_encoding.as_deref(),
        body: data,
    };
    decode(&request, UnpackLimits::up_to(MAX_BYTES)).ok().map(|json| look(&json))
}

/// Query and, for `/engage/`, the word `engage` on lines of their own, then the body.
fn event_batch(mut data: &[u8]) {
    let request = CaptureRequest {
        query: line(&mut data).into_owned(),
        is_person_update: line(&mut data) == "engage",
        body: Bytes::copy_from_slice(data),
        ..CaptureRequest::default()
    };
    for limits in [limits(), tight_limits()] {
        read_batch(&request, &limits);
    }
}

fn read_batch(request: &CaptureRequest, limits: &LimitsConfig) {
    let glanced = request.glance(limits);
    let checked = request.read(limits).map(|read| read.check(ProjectId::new(1), &clock(), limits));
    if let Ok(Glanced::Scanned { glance, .. }) = glanced {
        let accepted = checked.as_ref().expect("a glance let it pass").accepted.len();
        assert_eq!(accepted, glance.events as usize, "a glance let something pass that is refused");
    }
    if let Ok(checked) = checked {
        checked.accepted.iter().for_each(|event| assert_storable(event, &limits.event));
    }
}

/// Content encoding and name of the SDK on lines of their own, then the body.
fn v1_batch(mut data: &[u8]) {
    let clock = clock();
    let request = V1Request {
        key: "phc_fuzz".parse().expect("a key"),
        content_encoding: optional(&mut data),
        sdk_info: line(&mut data).into_owned(),
        sent_at: clock.now(),
        body: Bytes::copy_from_slice(data),
        is_ai: false,
        origin: Origin::default(),
    };
    for limits in [limits(), tight_limits()] {
        if let Ok(checked) = request.check(ProjectId::new(1), &clock, &limits) {
            assert!(checked.accepted.len() <= checked.results.len());
            checked.accepted.iter().for_each(|event| assert_storable(event, &limits.event));
        }
    }
}

/// Content type on a line of its own, then the form.
fn ai_form(mut data: &[u8]) {
    let request = CaptureRequest {
        content_type: optional(&mut data),
        body: Bytes::copy_from_slice(data),
        ..CaptureRequest::default()
    };
    let key = "phc_fuzz".parse().expect("a key");
    for limits in [limits(), tight_limits()] {
        if let Ok((read, parts)) = request.read_form(Some(&key), &limits) {
            assert!(!parts.is_empty());
            let checked = read.check(ProjectId::new(1), &clock(), &limits);
            assert_eq!(checked.accepted.len() + checked.rejected.len(), 1);
            checked.accepted.iter().for_each(|event| assert_storable(event, &limits.event));
        }
    }
}

/// What the spool and both stores rely on.
fn assert_storable(event: &AcceptedEvent, limits: &EventLimits) {
    for name in [&event.event, &event.distinct_id] {
        assert!((1..=200).contains(&name.chars().count()) && !name.contains('\0'), "{name:?}");
    }
    let mut again = event.properties.clone().into();
    normalise(&mut again, limits);
    assert_eq!(Properties::from(again), event.properties, "normalising twice changed something");
    let text = serde_json::to_vec(event).expect("an event is JSON");
    let read: AcceptedEvent = serde_json::from_slice(&text).expect("what was written can be read");
    assert_eq!(&read, event);
}

fn json(data: &[u8]) {
    if let Ok(value) = json::parse(data) {
        let again = json::parse(value.to_string().as_bytes()).expect("what was parsed is JSON");
        assert_eq!(again, value);
    }
}

fn normalise_twice(data: &[u8]) {
    let Ok(Value::Object(properties)) = json::parse(data) else { return };
    for limits in [EventLimits::DEFAULT, tight_limits().event] {
        let mut properties = properties.clone();
        normalise(&mut properties, &limits);
        assert!(properties.keys().all(|key| key.len() <= limits.max_key_bytes && !key.contains(['\0'])));
        let mut again = properties.clone();
        normalise(&mut again, &limits);
        assert_eq!(again, properties);
    }
}

/// Timestamp, offset and `sent_at` of an event on lines of their own, as JSON or as text.
fn timestamp(mut data: &[u8]) {
    let mut value = || {
        let text = line(&mut data).into_owned();
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    let (timestamp, offset, sent_at) = (value(), value(), value());
    if let Some(text) = sent_at.as_str() {
        let _ = parse_query_clock(text);
    }
    let now = clock().now();
    let claim = Claim {
        now,
        sent_at: parse_value(&sent_at),
        timestamp: Some(&timestamp),
        offset: Some(&offset),
        ignore_sent_at: sent_at.is_null(),
    };
    let time = event_time(&claim, &EventLimits::DEFAULT);
    assert!(time.at >= jiff::Timestamp::UNIX_EPOCH);
    assert!(time.at.duration_since(now) <= jiff::SignedDuration::from_hours(24));
    let time = event_time(&claim, &tight_limits().event);
    assert!(time.at.duration_since(now).abs() <= jiff::SignedDuration::from_hours(24));
}

fn elements(data: &[u8]) {
    if let Ok(Value::Array(elements)) = json::parse(data) {
        let _ = elements_chain(&elements);
    }
}

/// `User-Agent` and address on lines of their own, then the properties.
fn enrich(mut data: &[u8]) {
    let (user_agent, ip) = (optional(&mut data), line(&mut data).parse().ok());
    let sent = json::parse(data).ok().and_then(|value| value.as_object().cloned()).map(Properties::from);
    let mut sent = sent.unwrap_or_else(|| {
        // No JSON: a text to be read as whatever addresses and names are read from.
        let text = String::from_utf8_lossy(data);
        let keys = ["$raw_user_agent", "$referrer", "$current_url", "$host", "utm_source", "$ip"];
        keys.into_iter().map(|key| (key, text.as_ref().into())).collect()
    });
    let mut properties = sent.clone();
    let enricher = Enricher::default();
    enricher.complete(&mut properties, &enricher.locate(&Origin { ip, user_agent }));
    sent.remove("$ip");
    for (key, value) in sent.iter() {
        assert_eq!(properties.get(key), Some(value), "{key} was changed");
    }
}

/// The peer's address and the trusted networks on lines of their own, then lines of `X-Forwarded-For`.
fn headers(mut data: &[u8]) {
    let peer = line(&mut data).parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let trusted: Vec<ipnet::IpNet> = line(&mut data).split(' ').filter_map(|net| net.parse().ok()).collect();
    let mut headers = HeaderMap::new();
    for value in data.split(|b| *b == b'\n').filter_map(|value| HeaderValue::from_bytes(value).ok()).take(100) {
        headers.append("x-forwarded-for", value);
    }
    let found = find_client_ip(peer, &headers, &trusted);
    if !trusted.iter().any(|net| net.contains(&peer)) {
        assert_eq!(found, peer);
    }
}
