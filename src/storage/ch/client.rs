//! The client, and where it connects.

use std::path::PathBuf;
use std::str::FromStr;

use clickhouse::query::Query;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;

use super::settling::Settling;
use super::{Sql, UnixConnector};

/// Why a statement failed.
pub type ChError = clickhouse::error::Error;

/// Where ClickHouse is.
#[derive(Debug, Clone)]
pub enum ClickHouseAddress {
    /// A server, by its HTTP address.
    Server { url: String, user: String, password: String, database: String },
    /// The embedded engine.
    Socket { path: PathBuf, database: String },
}

/// A URL that does not name a ClickHouse server.
#[derive(Debug, thiserror::Error)]
#[error("CLICKHOUSE_URL must look like http://user:password@host:8123/database: {0}")]
pub struct InvalidClickHouseUrl(String);

impl FromStr for ClickHouseAddress {
    type Err = InvalidClickHouseUrl;

    /// Reads `http[s]://[user[:password]@]host[:port][/database]`; user `default` and database `tenrec` if not given.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let uri: http::Uri = s.parse().map_err(|e| InvalidClickHouseUrl(format!("{e}")))?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(InvalidClickHouseUrl("it has no http:// or https:// and host".to_owned()));
        };
        let (credentials, _) = authority.as_str().rsplit_once('@').unwrap_or(("default", ""));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let port = authority.port_u16().unwrap_or(if scheme == "https" { 8443 } else { 8123 });
        let database = match uri.path().trim_matches('/') {
            "" => "tenrec",
            name if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => name,
            name => return Err(InvalidClickHouseUrl(format!("{name:?} is no database name of letters, digits and _"))),
        };
        Ok(Self::Server {
            url: format!("{scheme}://{}:{port}", authority.host()),
            user: decode(user),
            password: decode(password),
            database: database.to_owned(),
        })
    }
}

/// Undoes percent-encoding, as a password in a URL needs it.
fn decode(s: &str) -> String {
    serde_urlencoded::from_str::<Vec<(String, String)>>(&format!("v={}", s.replace('+', "%2B")))
        .ok()
        .and_then(|mut pairs| pairs.pop())
        .map_or_else(|| s.to_owned(), |(_, value)| value)
}

/// A client of one database in ClickHouse. Cheap to clone.
#[derive(Clone)]
pub struct ClickHouse {
    client: clickhouse::Client,
    database: String,
    /// The way to our own child, beside its statements; none to a server.
    engine: Option<HttpClient<UnixConnector, String>>,
    pub(super) settling: Settling,
}

impl std::fmt::Debug for ClickHouse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClickHouse").field("database", &self.database).finish_non_exhaustive()
    }
}

impl ClickHouse {
    /// A client that connects when first used.
    #[must_use]
    pub fn new(address: &ClickHouseAddress) -> Self {
        let (client, database, engine) = match address {
            ClickHouseAddress::Server { url, user, password, database } => {
                let client = clickhouse::Client::default().with_url(url).with_user(user);
                (if password.is_empty() { client } else { client.with_password(password) }, database, None)
            }
            ClickHouseAddress::Socket { path, database } => {
                let http = HttpClient::builder(TokioExecutor::new()).build(UnixConnector::new(path.clone()));
                let engine = HttpClient::builder(TokioExecutor::new()).build(UnixConnector::new(path.clone()));
                (clickhouse::Client::with_http_client(http).with_url("http://engine"), database, Some(engine))
            }
        };
        let client = client
            .with_compression(clickhouse::Compression::None)
            // Of all statements: what was deleted is in no answer, though a part that is being merged still holds it.
            .with_setting("apply_mutations_on_fly", "1")
            .with_product_info("tenrec", env!("CARGO_PKG_VERSION"));
        Self { client, database: database.clone(), engine, settling: Settling::default() }
    }

    /// The database that holds Tenrec's tables.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Whether there may be something in between that keeps a statement for a while: it is not our own child on a socket.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.engine.is_none()
    }

    /// Whether ClickHouse answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), ChError> {
        self.client.query_raw("SELECT 1").fetch_one::<u8>().await.map(drop)
    }

    /// Whether ClickHouse is there at all. It is also where it has no place for another statement: our own child says so, and
    /// a server that refuses has answered.
    pub(super) async fn is_there(&self) -> bool {
        match &self.engine {
            Some(engine) => {
                let answer = engine.get(http::Uri::from_static("http://engine/ping")).await;
                answer.is_ok_and(|answer| answer.status().is_success())
            }
            None => !matches!(self.ping().await, Err(ChError::Network(_) | ChError::TimedOut)),
        }
    }

    /// A statement that changes the schema; `text` is ours, never a request's.
    pub(in crate::storage) async fn execute_in(&self, database: Option<&str>, text: &str) -> Result<(), ChError> {
        let client = match database {
            Some(database) => self.client.clone().with_database(database),
            None => self.client.clone(),
        };
        client.query_raw(text).execute().await
    }

    /// ClickHouse's version.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn server_version(&self) -> Result<String, ChError> {
        self.client.query_raw("SELECT version()").fetch_one().await
    }

    /// A client that needs no database to be there.
    pub(in crate::storage) fn client_of_no_database(&self) -> clickhouse::Client {
        self.client.clone()
    }

    /// A client of the database, for inserts.
    pub(in crate::storage) fn client(&self) -> clickhouse::Client {
        self.client.clone().with_database(&self.database)
    }

    /// A read-only question: limited in time, memory and rows. Dropping it, or what it is fetched by, breaks the connection, and
    /// that ends the statement: a server is told so here, and the engine does it by itself.
    pub(in crate::storage) fn ask(&self, sql: &Sql) -> Query {
        let query = self
            .client()
            .query_raw(sql.text())
            .with_setting("readonly", "2")
            .with_setting("max_execution_time", "30")
            .with_setting("max_memory_usage", "1000000000")
            .with_setting("cancel_http_readonly_queries_on_client_close", "1")
            .with_setting("output_format_binary_write_json_as_string", "1")
            // The engine's first choice deals both sides out to its threads, which costs several times what it looks up.
            .with_setting("join_algorithm", "direct,hash")
            .with_setting("json_type_escape_dots_in_keys", "1");
        // A statement may name a million people.
        let query = match sql.text().len() {
            0..200_000 => query,
            long => query.with_setting("max_query_size", (long + 10_000).to_string()),
        };
        sql.params().iter().enumerate().fold(query, |query, (at, value)| query.param(&Sql::param_name(at), value))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What is said of a server that answers a question so.
    async fn is_there(answer: &str) -> bool {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", server.local_addr().expect("an address"));
        let (user, password, database) = ("default".to_owned(), String::new(), "tenrec".to_owned());
        let ch = ClickHouse::new(&ClickHouseAddress::Server { url, user, password, database });
        let serve = async {
            let (mut stream, _) = server.accept().await.expect("a connection");
            let mut asked = Vec::new();
            while !asked.windows(6).any(|word| word == b"SELECT") {
                assert_ne!(stream.read_buf(&mut asked).await.expect("a question"), 0);
            }
            stream.write_all(answer.as_bytes()).await.expect("the answer is read");
        };
        tokio::join!(serve, ch.is_there()).1
    }

    #[tokio::test]
    async fn a_server_that_refuses_a_statement_is_there() {
        let refusal = "Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)";
        let head = "HTTP/1.1 500 Internal Server Error\r\nX-ClickHouse-Exception-Code: 202\r\nConnection: close";
        assert!(is_there(&format!("{head}\r\nContent-Length: {}\r\n\r\n{refusal}", refusal.len())).await);
        assert!(!is_there("").await, "it hung up without a word");
    }

    #[test]
    fn a_url_gives_user_password_and_database_apart() {
        let address: ClickHouseAddress = "https://u:p%40ss+1@ch.example/db".parse().expect("a server");
        let ClickHouseAddress::Server { url, user, password, database } = address else { panic!("a server") };
        assert_eq!(
            (url.as_str(), user.as_str(), password.as_str(), database.as_str()),
            ("https://ch.example:8443", "u", "p@ss+1", "db")
        );
        assert!("ch.example:8123".parse::<ClickHouseAddress>().is_err());
        assert!("http://ch/a-b;c".parse::<ClickHouseAddress>().is_err());
    }
}
