//! Events to a running server, as any server SDK sends them: `POST /batch/`.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::DemoEvent;
use crate::model::ProjectApiKey;

/// Events in a request: about half a megabyte.
const BATCH: usize = 400;
/// How often a server that is busy is asked again.
const MAX_TRIES: u32 = 60;
/// Much more than an honest answer to a batch.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Posts batches of events to one project.
#[derive(Debug)]
pub struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    address: Uri,
    key: ProjectApiKey,
}

/// The last batch that was sent, by which to see when everything before it is stored too.
#[derive(Debug, Clone)]
pub struct LastBatch {
    pub uuids: Vec<Uuid>,
    /// When the earliest and the latest of them happened.
    pub from: Timestamp,
    pub to: Timestamp,
}

/// Why events could not be sent. Sending again is safe: an event counts once by its uuid.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("{0:?} is no http address such as http://localhost:8000")]
    Address(String),
    #[error("could not reach Tenrec at {address}: {reason}")]
    Unreachable { address: Uri, reason: String },
    #[error("Tenrec at {address} refused events: {status} {text}")]
    Refused { address: Uri, status: StatusCode, text: String },
    #[error("Tenrec at {address} was busy for too long; run it again later, what is there stays")]
    Busy { address: Uri },
}

impl Sender {
    /// Makes a sender for the Tenrec at `site` (`http://…`, no TLS) and the project with this key.
    ///
    /// # Errors
    /// If `site` is no http address.
    pub fn new(site: &str, key: ProjectApiKey) -> Result<Self, SendError> {
        let malformed = || SendError::Address(site.to_owned());
        let address: Uri = format!("{}/batch/", site.trim_end_matches('/')).parse().map_err(|_| malformed())?;
        if address.scheme_str() != Some("http") {
            return Err(malformed());
        }
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), address, key })
    }

    /// Sends all events in order, a batch at a time, and tells how many more were acknowledged after each. A busy server is
    /// waited for. Returns the last batch; nothing if there were no events.
    ///
    /// # Errors
    /// If the server cannot be reached, refuses a batch, or stays busy.
    pub async fn send(
        &self,
        events: impl Iterator<Item = DemoEvent>,
        mut on_sent: impl FnMut(usize),
    ) -> Result<Option<LastBatch>, SendError> {
        let mut events = events.peekable();
        let mut last = None;
        while let Some(first) = events.peek() {
            let (from, mut to, mut uuids) = (first.timestamp, first.timestamp, Vec::new());
            let batch: Vec<Value> = events
                .by_ref()
                .take(BATCH)
                .map(|event| {
                    to = event.timestamp;
                    uuids.extend(event.wire["uuid"].as_str().and_then(|uuid| uuid.parse::<Uuid>().ok()));
                    event.wire
                })
                .collect();
            let count = batch.len();
            let body = json!({ "api_key": self.key.as_str(), "historical_migration": true, "batch": batch });
            self.post(body.to_string().into()).await?;
            on_sent(count);
            last = Some(LastBatch { uuids, from, to });
        }
        Ok(last)
    }

    async fn post(&self, body: Bytes) -> Result<(), SendError> {
        for _ in 0..MAX_TRIES {
            let answer = self.post_once(body.clone()).await?;
            match answer.status() {
                StatusCode::OK => return Ok(()),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    tokio::time::sleep(retry_after(&answer)).await;
                }
                status => {
                    let text = String::from_utf8_lossy(answer.body()).trim().chars().take(300).collect();
                    return Err(SendError::Refused { address: self.address.clone(), status, text });
                }
            }
        }
        Err(SendError::Busy { address: self.address.clone() })
    }

    async fn post_once(&self, body: Bytes) -> Result<Response<Bytes>, SendError> {
        let unreachable = |reason: String| SendError::Unreachable { address: self.address.clone(), reason };
        let request = Request::post(self.address.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("the address is parsed and the header is fixed");
        let answer = self.client.request(request).await.map_err(|e| unreachable(deepest(&e)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|e| unreachable(e.to_string()))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// The innermost cause, which says what happened: "Connection refused", not "client error".
fn deepest(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), deepest)
}

fn retry_after(answer: &Response<Bytes>) -> Duration {
    let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1).min(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http() {
        let sender = |site| Sender::new(site, ProjectApiKey::generate());
        assert!(sender("http://localhost:8000/").is_ok_and(|s| s.address == "http://localhost:8000/batch/"));
        for bad in ["https://example.com", "localhost:8000", "", "http://"] {
            assert!(sender(bad).is_err(), "{bad:?}");
        }
    }
}
