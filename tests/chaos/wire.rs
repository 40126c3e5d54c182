//! Events on the wire, in every form that SDKs send them, and what the answer says of each.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tenrec::model::Clock;
use uuid::Uuid;

use crate::lz64;
use crate::oracle::Event;
use crate::poison::NO_UTF_8;
use crate::rng::Rng;

/// The project's key.
pub const KEY: &str = "phc_chaos";

/// A form of request.
#[expect(clippy::enum_variant_names, reason = "a form's field is what it is")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One event as JSON to `/e/`.
    Single,
    /// One event as base64 in the query of a GET.
    Get,
    /// One event as JSON to `/track/`.
    Track,
    /// An array to `/e/`, packed as today's browsers do it, which say so in the query.
    BrowserGzip,
    /// An array to `/e/` in a form's field, as browsers of 2020 packed it.
    Lz64,
    /// An array to `/e/` in a form's field, as a page sends it while it closes.
    Base64Form,
    /// An array to `/i/v0/e/`, packed, without any word of it.
    V0,
    /// A batch to `/batch/`, with the sender's clock.
    Batch,
    /// The same, packed.
    BatchGzip,
    /// Capture v1: an answer for every event.
    V1,
}

impl Form {
    /// A form that takes so many events.
    pub fn choose(rng: &mut Rng, events: usize) -> Self {
        const ONE: [Form; 3] = [Form::Single, Form::Get, Form::Track];
        const SOME: [Form; 7] =
            [Form::BrowserGzip, Form::Lz64, Form::Base64Form, Form::V0, Form::Batch, Form::BatchGzip, Form::V1];
        if events == 1 && rng.percent(70) { *rng.pick(&ONE) } else { *rng.pick(&SOME) }
    }

    /// The request to the server of this address.
    pub fn request(self, base: &str, events: &[Event], attempt: u32) -> Request<Full<Bytes>> {
        let now = Clock::system().now();
        let array = || format!("[{}]", joined(events, |event| text(event, &json!({"token": KEY}), "")));
        let one = || text(&events[0], &json!({}), &format!(r#""api_key":"{KEY}","#));
        let batch = || {
            let events = joined(events, |event| text(event, &json!({}), ""));
            format!(r#"{{"api_key":"{KEY}","sent_at":"{now}","batch":[{events}]}}"#)
        };
        let form = |packed: &str, rest: &str| {
            let fields = serde_urlencoded::to_string([("data", packed)]).unwrap();
            Bytes::from(fields + rest)
        };
        let millis = now.as_millisecond();
        let (path, content_type, body) = match self {
            Self::Single => ("/e/".to_owned(), "application/json", one().into()),
            Self::Track => ("/track/".to_owned(), "application/json", one().into()),
            Self::Get => {
                let data = serde_urlencoded::to_string([("data", STANDARD.encode(one()))]).unwrap();
                (format!("/e/?{data}&ip=1&_={millis}&ver=1.57.2"), "", Bytes::new())
            }
            Self::BrowserGzip => {
                let query = format!("/e/?compression=gzip-js&ip=0&_={millis}&ver=1.391.2");
                (query, "text/plain", gzip(&bytes(array())))
            }
            Self::Lz64 => {
                let body = form(&lz64::compress(&array()), "&compression=lz64");
                ("/e/?compression=lz64&ip=1".to_owned(), "application/x-www-form-urlencoded", body)
            }
            Self::Base64Form => {
                let body = form(&STANDARD.encode(bytes(array())), "");
                ("/e/?beacon=1".to_owned(), "application/x-www-form-urlencoded", body)
            }
            Self::V0 => ("/i/v0/e/".to_owned(), "text/plain", gzip(&bytes(array()))),
            Self::Batch => ("/batch/".to_owned(), "application/json", bytes(batch()).into()),
            Self::BatchGzip => ("/batch/".to_owned(), "application/json", gzip(&bytes(batch()))),
            Self::V1 => {
                let events = joined(events, |event| text(event, &json!({}), ""));
                let body = format!(r#"{{"created_at":"{now}","batch":[{events}]}}"#);
                ("/i/v1/analytics/events".to_owned(), "application/json", bytes(body).into())
            }
        };
        let method = if self == Self::Get { "GET" } else { "POST" };
        let mut request = Request::builder().method(method).uri(format!("{base}{path}"));
        request =
            request.header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        if self == Self::BatchGzip {
            request = request.header("content-encoding", "gzip");
        }
        if self == Self::V1 {
            request = request
                .header("authorization", format!("Bearer {KEY}"))
                .header("posthog-sdk-info", "posthog-node/5.70.0")
                .header("posthog-attempt", attempt.to_string())
                .header("posthog-request-id", Uuid::from_u128(now.as_nanosecond().unsigned_abs()).to_string())
                .header("posthog-request-timestamp", now.to_string());
        }
        request.body(Full::new(body)).unwrap()
    }

    /// Sorts the events of a request by what its answer says of them.
    pub fn read_answer(self, events: &[Event], status: StatusCode, body: &[u8]) -> Answer {
        let mut answer = Answer::default();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            answer.again = events.iter().map(|event| event.uuid).collect();
            return answer;
        }
        if !status.is_success() {
            answer.error =
                Some(format!("{self:?} of {} events: {status} {}", events.len(), String::from_utf8_lossy(body)));
            answer.refused = events.iter().map(|event| event.uuid).collect();
            return answer;
        }
        let said: Value = serde_json::from_slice(body).unwrap_or_else(|e| panic!("{self:?}: no JSON: {e}"));
        for (index, event) in events.iter().enumerate() {
            let group = match self {
                Self::V1 => match said["results"][event.uuid.to_string()]["result"].as_str() {
                    Some("ok" | "warning") => &mut answer.promised,
                    Some("drop") => &mut answer.refused,
                    Some("retry") => &mut answer.again,
                    other => panic!("no result for {}: {other:?} in {said}", event.uuid),
                },
                _ => {
                    let is_rejected = |rejected: &Vec<Value>| rejected.iter().any(|r| r["index"] == index);
                    let is_rejected = said["rejected"].as_array().is_some_and(is_rejected);
                    if is_rejected { &mut answer.refused } else { &mut answer.promised }
                }
            };
            group.push(event.uuid);
        }
        answer
    }
}

/// What an answer says of the events of its request.
#[derive(Debug, Default)]
pub struct Answer {
    pub promised: Vec<Uuid>,
    pub refused: Vec<Uuid>,
    /// The server asks to send them again.
    pub again: Vec<Uuid>,
    /// The request as a whole was found wrong.
    pub error: Option<String>,
}

fn joined(events: &[Event], text: impl Fn(&Event) -> String) -> String {
    events.iter().map(text).collect::<Vec<_>>().join(",")
}

/// An event as JSON. `beside` goes among its properties, `before` among its fields.
fn text(event: &Event, beside: &Value, before: &str) -> String {
    let mut properties = event.properties.clone();
    properties.extend(beside.as_object().unwrap().clone());
    let mut properties = Value::Object(properties).to_string();
    if let Some(raw) = &event.raw_property {
        properties.truncate(properties.len() - 1);
        properties.push_str(&format!(",{raw}}}"));
    }
    let timestamp = event.raw_timestamp.clone().unwrap_or_else(|| json!(event.at.to_string()).to_string());
    format!(
        r#"{{{before}"event":{},"distinct_id":{},"uuid":"{}","timestamp":{timestamp},"properties":{properties}}}"#,
        json!(event.name),
        json!(event.distinct_id),
        event.uuid,
    )
}

fn gzip(text: &[u8]) -> Bytes {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text).unwrap();
    packer.finish().unwrap().into()
}

/// The bytes of a text, with a mark in it replaced by some that are no text.
fn bytes(text: String) -> Vec<u8> {
    let mut mark = [0; 4];
    let mark = NO_UTF_8.encode_utf8(&mut mark).as_bytes();
    if !text.contains(NO_UTF_8) {
        return text.into_bytes();
    }
    let mut bytes = text.into_bytes();
    while let Some(at) = bytes.windows(mark.len()).position(|window| window == mark) {
        bytes.splice(at..at + mark.len(), [0xff, 0xc3, 0x28]);
    }
    bytes
}
