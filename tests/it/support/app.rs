//! A server of its own for each test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tenrec::app::Server;
use tenrec::config::Config;
use tenrec::http::AppState;
use tenrec::model::Clock;
use tenrec::storage::ch::{ClickHouse, ClickHouseAddress};
use tenrec::storage::pg::Pg;

use super::{Browser, Reply, SharedStores};
use crate::pipeline::proxy::Proxy;

/// The real server in this process, with databases and a spool of its own. Its clock stands at 2026-11-01T12:00:00Z unless
/// the test takes another. Dropping it drops the databases.
pub struct TestApp {
    name: String,
    address: SocketAddr,
    pub clock: Clock,
    server: Option<Server>,
    pg: PgPool,
    data_dir: PathBuf,
    config: Config,
    proxy: Option<Proxy>,
}

/// How a [`TestApp`] differs from the usual.
pub struct TestAppBuilder {
    clock: Clock,
    config: Config,
    has_proxy: bool,
}

impl TestAppBuilder {
    /// With something between the server and ClickHouse that can fail: [`TestApp::proxy`].
    pub fn behind_proxy(mut self) -> Self {
        self.has_proxy = true;
        self
    }

    /// With this clock instead of the frozen one.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// With a changed configuration.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts it.
    pub async fn start(self) -> TestApp {
        let stores = tokio::task::spawn_blocking(SharedStores::get).await.unwrap();
        let name = stores.fresh_name();
        stores.create_databases(&name).await;
        let pg = PgPoolOptions::new().max_connections(2).connect_lazy_with(stores.pg_options(&name));
        let data_dir = stores.fresh_dir(&name);
        let ClickHouseAddress::Socket { path, .. } = stores.ch_address(&name) else { panic!("a socket") };
        let mut app = TestApp {
            proxy: self.has_proxy.then(|| Proxy::start(&data_dir.join("proxy.sock"), path)),
            data_dir,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            name,
            clock: self.clock,
            server: None,
            pg,
            config: self.config,
        };
        app.start_server().await;
        app
    }
}

impl TestApp {
    /// Starts one as it comes.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Starts one that differs.
    pub fn builder() -> TestAppBuilder {
        let mut config = Config::defaults();
        config.server.host = std::net::Ipv4Addr::LOCALHOST.into();
        config.server.port = 0;
        config.limits.disk_ballast_mb = 0;
        // The clock stands still, so that an answer would be fresh for ever.
        config.limits.queries.query_cache_mb = 0;
        TestAppBuilder { clock: Clock::frozen("2026-11-01T12:00:00Z".parse().unwrap()), config, has_proxy: false }
    }

    async fn start_server(&mut self) {
        let stores = SharedStores::get();
        let pg = Pg::new(stores.pg_options(&self.name), 4);
        let mut address = stores.ch_address(&self.name);
        if let (Some(_), ClickHouseAddress::Socket { path, .. }) = (&self.proxy, &mut address) {
            *path = self.data_dir.join("proxy.sock");
        }
        let ch = ClickHouse::new(&address);
        let server = Server::start(self.config.clone(), self.clock.clone(), pg, ch, &self.data_dir).await;
        let server = server.unwrap_or_else(|e| panic!("the server did not start: {e:#}"));
        self.address = server.address();
        self.server = Some(server);
    }

    /// Ends the server in order; its data stays, and [`TestApp::restart`] finds it.
    pub async fn stop(&mut self) {
        let server = self.server.take().expect("it runs");
        let (pg, lifecycle) = (server.state().pg.clone(), server.lifecycle().clone());
        server.stop().await;
        pg.close().await;
        assert_eq!(lifecycle.failure(), None, "a worker failed");
    }

    /// Starts the server again on the same data.
    pub async fn restart(&mut self) {
        if self.server.is_some() {
            self.stop().await;
        }
        self.start_server().await;
    }

    /// What the handlers reach: the spool, both stores.
    pub fn state(&self) -> &AppState {
        self.server.as_ref().expect("it runs").state()
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    /// What stands between the server and ClickHouse.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("the test asked for one")
    }

    /// Where its spool and quarantine are.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path).body(Full::default()).unwrap()).await
    }

    /// `GET` with a personal API key.
    pub async fn get_with_key(&self, path: &str, key: &str) -> Reply {
        let request = self.request(Method::GET, path).header(header::AUTHORIZATION, format!("Bearer {key}"));
        self.send(request.body(Full::default()).unwrap()).await
    }

    /// `POST` of JSON.
    pub async fn post_json(&self, path: &str, body: &Value) -> Reply {
        self.post(path, "application/json", body.to_string()).await
    }

    /// `POST` of JSON with a personal API key.
    pub async fn post_json_with_key(&self, path: &str, key: &str, body: &Value) -> Reply {
        let request = self
            .request(Method::POST, path)
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Full::from(body.to_string())).unwrap()).await
    }

    /// `POST` of anything.
    pub async fn post(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        let request = self.request(Method::POST, path).header(header::CONTENT_TYPE, content_type);
        self.send(request.body(Full::from(body.into())).unwrap()).await
    }

    /// A request to complete; then [`TestApp::send`] it.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(self.url(path))
    }

    /// Sends any request.
    pub async fn send(&self, request: Request<Full<bytes::Bytes>>) -> Reply {
        Reply::of(request).await
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::new(format!("http://{}", self.address))
    }

    /// Waits until everything that was accepted so far is stored.
    pub async fn flush(&self) {
        let state = self.state();
        let stored = state.pipeline.stored_up_to(state.intake.position());
        let stored = tokio::time::timeout(Duration::from_secs(60), stored).await;
        assert_eq!(stored, Ok(true), "not all is stored: {:?}", state.pipeline.status());
    }

    /// One value from Postgres: `app.pg_value::<i64>("SELECT count(*) FROM persons").await`.
    pub async fn pg_value<T>(&self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pg).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// Runs a statement in Postgres.
    pub async fn pg_execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pg).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// A pool of the test's database, for more than one value.
    pub fn pg_pool(&self) -> &PgPool {
        &self.pg
    }

    /// Runs a statement in ClickHouse.
    pub async fn ch_execute(&self, sql: &str) {
        let client = SharedStores::get().ch_client(&self.name);
        client.query_raw(sql).execute().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// Rows of ClickHouse as JSON objects, numbers as numbers; as Tenrec sees them, without what is about to be deleted.
    pub async fn ch_rows(&self, sql: &str) -> Vec<Value> {
        let client = SharedStores::get()
            .ch_client(&self.name)
            .with_setting("output_format_json_quote_64bit_integers", "0")
            .with_setting("apply_mutations_on_fly", "1");
        let mut bytes = client.query_raw(sql).fetch_bytes("JSONEachRow").unwrap_or_else(|e| panic!("{sql}: {e}"));
        let text = bytes.collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let text = std::str::from_utf8(&text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The number that a `SELECT count() …` gives.
    pub async fn ch_count(&self, sql: &str) -> u64 {
        let rows = self.ch_rows(sql).await;
        let row = rows[0].as_object().unwrap();
        row.values().next().unwrap().as_u64().unwrap_or_else(|| panic!("{sql} gave {row:?}"))
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let name = self.name.clone();
        // A runtime of its own: the test's may be ending, and a destructor cannot wait.
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(SharedStores::get().drop_databases(&name));
        });
        let cleaned = cleaner.join();
        assert!(std::thread::panicking() || cleaned.is_ok(), "could not drop the test's databases");
    }
}
