//! The running server, asked over its API as anybody asks it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::processes::PROJECT_KEY;

/// As long as an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Server {
    address: SocketAddr,
    key: String,
}

impl Server {
    /// Signs in as the owner that the benchmark's server begins with, and makes a key for its API.
    pub fn sign_in(address: SocketAddr) -> Result<Self> {
        let form = |path: &str, fields: &[(&str, &str)], cookies: &str| {
            let body = serde_urlencoded::to_string(fields)?;
            let headers = format!(
                "Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://{address}\r\n\
                 Sec-Fetch-Site: same-origin\r\nAccept: text/html\r\n{cookies}"
            );
            post(address, path, &headers, &body)
        };
        let owner = [("email", "owner@example.com"), ("password", "correct horse battery staple")];
        let (head, _) = form("/login", &owner, "")?;
        let cookies: Vec<&str> = head
            .lines()
            .filter_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")))
            .filter_map(|(_, cookie)| cookie.trim().split(';').next())
            .collect();
        ensure!(!cookies.is_empty(), "signing in gave no cookie: {head}");
        let cookies = format!("Cookie: {}\r\n", cookies.join("; "));
        let (_, page) = form("/settings/api-keys", &[("label", "bench")], &cookies)?;
        let shown = page.split_once("id=\"personal-api-key\"").and_then(|(_, rest)| rest.split_once('>'));
        let key =
            shown.and_then(|(_, rest)| rest.split('<').next()).context("the page shows no key")?.trim().to_owned();
        Ok(Self { address, key })
    }

    /// Sends one event with these properties, of long before all others.
    pub fn capture(&self, properties: &Value) -> Result<()> {
        let event = json!({ "event": "$pageview", "distinct_id": "first", "timestamp": "2026-06-01T00:00:00Z",
            "properties": properties });
        let body = json!({ "api_key": PROJECT_KEY, "historical_migration": true, "batch": [event] }).to_string();
        let (head, _) = post(self.address, "/batch/", "Content-Type: application/json\r\n", &body)?;
        ensure!(head.contains(" 200 "), "{head}");
        Ok(())
    }

    /// Asks a question anew, whatever was answered before.
    pub fn ask(&self, query: &Value) -> Result<Value> {
        let body = json!({ "query": query, "refresh": "force_blocking" }).to_string();
        let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {}\r\n", self.key);
        let (head, body) = post(self.address, "/api/projects/1/query/", &headers, &body)?;
        if !head.contains(" 200 ") {
            bail!("{query}\n{head}\n{body}");
        }
        Ok(serde_json::from_str(&body)?)
    }
}

/// Sends a request; gives the answer's head and body. HTTP/1.0: the answer ends where the connection does.
fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no head")?;
    Ok((head.to_owned(), body.to_owned()))
}
