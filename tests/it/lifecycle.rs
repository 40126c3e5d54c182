//! The start and the end of the real program.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Reply, SharedStores, Tenrec, TestApp, children_of, command_line, is_alive};

fn get(url: &str) -> Reply {
    let request = http::Request::get(url).body(http_body_util::Full::default()).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(Reply::of(request))
}

/// Polls until it holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "did not come true: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn kill_9(pid: u32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
}

#[test]
fn it_starts_ends_on_sigterm_with_code_0_leaves_no_child_and_finds_its_data_again() {
    let dir = Tenrec::fresh_data_dir();
    let mut tenrec = Tenrec::serve_on(&dir);
    tenrec.wait_for_line("first start only");
    let url = tenrec.wait_until_ready();
    get(&format!("{url}/readyz")).assert_ok();
    let children = tenrec.children("");
    assert_eq!(children.len(), 2, "{:?}", children.iter().map(|pid| command_line(*pid)).collect::<Vec<_>>());
    tenrec.signal(Signal::SIGTERM);
    let (status, said) = tenrec.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(children.iter().all(|pid| !is_alive(*pid)), "{said}");

    let mut again = Tenrec::serve_on(&dir);
    let url = again.wait_until_ready();
    get(&format!("{url}/readyz")).assert_ok();
    again.signal(Signal::SIGINT);
    let (status, said) = again.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!said.contains("first start only") && !said.contains("WARN"), "{said}");
    fs::remove_dir_all(dir.parent().unwrap()).unwrap();
}

#[test]
fn killed_children_are_back_and_the_server_ready_again() {
    let mut tenrec = Tenrec::serve();
    let url = tenrec.wait_until_ready();
    for (name, part) in [("postgres -D", "postgres"), ("tenrec engine", "clickhouse")] {
        let [pid] = tenrec.children(name)[..] else { panic!("one {name}") };
        kill_9(pid);
        until("another child of this name", || tenrec.children(name).first().is_some_and(|new| *new != pid));
        until("ready again", || get(&format!("{url}/readyz")).json()[part] == "up");
    }
    let metrics = get(&format!("{url}/metrics"));
    assert!(metrics.text().contains("tenrec_child_restarts_total{child=\"Postgres\"} 1"), "{}", metrics.text());
}

#[test]
fn without_clickhouse_it_is_ready_but_degraded_and_without_postgres_it_is_not() {
    let mut tenrec = Tenrec::serve();
    let url = tenrec.wait_until_ready();
    let signal = |pids: &[u32], signal| {
        for pid in pids {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), signal);
        }
    };
    let engine = tenrec.children("tenrec engine");
    signal(&engine, Signal::SIGSTOP);
    let ready = get(&format!("{url}/readyz"));
    assert_eq!(ready.assert_ok().json()["status"], "degraded");
    signal(&engine, Signal::SIGCONT);
    until("ready again", || get(&format!("{url}/readyz")).json()["status"] == "ready");

    // The postmaster, so that no connection is made, and then the process of every connection that is open.
    let [postmaster] = tenrec.children("postgres -D")[..] else { panic!("one postmaster") };
    signal(&[postmaster], Signal::SIGSTOP);
    let connections = children_of(postmaster);
    signal(&connections, Signal::SIGSTOP);
    let ready = get(&format!("{url}/readyz"));
    assert_eq!(ready.assert_status(503).json()["postgres"], "down");
    get(&format!("{url}/healthz")).assert_ok();
    signal(&connections, Signal::SIGCONT);
    signal(&[postmaster], Signal::SIGCONT);
    until("ready again", || get(&format!("{url}/readyz")).status == 200);
}

#[test]
fn children_end_when_tenrec_is_killed_and_the_next_start_recovers() {
    let dir = Tenrec::fresh_data_dir();
    let mut tenrec = Tenrec::serve_on(&dir);
    tenrec.wait_until_ready();
    let children = tenrec.children("");
    kill_9(tenrec.pid());
    // At once, without waiting for the children: the next start must cope with those that are still ending.
    let mut again = Tenrec::serve_on(&dir);
    let url = again.wait_until_ready();
    get(&format!("{url}/readyz")).assert_ok();
    assert!(children.iter().all(|pid| !is_alive(*pid)), "an orphan is left");
    drop((tenrec, again));
    until("the directory can be removed", || fs::remove_dir_all(dir.parent().unwrap()).is_ok());
}

#[test]
fn postgres_is_back_even_if_a_process_of_its_last_life_does_not_end_by_itself() {
    let mut tenrec = Tenrec::serve();
    let url = tenrec.wait_until_ready();
    let [postmaster] = tenrec.children("postgres -D")[..] else { panic!("one postmaster") };
    // It holds the shared memory, without which no other Postgres may start on the same data.
    let stuck = children_of(postmaster)[0];
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(stuck.cast_signed()), Signal::SIGSTOP).unwrap();
    kill_9(postmaster);
    until("another postmaster", || tenrec.children("postgres -D").first().is_some_and(|new| *new != postmaster));
    until("ready again", || get(&format!("{url}/readyz")).json()["postgres"] == "up");
    assert!(!is_alive(stuck));
}

#[test]
fn an_interrupted_first_start_is_done_again() {
    let dir = Tenrec::fresh_data_dir();
    fs::create_dir_all(dir.join("postgres.new/base")).unwrap();
    fs::write(dir.join("postgres.new/PG_VERSION"), "18\n").unwrap();
    let mut tenrec = Tenrec::serve_on(&dir);
    tenrec.wait_for_line("interrupted first start");
    tenrec.wait_until_ready();
    drop(tenrec);
    until("the directory can be removed", || fs::remove_dir_all(dir.parent().unwrap()).is_ok());
}

#[test]
fn a_pid_file_of_a_strange_process_does_not_block_the_start() {
    let dir = Tenrec::fresh_data_dir();
    let mut tenrec = Tenrec::serve_on(&dir);
    tenrec.wait_until_ready();
    tenrec.signal(Signal::SIGTERM);
    tenrec.wait();
    // As after a reboot: the number now belongs to another process, and that one is alive.
    let stranger = std::process::id();
    let pid_file = dir.join("postgres/postmaster.pid");
    fs::write(&pid_file, format!("{stranger}\n{}\n1\n5432\n\n\n\nready\n", dir.join("postgres").display())).unwrap();
    let mut again = Tenrec::serve_on(&dir);
    again.wait_until_ready();
    drop(again);
    until("the directory can be removed", || fs::remove_dir_all(dir.parent().unwrap()).is_ok());
}

#[test]
fn a_second_instance_on_the_same_data_directory_is_refused_by_one_clear_line() {
    let mut tenrec = Tenrec::serve();
    tenrec.wait_until_ready();
    let mut second = Tenrec::serve_on(&tenrec.data_dir);
    let (status, said) = second.wait();
    assert_eq!(status.code(), Some(1));
    let expected = format!("another Tenrec (process {}) uses", tenrec.pid());
    assert!(said.lines().filter(|line| line.contains(&expected)).count() == 1, "{said}");
    assert!(said.contains("TENREC_DATA_DIR"), "{said}");
}

#[test]
fn the_first_start_prints_a_link_that_makes_the_owner_and_a_provisioned_one_does_not() {
    let dir = Tenrec::fresh_data_dir();
    let mut tenrec = Tenrec::serve_on(&dir);
    let line = tenrec.wait_for_line("/setup?token=");
    let link = line.split_whitespace().last().unwrap();
    get(link).assert_ok();
    tenrec.signal(Signal::SIGTERM);
    tenrec.wait();

    let mut command = Tenrec::command(&dir, &["serve"]);
    command.envs([("TENREC_INIT_EMAIL", "ada@example.com"), ("TENREC_INIT_PASSWORD", "correct horse battery staple")]);
    command.env("TENREC_INIT_PERSONAL_KEY", "phx_0123456789abcdef0123456789abcdef");
    let mut tenrec = Tenrec::spawn(command, dir.clone());
    let url = tenrec.wait_until_ready();
    tenrec.wait_for_line("Sign in: ");
    let request = http::Request::get(format!("{url}/api/projects/"))
        .header("authorization", "Bearer phx_0123456789abcdef0123456789abcdef")
        .body(http_body_util::Full::default())
        .unwrap();
    let projects = tokio::runtime::Runtime::new().unwrap().block_on(Reply::of(request));
    projects.assert_ok();
    drop(tenrec);
    until("the directory can be removed", || fs::remove_dir_all(dir.parent().unwrap()).is_ok());
}

/// Runs to the end; gives the exit code and what was said.
fn run(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Tenrec::command(dir, args);
    command.envs(variables.iter().copied());
    let (status, said) = Tenrec::spawn(command, dir.to_owned()).wait();
    (status.code(), said)
}

#[test]
fn missing_and_broken_parts_are_one_clear_line_and_code_1() {
    let dir = Tenrec::fresh_data_dir();
    let scratch = dir.parent().unwrap();
    let empty = scratch.join("empty");
    fs::create_dir_all(&empty).unwrap();
    let (code, said) = run(&dir, &["serve"], &[("TENREC_PARTS_DIR", empty.to_str().unwrap())]);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("make parts") && said.contains("DATABASE_URL"), "{said}");

    // A library that was cut off while it was unpacked.
    let broken = scratch.join("broken");
    fs::create_dir_all(broken.join("@chdb/lib-linux-x64-gnu")).unwrap();
    fs::write(broken.join("@chdb/lib-linux-x64-gnu/libchdb.so"), b"\x7fELF").unwrap();
    std::os::unix::fs::symlink(
        crate::support::parts_dir().join("@embedded-postgres"),
        broken.join("@embedded-postgres"),
    )
    .unwrap();
    let (code, said) = run(&dir, &["serve"], &[("TENREC_PARTS_DIR", broken.to_str().unwrap())]);
    assert_eq!(code, Some(1), "{said}");
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error:")).collect();
    assert!(errors.len() == 1 && errors[0].contains("ClickHouse engine could not start"), "{said}");
    assert!(errors[0].contains("libchdb.so"), "{said}");
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn a_directory_that_the_postgres_user_cannot_pass_is_named() {
    use std::os::unix::fs::PermissionsExt;
    if !nix::unistd::Uid::effective().is_root() {
        return; // Postgres runs as ourselves and passes where we do.
    }
    let dir = Tenrec::fresh_data_dir();
    let scratch = dir.parent().unwrap();
    fs::set_permissions(scratch, fs::Permissions::from_mode(0o700)).unwrap();
    let (code, said) = run(&dir, &["serve"], &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&format!("cannot enter {}:", scratch.display())) && said.contains("TENREC_DATA_DIR"),
        "{said}"
    );
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn a_user_without_a_name_is_told_so_before_postgres_fails() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    // 3000000000 is in no list of users. Becoming it takes root, and a program where it can reach it.
    const NAMELESS: u32 = 3_000_000_000;
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let dir = Tenrec::fresh_data_dir();
    let scratch = dir.parent().unwrap();
    let program = scratch.join("tenrec");
    fs::copy(env!("CARGO_BIN_EXE_tenrec"), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    chown(scratch, Some(NAMELESS), Some(NAMELESS)).unwrap();
    // A server for the other store, so that nothing but Postgres is started.
    let mut command = std::process::Command::new(&program);
    command.env_clear().env("TENREC_DATA_DIR", &dir).env("TENREC_PARTS_DIR", crate::support::parts_dir());
    command.env("CLICKHOUSE_URL", "http://127.0.0.1:1").arg("serve").current_dir("/").uid(NAMELESS).gid(NAMELESS);
    let (status, said) = Tenrec::spawn(command, dir.clone()).wait();
    assert_eq!((status.code(), said.lines().count()), (Some(1), 1), "{said}");
    // Where the checkout itself is closed to others, that is what it says first.
    assert!(said.contains("uid 3000000000 has none in /etc/passwd") || said.contains("make parts"), "{said}");
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn a_taken_port_is_one_clear_line_and_no_child_is_left() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = Tenrec::fresh_data_dir();
    let (code, said) = run(&dir, &["serve"], &[("PORT", &port)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("set PORT to a free port"), "{said}");
    assert!(!dir.join("postgres/postmaster.pid").exists(), "Postgres was not stopped in order: {said}");
    fs::remove_dir_all(dir.parent().unwrap()).unwrap();
}

#[test]
fn misspelt_variables_are_refused_and_empty_ones_ignored() {
    let dir = Tenrec::fresh_data_dir();
    let (code, said) = run(&dir, &["serve"], &[("TENREC_DATADIR", "/x")]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("TENREC_DATADIR") && said.contains("TENREC_DATA_DIR"), "{said}");
    let empty = [("DATABASE_URL", ""), ("CLICKHOUSE_URL", ""), ("SITE_URL", ""), ("TENREC_INIT_EMAIL", "")];
    let (code, said) = run(&dir, &["migrate"], &empty);
    assert_eq!(code, Some(0), "{said}");
    fs::remove_dir_all(dir.parent().unwrap()).unwrap();
}

#[test]
fn a_malformed_url_is_refused_before_anything_starts_and_its_password_not_shown() {
    let dir = Tenrec::fresh_data_dir();
    let (code, said) = run(&dir, &["serve"], &[("DATABASE_URL", "mysql://u:hunter2@h/db")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("DATABASE_URL must look like postgres://") && !said.contains("hunter2"), "{said}");
    assert!(!dir.exists(), "something was started");
    fs::remove_dir_all(dir.parent().unwrap()).unwrap();
}

#[test]
fn migrate_checks_applies_and_is_safe_to_repeat() {
    let dir = Tenrec::fresh_data_dir();
    let (code, said) = run(&dir, &["migrate", "--check"], &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("pending migrations: Postgres accounts") && said.contains("ClickHouse 1"), "{said}");
    for _ in 0..2 {
        let (code, said) = run(&dir, &["migrate"], &[]);
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, said) = run(&dir, &["migrate", "--check"], &[]);
    assert_eq!(code, Some(0), "{said}");
    fs::remove_dir_all(dir.parent().unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_that_migrate_at_once_take_turns() {
    use tenrec::storage::ch::ClickHouse;
    use tenrec::storage::pg::Pg;
    let stores = tokio::task::spawn_blocking(SharedStores::get).await.unwrap();
    let name = stores.fresh_name();
    stores.create_empty_pg(&name).await;
    let instance = || async {
        let (pg, ch) = (Pg::new(stores.pg_options(&name), 2), ClickHouse::new(&stores.ch_address(&name)));
        let result = tenrec::app::migrate(&pg, &ch).await;
        let pending = (pg.list_pending_migrations().await.unwrap(), ch.list_pending_migrations().await.unwrap());
        pg.close().await;
        (result.map_err(|e| format!("{e:#}")), pending)
    };
    let (a, b, c) = tokio::join!(instance(), instance(), instance());
    for (result, pending) in [a, b, c] {
        assert_eq!(result, Ok(()));
        assert!(pending.0.is_empty() && pending.1.is_empty(), "{pending:?}");
    }
    stores.drop_databases(&name).await;
}

#[test]
fn doctor_finds_a_good_machine_good_and_names_what_is_bad() {
    let dir = Tenrec::fresh_data_dir();
    let (code, said) = run(&dir, &["doctor"], &[]);
    assert_eq!(code, Some(0), "{said}");
    for check in
        ["Postgres part", "Engine part", "Data directory", "Disk space", "Port", "Postgres ", "ClickHouse", "Clock"]
    {
        assert!(said.contains(&format!("✓ {check}")) || said.contains(&format!("! {check}")), "{check} in:\n{said}");
    }
    let mut tenrec = Tenrec::serve_on(&dir);
    let url = tenrec.wait_until_ready();
    let port = url.rsplit(':').next().unwrap();
    let (code, said) = run(&dir, &["doctor"], &[("PORT", port)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a Tenrec runs on this data directory") && said.contains("✓ Schemas"), "{said}");
    drop(tenrec);
    let (code, said) = run(&dir, &["doctor"], &[("TENREC_PARTS_DIR", "/nowhere")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("✗ Embedded parts") && said.contains("make parts"), "{said}");
    until("the directory can be removed", || fs::remove_dir_all(dir.parent().unwrap()).is_ok());
}

#[test]
fn the_health_check_of_a_container_passes_while_it_serves_and_fails_after() {
    let mut tenrec = Tenrec::serve();
    let url = tenrec.wait_until_ready();
    let port = url.rsplit(':').next().unwrap();
    let (code, said) = run(&tenrec.data_dir, &["health"], &[("PORT", port)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\"status\":\"ready\""), "{said}");
    tenrec.signal(Signal::SIGTERM);
    tenrec.wait();
    let (code, said) = run(&tenrec.data_dir, &["health"], &[("PORT", port)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nobody answers"), "{said}");
}

#[tokio::test]
async fn a_server_that_stops_answers_what_is_in_flight_and_takes_no_more() {
    let mut app = TestApp::start().await;
    app.get("/healthz").await.assert_ok();
    let address = app.address();
    app.stop().await;
    assert!(std::net::TcpStream::connect(address).is_err(), "it still listens");
    app.restart().await;
    app.get("/readyz").await.assert_ok();
}

#[tokio::test]
async fn what_was_accepted_is_stored_also_after_a_restart() {
    use tenrec::ingest::AcceptedEvent;
    use tenrec::model::ProjectId;
    let mut app = TestApp::start().await;
    app.pg_execute(
        "WITH o AS (INSERT INTO organizations VALUES (gen_random_uuid(), 'Shop', now()) RETURNING id)
         INSERT INTO projects (organization_id, name, api_key, time_zone, created_at)
         SELECT id, 'Shop', 'phc_test', 'UTC', now() FROM o",
    )
    .await;
    let project = ProjectId::new(app.pg_value::<i32>("SELECT id FROM projects").await);
    let event = |name: &str| AcceptedEvent {
        project_id: project,
        uuid: app.clock.new_uuid(),
        event: name.to_owned(),
        distinct_id: "ada".to_owned(),
        timestamp: app.clock.now(),
        received_at: app.clock.now(),
        properties: tenrec::model::Properties::default(),
    };
    let (one, two) = (event("one"), event("two"));
    app.state().intake.append(&vec![one].into()).await.unwrap();
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 1);
    app.state().intake.append(&vec![two].into()).await.unwrap();
    app.restart().await;
    app.flush().await;
    assert_eq!(
        app.ch_rows("SELECT event, count() AS n FROM events GROUP BY event ORDER BY event").await,
        [serde_json::json!({"event": "one", "n": 1}), serde_json::json!({"event": "two", "n": 1}),]
    );
    assert!(app.get("/metrics").await.text().contains("tenrec_events_stored_total"));
}
