//! What a request asks: parameters from the URL, a form or headers, and the body as a blocking reader.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, Method};
use tokio::sync::mpsc;

use super::super::error::EngineError;
use super::super::statement::NEED_WHOLE;
use super::compression::Encoding;

/// A request's parameters, sorted by what they are for.
#[derive(Debug, Default)]
pub struct Parameters {
    /// The statement, or its beginning: the body may go on from there.
    pub query: String,
    pub database: Option<String>,
    pub default_format: Option<String>,
    pub query_id: Option<String>,
    pub user: Option<String>,
    pub password: Option<String>,
    /// Values of `{name:Type}` placeholders.
    pub params: Vec<(String, String)>,
    /// Everything that is no parameter of the interface is a setting of the engine.
    pub settings: Vec<(String, String)>,
    /// The body is in the engine's own compressed blocks.
    pub is_body_native: bool,
    /// The response shall be.
    pub is_response_native: bool,
    /// Answer only when the whole result is there.
    pub is_whole: bool,
    /// The client wants HTTP compression; without this the engine's clients read either.
    pub is_http_compression: bool,
    pub is_read_only: bool,
}

impl Parameters {
    /// From a URL's query string and a request's headers.
    pub fn new(method: &Method, query_string: &str, headers: &HeaderMap) -> Result<Self, EngineError> {
        let mut parameters = Self { is_read_only: method == Method::GET, ..Self::default() };
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        parameters.database = header("x-clickhouse-database");
        parameters.default_format = header("x-clickhouse-format");
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query_string)
            .map_err(|_| EngineError::bad_arguments("The URL's parameters are malformed"))?;
        parameters.add(pairs)?;
        Ok(parameters)
    }

    /// Adds named values from the URL or a form.
    pub fn add(&mut self, pairs: Vec<(String, String)>) -> Result<(), EngineError> {
        let is_on = |value: &str| !matches!(value, "" | "0" | "false");
        for (name, value) in pairs {
            match name.as_str() {
                "query" => self.query.push_str(&value),
                "database" => self.database = Some(value),
                "default_format" => self.default_format = Some(value),
                "query_id" => self.query_id = Some(value).filter(|id| !id.is_empty()),
                "user" => self.user = Some(value),
                "password" => self.password = Some(value),
                "decompress" => self.is_body_native = is_on(&value),
                "compress" => self.is_response_native = is_on(&value),
                "wait_end_of_query" => self.is_whole = is_on(&value),
                "role" if !value.is_empty() => {
                    return Err(EngineError::new(
                        511,
                        "UNKNOWN_ROLE",
                        &format!("There is no role `{value}` in the embedded engine"),
                    ));
                }
                "role"
                | "quota_key"
                | "stacktrace"
                | "buffer_size"
                | "session_id"
                | "session_timeout"
                | "session_check"
                | "close_session"
                | "client_protocol_version" => {}
                _ => match name.strip_prefix("param_") {
                    Some(param) => self.params.push((param.to_owned(), value)),
                    None => {
                        if name == "enable_http_compression" {
                            self.is_http_compression = is_on(&value);
                        }
                        self.is_whole |= NEED_WHOLE.contains(&name.as_str()) && is_on(&value);
                        self.settings.push((name, value));
                    }
                },
            }
        }
        Ok(())
    }

    /// How the response shall be compressed.
    pub fn encoding(&self, headers: &HeaderMap) -> Encoding {
        let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        match accepted {
            _ if self.is_response_native => Encoding::Native,
            Some(accepted) if self.is_http_compression => Encoding::accepted(accepted),
            _ => Encoding::Identity,
        }
    }
}

/// The body's `Content-Encoding`, in lower case.
pub fn content_encoding(headers: &HeaderMap) -> Option<String> {
    headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase)
}

/// A body as a blocking reader: fed by a task, read by the request's thread.
///
/// A body that breaks off is an error, never an end: an insert cut short must not be stored.
pub struct BodyReader {
    chunks: mpsc::Receiver<BodyChunk>,
    current: Bytes,
    is_ended: bool,
}

/// What the feeding task sends.
pub enum BodyChunk {
    Data(Bytes),
    End,
}

impl BodyReader {
    pub fn new(chunks: mpsc::Receiver<BodyChunk>) -> Self {
        Self { chunks, current: Bytes::new(), is_ended: false }
    }

    /// For a request whose body was read already.
    pub fn empty() -> Self {
        Self { chunks: mpsc::channel(1).1, current: Bytes::new(), is_ended: true }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.is_ended {
                return Ok(0);
            }
            match self.chunks.blocking_recv() {
                Some(BodyChunk::Data(data)) => self.current = data,
                Some(BodyChunk::End) => self.is_ended = true,
                None => {
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client broke off its request"));
                }
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_sorted() {
        let query =
            "query=SELECT+1&database=a&param_x=%27&max_threads=2&session_id=s&compress=1&enable_http_compression=1";
        let parameters = Parameters::new(&Method::GET, query, &HeaderMap::new()).unwrap();
        assert_eq!(parameters.query, "SELECT 1");
        assert_eq!(parameters.database.as_deref(), Some("a"));
        assert_eq!(parameters.params, [("x".to_owned(), "'".to_owned())]);
        assert_eq!(
            parameters.settings.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["max_threads", "enable_http_compression"]
        );
        assert!(parameters.is_read_only && parameters.is_response_native);
    }

    #[test]
    fn a_broken_body_is_an_error_and_a_whole_one_an_end() {
        let read = |chunks: Vec<BodyChunk>| {
            let (sender, receiver) = mpsc::channel(4);
            for chunk in chunks {
                assert!(sender.try_send(chunk).is_ok());
            }
            drop(sender);
            let mut text = String::new();
            BodyReader::new(receiver).read_to_string(&mut text).map(|_| text)
        };
        assert_eq!(read(vec![BodyChunk::Data("a".into()), BodyChunk::Data("b".into()), BodyChunk::End]).unwrap(), "ab");
        assert!(read(vec![BodyChunk::Data("a".into())]).is_err());
    }
}
