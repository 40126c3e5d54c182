//! `tenrec engine` as the official `clickhouse` crate and plain HTTP see it.

mod confinement;
mod inserts;
mod process;
mod requests;
mod results;

use bytes::Bytes;
use clickhouse::Client;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use tenrec::storage::ch::UnixConnector;

use crate::support::Engine;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request over the socket. `Err` if the response breaks off.
async fn send(
    engine: &Engine,
    method: Method,
    query: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, String> {
    let client = HttpClient::builder(TokioExecutor::new()).build(UnixConnector::new(engine.socket()));
    let uri = format!("http://localhost/?{}", serde_urlencoded::to_string(query).unwrap());
    let request = Request::builder().method(method).uri(uri).body(Full::new(body.into())).unwrap();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

async fn post(engine: &Engine, query: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    send(engine, Method::POST, query, body).await.unwrap()
}

async fn count(client: &Client, table: &str) -> u64 {
    client.query(&format!("SELECT count() FROM {table}")).fetch_one().await.unwrap()
}
