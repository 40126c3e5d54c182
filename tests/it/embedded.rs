//! The embedded stores as others reach them.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::support::{SharedStores, TestApp};

#[tokio::test]
async fn each_test_has_databases_of_its_own() {
    let (one, two) = (TestApp::start().await, TestApp::start().await);
    one.pg_execute("INSERT INTO organizations VALUES (gen_random_uuid(), 'One', now())").await;
    assert_eq!(one.pg_value::<i64>("SELECT count(*) FROM organizations").await, 1);
    assert_eq!(two.pg_value::<i64>("SELECT count(*) FROM organizations").await, 0);
    assert_eq!(one.ch_count("SELECT count() FROM events").await, 0);
}

#[tokio::test]
async fn postgres_keeps_what_it_acknowledges_and_speaks_to_nobody_else() {
    let app = TestApp::start().await;
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
    ] {
        assert_eq!(app.pg_value::<String>(&format!("SELECT current_setting('{setting}')")).await, value, "{setting}");
    }
    let provider =
        "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = current_database()";
    assert_eq!(app.pg_value::<String>(provider).await, "b C.UTF-8");
}

#[tokio::test]
async fn nobody_else_may_enter_the_directories_of_sockets_and_data() {
    let stores = tokio::task::spawn_blocking(SharedStores::get).await.unwrap();
    let run = stores.data_dir().join("run");
    for dir in [
        run.join("postgres"),
        run.join("clickhouse"),
        stores.data_dir().join("postgres"),
        stores.data_dir().join("clickhouse"),
    ] {
        let found = std::fs::metadata(&dir).unwrap();
        assert_eq!(found.permissions().mode() & 0o077, 0, "{}", dir.display());
    }
    if nix::unistd::Uid::effective().is_root() {
        assert_eq!(std::fs::metadata(stores.data_dir().join("postgres")).unwrap().uid(), 65534);
    }
}

#[tokio::test]
async fn letters_beyond_ascii_have_upper_and_lower_case() {
    let app = TestApp::start().await;
    assert_eq!(app.pg_value::<String>("SELECT lower('ÉCOLE ΑΒΓ Ж')").await, "école αβγ ж");
}
