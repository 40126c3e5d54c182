//! One Postgres and one ClickHouse engine for all tests of this process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tenrec::config::Config;
use tenrec::embedded::Embedded;
use tenrec::storage::ch::{ClickHouse, ClickHouseAddress, UnixConnector};
use tenrec::storage::pg::{Pg, PgAddress};
use tokio::sync::OnceCell;

/// The stores of this process.
pub struct SharedStores {
    embedded: Embedded,
    dir: PathBuf,
    template: OnceCell<()>,
    next: AtomicU32,
}

/// The migrated database that each test's is a copy of.
const TEMPLATE: &str = "template_migrated";

impl SharedStores {
    /// Starts them on first use. They end with this process, however it ends, and so does their directory.
    pub fn get() -> &'static Self {
        static STORES: OnceLock<SharedStores> = OnceLock::new();
        STORES.get_or_init(|| {
            let dir = scratch_dir("stores");
            let mut config = Config::defaults().stores;
            config.data_dir = Some(dir.clone());
            config.parts_dir = Some(parts_dir());
            let program = Path::new(env!("CARGO_BIN_EXE_tenrec"));
            let embedded = Embedded::start(&config, program).unwrap_or_else(|e| panic!("{e}"));
            Self { embedded, dir, template: OnceCell::new(), next: AtomicU32::new(1) }
        })
    }

    /// The data directory of both.
    pub fn data_dir(&self) -> &Path {
        &self.dir
    }

    /// A name for a test's databases and directories.
    pub fn fresh_name(&self) -> String {
        format!("it_{}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// A directory for a test's files.
    pub fn fresh_dir(&self, name: &str) -> PathBuf {
        let dir = self.dir.join("tests").join(name);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// How to reach a database of Postgres.
    pub fn pg_options(&self, database: &str) -> PgConnectOptions {
        let dir = self.embedded.sockets().postgres.clone().unwrap();
        PgAddress::Socket { dir, database: database.to_owned() }.options()
    }

    /// How to reach a database of ClickHouse.
    pub fn ch_address(&self, database: &str) -> ClickHouseAddress {
        ClickHouseAddress::Socket {
            path: self.embedded.sockets().engine.clone().unwrap(),
            database: database.to_owned(),
        }
    }

    /// ClickHouse's own client, for what a test asks beside Tenrec.
    pub fn ch_client(&self, database: &str) -> clickhouse::Client {
        use hyper_util::client::legacy::Client;
        use hyper_util::rt::TokioExecutor;
        let socket = self.embedded.sockets().engine.clone().unwrap();
        let http = Client::builder(TokioExecutor::new()).build(UnixConnector::new(socket));
        clickhouse::Client::with_http_client(http).with_url("http://engine").with_database(database)
    }

    /// Makes fresh, migrated databases of this name in both.
    pub async fn create_databases(&self, name: &str) {
        self.template.get_or_init(|| self.create_template()).await;
        self.pg_admin(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")).await;
        ClickHouse::new(&self.ch_address(name)).migrate().await.unwrap();
    }

    /// Makes an empty database in Postgres.
    pub async fn create_empty_pg(&self, name: &str) {
        self.pg_admin(&format!("CREATE DATABASE {name}")).await;
    }

    /// Removes both databases of this name.
    pub async fn drop_databases(&self, name: &str) {
        self.pg_admin(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        let drop = format!("DROP DATABASE IF EXISTS {name} SYNC");
        self.ch_client("default").query_raw(&drop).execute().await.unwrap();
    }

    async fn create_template(&self) {
        self.pg_admin(&format!("CREATE DATABASE {TEMPLATE}")).await;
        let pg = Pg::new(self.pg_options(TEMPLATE), 2);
        pg.migrate().await.unwrap();
        pg.close().await;
    }

    async fn pg_admin(&self, sql: &str) {
        let mut connection = PgConnection::connect_with(&self.pg_options("postgres")).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        connection.close().await.unwrap();
    }
}

/// Where `npm ci` put the parts.
pub fn parts_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules")
}

/// A fresh directory that a child running as another user may pass. It is gone soon after this process has ended.
pub fn scratch_dir(name: &str) -> PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let root = ROOT.get_or_init(|| {
        let root = std::env::temp_dir().join(format!("tenrec-it-{}", std::process::id()));
        make_passable(&root);
        remove_after_us(&root);
        root
    });
    let dir = root.join(format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    make_passable(&dir);
    dir
}

fn make_passable(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711)).unwrap();
}

/// Removes the directory when this process has ended, even if it is killed: a shell waits for the end of its input, and
/// tries again while children of ours are still ending.
fn remove_after_us(dir: &Path) {
    use std::os::unix::process::CommandExt;
    let janitor = Command::new("sh")
        .args(["-c", "cat >/dev/null; for turn in 1 2 3 4 5 6 7 8 9; do sleep 1; rm -rf \"$0\" && exit; done"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    // Its input stays open as long as we live.
    std::mem::forget(janitor);
}

/// Waits until something holds; fails the test with `what` if it does not within a generous time.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "did not come true: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
