//! R10: no space left.
//!
//! Each test runs in a process of its own that has a small tmpfs mounted where only it sees it: as root, or as anybody the
//! kernel lets have a user namespace. It ends with the process.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use http::StatusCode;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid};
use serde_json::json;

use crate::drivers::{Load, LoadOptions, Report, Target};
use crate::oracle::Oracle;
use crate::plan::{Round, rounds};
use crate::rng::Rng;
use crate::support::{Browser, Tenrec, is_alive};
use crate::wire::Form;
use crate::world::{ENGINE, World, signal};

/// Tells a test that it runs where the small disk is.
const HERE: &str = "TENREC_CHAOS_DISK";
/// Only a test that hangs waits so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// The data directory, if this process has the small disk in `place` of it; if not, runs the test of this name again in one
/// that has, and gives nothing.
fn small_disk(test: &str, place: &str, megabytes: u32) -> Option<PathBuf> {
    if let Some(data) = std::env::var_os(HERE) {
        return Some(data.into());
    }
    let data = Tenrec::fresh_data_dir();
    fs::create_dir_all(data.join(place)).unwrap();
    let (user, group) = (Uid::effective(), Gid::effective());
    let mut command = Command::new("unshare");
    command.arg("--mount");
    let mut then = String::new();
    if !user.is_root() {
        // Who may mount there is root there; Tenrec then is who we are.
        command.args(["--user", "--map-root-user"]);
        then = format!("unshare --user --map-user={user} --map-group={group}");
    }
    let script = format!("mount -t tmpfs -o size={megabytes}m,mode=0711 tmpfs \"$0\" && exec {then} \"$@\"");
    command.args(["sh", "-c", &script]).arg(data.join(place)).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(HERE, &data);
    let output = command.output().expect("unshare, of util-linux, is on every Debian");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    println!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{test} failed on its small disk: {}", output.status);
    None
}

/// Takes all the space there is until it is dropped.
struct Filler(PathBuf);

impl Filler {
    fn fill(dir: &Path) -> Self {
        let this = Self(dir.join("filler"));
        let mut file = File::create(&this.0).unwrap();
        for size in [1 << 20, 1 << 12] {
            while file.write_all(&vec![0x5a; size]).is_ok() {}
        }
        this
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Small limits for small disks; this much is kept free unless the test takes it.
fn limits(min_free_mb: u32) -> Vec<(&'static str, String)> {
    vec![
        ("TENREC_DISK_MIN_FREE_MB", min_free_mb.to_string()),
        ("TENREC_DISK_MAX_USED_PERCENT", "100".to_owned()),
        ("TENREC_DISK_BALLAST_MB", "1".to_owned()),
    ]
}

/// Senders that never give up, a little of everything.
fn load(world: &World, oracle: &Oracle) -> Load {
    let options = LoadOptions { rate: 600, senders: 4, max_batch: 60, doubled_percent: 5, given_up_percent: 0 };
    Load::start(std::slice::from_ref(&world.target), oracle, options)
}

/// Sends events of some size, one after the other, until the answer is as wanted. Gives how long that took.
async fn until(target: &Target, oracle: &Oracle, is_accepted: bool) -> Duration {
    let begun = Instant::now();
    loop {
        let event = oracle.issue_with(|event| {
            let mut rng = Rng::new(event.uuid.as_u64_pair().0);
            let noise: String = (0..1500).map(|_| format!("{:016x}", rng.next())).collect();
            event.properties.insert("noise".to_owned(), json!(noise));
        });
        let answer = Load::send_once(target, oracle, &[event], Form::BatchGzip).await;
        let (status, headers) = answer.expect("a full disk is no reason not to answer");
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds: u32 = headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=60).contains(&seconds), "come back in {seconds} s");
        } else {
            assert_eq!(status, StatusCode::OK, "a full disk is answered with 503");
        }
        if (status == StatusCode::OK) == is_accepted {
            return begun.elapsed();
        }
        if begun.elapsed() > PATIENCE {
            let metrics = Browser::new(target.get()).get("/metrics").await;
            panic!("accepted: {}, for {PATIENCE:?}; its metrics:\n{}", !is_accepted, metrics.text());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether the process of before still serves.
async fn assert_serves(world: &World, pid: u32) {
    assert_eq!(world.tenrec().pid(), pid);
    assert!(is_alive(pid));
    Browser::new(world.target.get()).get("/healthz").await.assert_ok();
}

/// Nothing but 200 and 503 was answered, and every request was.
fn assert_honest(report: &Report) {
    report.assert_no_errors();
    let other: Vec<_> = report.samples.iter().filter(|s| !matches!(s.status, Some(200 | 503))).collect();
    assert!(other.is_empty(), "{other:?}");
}

fn oracle_of(round: &mut Round) -> Oracle {
    Oracle::new(&round.name, Rng::new(round.rng.next()))
}

/// After space has come back: accepted again, all stored, nothing lost.
async fn recovers(world: &World, oracle: &Oracle, load: Load, name: &str) {
    let back = until(&world.target, oracle, true).await;
    let report = load.stop().await;
    assert_honest(&report);
    let stores = world.stores();
    let drained = stores.wait_until_quiet(std::slice::from_ref(&world.target), oracle).await;
    let rows = stores.judge(oracle).await;
    println!("R10 {name}: accepted again after {back:.1?}, drained after {drained:.1?}; {rows} events");
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_no_space_for_the_spool() {
    let Some(data) = small_disk("disk_full::r10_no_space_for_the_spool", "spool", 256) else { return };
    let mut world = World::new(data.clone(), &limits(0));
    world.restart().await;
    for mut round in rounds("r10-spool", 1, 1, 20) {
        let (oracle, mut pid) = (oracle_of(&mut round), world.tenrec().pid());
        let load = load(&world, &oracle);
        tokio::time::sleep(Duration::from_millis(400)).await;
        let filler = Filler::fill(&data.join("spool"));
        until(&world.target, &oracle, false).await;
        tokio::time::sleep(Duration::from_millis(1000)).await;
        assert_serves(&world, pid).await;
        if round.number % 2 == 1 {
            // It also starts on a full disk.
            world.kill();
            world.restart().await;
            pid = world.tenrec().pid();
            until(&world.target, &oracle, false).await;
        }
        drop(filler);
        recovers(&world, &oracle, load, "spool").await;
        assert_serves(&world, pid).await;
    }
    world.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_the_spool_fills_its_disk_by_itself() {
    let Some(data) = small_disk("disk_full::r10_the_spool_fills_its_disk_by_itself", "spool", 8) else { return };
    let mut world = World::new(data, &limits(1));
    world.restart().await;
    for mut round in rounds("r10-spool-itself", 1, 1, 20) {
        let (oracle, pid) = (oracle_of(&mut round), world.tenrec().pid());
        let engine = world.child(ENGINE).await;
        signal(engine, Signal::SIGSTOP);
        let load = load(&world, &oracle);
        until(&world.target, &oracle, false).await;
        signal(engine, Signal::SIGCONT);
        recovers(&world, &oracle, load, "spool, filled by itself").await;
        assert_serves(&world, pid).await;
    }
    world.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_no_space_for_the_engine() {
    let Some(data) = small_disk("disk_full::r10_no_space_for_the_engine", "clickhouse", 128) else { return };
    let mut variables = limits(0);
    variables.push(("TENREC_SPOOL_MAX_MB", "2".to_owned()));
    let mut world = World::new(data.clone(), &variables);
    world.restart().await;
    for mut round in rounds("r10-engine", 1, 1, 20) {
        let (oracle, pid) = (oracle_of(&mut round), world.tenrec().pid());
        let load = load(&world, &oracle);
        tokio::time::sleep(Duration::from_millis(400)).await;
        let filler = Filler::fill(&data.join("clickhouse"));
        // Events are accepted until the spool is at its limit too.
        let until_full = until(&world.target, &oracle, false).await;
        println!("R10 engine: accepted for {until_full:.1?} without it");
        assert_serves(&world, pid).await;
        drop(filler);
        recovers(&world, &oracle, load, "engine").await;
        assert_serves(&world, pid).await;
    }
    world.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_no_space_for_anything() {
    let Some(data) = small_disk("disk_full::r10_no_space_for_anything", "", 640) else { return };
    let mut world = World::new(data.clone(), &limits(8));
    world.restart().await;
    for mut round in rounds("r10-all", 1, 1, 20) {
        let (oracle, pid) = (oracle_of(&mut round), world.tenrec().pid());
        let load = load(&world, &oracle);
        tokio::time::sleep(Duration::from_millis(400)).await;
        let filler = Filler::fill(&data);
        until(&world.target, &oracle, false).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_serves(&world, pid).await;
        drop(filler);
        recovers(&world, &oracle, load, "all data").await;
        assert_serves(&world, pid).await;
    }
    world.stop();
}
