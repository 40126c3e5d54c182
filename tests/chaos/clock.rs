//! R12: the system's clock is set, forward and back, while events come in.
//!
//! libfaketime stands between Tenrec and the time of day; time that passes is left alone, as the kernel leaves it alone when
//! somebody sets a clock.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use tenrec::model::Clock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::drivers::{Load, Target};
use crate::oracle::{Event, Oracle};
use crate::plan::{by_size, rounds};
use crate::rng::Rng;
use crate::support::{Browser, Tenrec, is_alive};
use crate::wire::Form;
use crate::world::World;

const HOUR: i64 = 3600;
const TEN_YEARS: i64 = 315_576_000;
const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// The clock of a Tenrec, off by so many seconds.
struct FakeClock(PathBuf);

impl FakeClock {
    fn set(&self, seconds: i64) {
        let new = self.0.with_extension("new");
        fs::write(&new, format!("{seconds:+}")).unwrap();
        fs::rename(new, &self.0).unwrap();
    }

    /// What lets Tenrec see it.
    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.0.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }
}

fn library() -> PathBuf {
    let places = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].into_iter().flat_map(|lib| {
        let below = fs::read_dir(lib).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        below.chain([lib.into()]).collect::<Vec<PathBuf>>()
    });
    let mut found = places.map(|dir| dir.join("faketime/libfaketimeMT.so.1")).filter(|path| path.exists());
    found.next().expect("this test needs libfaketime: on Debian, apt-get install faketime")
}

/// Events whose time is whatever the server makes of it.
fn untimed(oracle: &Oracle, count: usize) -> Vec<Event> {
    (0..count)
        .map(|_| oracle.issue_with(|event| event.raw_timestamp = Some(json!(event.at.to_string()).to_string())))
        .collect()
}

/// Sends in every form until it is told to stop; every request must be accepted at once.
async fn send_all_the_time(target: Target, oracle: Oracle, stop: CancellationToken, mut rng: Rng) {
    while !stop.is_cancelled() {
        let count = rng.size(20);
        let events = untimed(&oracle, count);
        let report = Load::send(&target, &oracle, &events, Form::choose(&mut rng, count)).await;
        report.assert_all_accepted();
        report.assert_no_errors();
        tokio::time::sleep(Duration::from_millis(rng.between(5, 40))).await;
    }
}

async fn sign_in(browser: &Browser, password: &str) -> u16 {
    browser.post_form("/login", &[("email", EMAIL), ("password", password), ("next", "/")]).await.status.as_u16()
}

/// Whether the browser is signed in: the list of its keys is shown to nobody else.
async fn is_signed_in(browser: &Browser) -> bool {
    browser.get("/settings/api-keys").await.status == 200
}

/// By how many seconds the events of a step were received late, by the clock that Tenrec saw.
async fn seen_offset(world: &World, event: &Event, sent_at: Timestamp) -> i64 {
    let sql = format!("SELECT toUnixTimestamp64Milli(received_at) FROM events WHERE uuid = '{}'", event.uuid);
    let asked = Instant::now();
    loop {
        if let Ok(received_at) = world.stores().ch.query_raw(&sql).fetch_one::<i64>().await {
            return (received_at - sent_at.as_millisecond()) / 1000;
        }
        assert!(asked.elapsed() < Duration::from_secs(60), "an event is not stored though the clock was only set");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_setting_the_clock_loses_doubles_and_blocks_nothing() {
    let dir = Tenrec::fresh_data_dir();
    let clock = FakeClock(dir.parent().unwrap().join("clock"));
    clock.set(0);
    let mut world = World::new(dir, &clock.variables());
    world.restart().await;
    for mut round in rounds("r12", 1, 1, 20) {
        one_round(&world, &clock, &Oracle::new(&round.name, Rng::new(round.rng.next())), &mut round.rng).await;
    }
    world.stop();
    fs::remove_dir_all(world.dir.parent().unwrap()).unwrap();
}

async fn one_round(world: &World, clock: &FakeClock, oracle: &Oracle, rng: &mut Rng) {
    let pid = world.tenrec().pid();
    let browser = Browser::new(world.target.get());
    assert_eq!(sign_in(&browser, PASSWORD).await, 303);
    let stop = CancellationToken::new();
    let mut senders = JoinSet::new();
    for _ in 0..3 {
        let rng = Rng::new(rng.next());
        senders.spawn(send_all_the_time(world.target.clone(), oracle.clone(), stop.clone(), rng));
    }

    let mut again = untimed(oracle, 20);
    for offset in [0, 1, HOUR, 0, -1, -HOUR, 0, TEN_YEARS, 0, -TEN_YEARS, HOUR, -HOUR, 0] {
        clock.set(offset);
        tokio::time::sleep(Duration::from_millis(by_size(100, 100, 1000))).await;
        let events = untimed(oracle, 2);
        let sent_at = Clock::system().now();
        Load::send(&world.target, oracle, &events, Form::V0).await.assert_all_accepted();
        let seen = seen_offset(world, &events[0], sent_at).await;
        assert!((seen - offset).abs() <= 5, "the clock is {offset} s off, and Tenrec sees it {seen} s off");
        // A sender that heard no answer sends again; its events are known by their uuid, wherever a correction of its
        // clock within a day puts them.
        if offset.abs() <= HOUR {
            Load::send(&world.target, oracle, &again, Form::BatchGzip).await.assert_all_accepted();
            again.extend(events);
            assert!(is_signed_in(&browser).await, "signed out at {offset} s");
        }
        if offset == TEN_YEARS {
            // Attempts in a far future must not be held against anybody afterwards.
            let stranger = Browser::new(world.target.get());
            for _ in 0..12 {
                let status = sign_in(&stranger, "wrong horse").await;
                assert!(matches!(status, 422 | 429), "{status}");
            }
        }
    }
    stop.cancel();
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
    // The limit has let go after a while as it would without any of this.
    let guest = Browser::new(world.target.get());
    let asked = Instant::now();
    while sign_in(&guest, PASSWORD).await != 303 {
        assert!(asked.elapsed() < Duration::from_secs(60), "nobody may sign in any more");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(is_signed_in(&guest).await && is_signed_in(&browser).await);
    let stores = world.stores();
    stores.wait_until_quiet(std::slice::from_ref(&world.target), oracle).await;
    let rows = stores.judge(oracle).await;
    assert!(is_alive(pid) && world.tenrec().pid() == pid);
    println!("R12: {rows} events through a clock that was set 13 times");
}
