//! `tenrec doctor`: is this machine fit, and what to do if not.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;
use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use nix::sys::statvfs::statvfs;

use super::migrate::list_pending;
use crate::app::Stores;
use crate::config::{Ack, Config};
use crate::embedded::Parts;
use crate::model::Clock;

/// Less free disk is a warning: the engine merges in free space, and the spool needs some.
const DISK_MIN_GIB: u64 = 2;
/// More difference between two clocks is a warning: times of events would be wrong.
const CLOCKS_MAX_APART: Duration = Duration::from_secs(5);

/// What a check found.
enum Finding {
    Good(String),
    /// It works, but not well; with what to do.
    Warning(String),
    /// It cannot work; with what to do.
    Bad(String),
}

use Finding::{Bad, Good, Warning};

/// Prints one line per check.
///
/// # Errors
/// If something is bad.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let mut report = Report::default();
    report.add("Version", Good(format!("tenrec {}", env!("CARGO_PKG_VERSION"))));
    check_parts(config, &mut report);
    report.add("Confinement", landlock());
    let dir = config.stores.data_dir();
    report.add("Data directory", data_dir(&dir));
    report.add("Disk space", disk_space(&dir));
    report.add("Acknowledgement", acknowledgement(config, std::env::var_os("DYNO").is_some()));
    let stores = if report.bad == 0 { Some(Stores::open_or_join(&config.stores).await) } else { None };
    let is_running = matches!(&stores, Some(Ok(stores)) if stores.is_joined());
    report.add("Port", port(SocketAddr::from((config.server.host, config.server.port)), is_running));
    match stores {
        None => report.add("Stores", Warning("not tried, because of the above".to_owned())),
        Some(Err(error)) => report.add("Stores", Bad(format!("{error:#}"))),
        Some(Ok(stores)) => {
            check_stores(&stores, &mut report).await;
            stores.close().await;
        }
    }
    match report.bad {
        0 => Ok(()),
        1 => bail!("one check failed"),
        n => bail!("{n} checks failed"),
    }
}

#[derive(Default)]
struct Report {
    bad: usize,
}

impl Report {
    fn add(&mut self, what: &str, finding: Finding) {
        let (mark, text) = match finding {
            Good(text) => ("✓", text),
            Warning(text) => ("!", text),
            Bad(text) => {
                self.bad += 1;
                ("✗", text)
            }
        };
        println!("{mark} {what:<15} {text}");
    }
}

fn check_parts(config: &Config, report: &mut Report) {
    let needs_postgres = config.stores.database_url.is_none();
    let needs_engine = config.stores.clickhouse_url.is_none();
    if !needs_postgres && !needs_engine {
        return report.add("Embedded parts", Good("not needed: both stores have a URL".to_owned()));
    }
    let program = std::env::current_exe().unwrap_or_default();
    let parts = match Parts::find(config.stores.parts_dir.as_deref(), &program) {
        Ok(parts) => parts,
        Err(error) => return report.add("Embedded parts", Bad(error.to_string())),
    };
    if needs_postgres {
        let version = parts.postgres_version().unwrap_or_default();
        let found = parts.postgres().map(|dir| format!("{version} in {}", dir.display()));
        report.add("Postgres part", found.map_or_else(|e| Bad(e.to_string()), Good));
    }
    if needs_engine {
        let version = parts.engine_version().unwrap_or_default();
        let found = parts.engine_library().map(|library| format!("{version} in {}", library.display()));
        report.add("Engine part", found.map_or_else(|e| Bad(e.to_string()), Good));
    }
}

fn landlock() -> Finding {
    let knows = |abi| {
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))
            .and_then(Ruleset::create)
            .is_ok()
    };
    if knows(ABI::V1) {
        Good("the kernel has Landlock: the engine reaches its own files only".to_owned())
    } else {
        Warning(
            "the kernel has no Landlock: the engine runs unconfined; Linux 5.13 or newer with it switched on is safer"
                .to_owned(),
        )
    }
}

fn data_dir(dir: &Path) -> Finding {
    if let Err(e) = fs::create_dir_all(dir) {
        return Bad(format!(
            "could not create {}: {e}; set TENREC_DATA_DIR to a directory you may write",
            dir.display()
        ));
    }
    let probe = dir.join(format!("doctor-{}", std::process::id()));
    let written = fs::File::create(&probe).and_then(|file| file.sync_all());
    let _ = fs::remove_file(&probe);
    match written {
        Ok(()) => Good(format!("{} can be written", dir.display())),
        Err(e) => {
            Bad(format!("could not write in {}: {e}; set TENREC_DATA_DIR to a directory you may write", dir.display()))
        }
    }
}

fn acknowledgement(config: &Config, is_disk_lost: bool) -> Finding {
    let is_embedded = config.stores.database_url.is_none() || config.stores.clickhouse_url.is_none();
    match config.stores.ack {
        Ack::Spool if is_disk_lost => Warning(
            "events are acknowledged once they are on this disk, which this platform does not keep; set TENREC_ACK=store"
                .to_owned(),
        ),
        Ack::Spool => Good("events are acknowledged once they are on this disk".to_owned()),
        Ack::Store if is_embedded => Warning(
            "events are acknowledged once they are stored, but a store is on this disk too: TENREC_ACK=spool is faster \
             and as safe"
                .to_owned(),
        ),
        Ack::Store => Good("events are acknowledged once both stores have them".to_owned()),
    }
}

fn disk_space(dir: &Path) -> Finding {
    let Ok(disk) = statvfs(dir) else { return Warning(format!("could not ask for the disk of {}", dir.display())) };
    #[expect(clippy::useless_conversion, reason = "the width of both differs between systems")]
    let free_mib = u64::from(disk.blocks_available()) * u64::from(disk.fragment_size()) / (1 << 20);
    if free_mib >= DISK_MIN_GIB << 10 {
        Good(format!("{:.1} GiB free", free_mib as f64 / 1024.0))
    } else {
        Warning(format!("{free_mib} MiB free; make room for at least {DISK_MIN_GIB} GiB"))
    }
}

fn port(address: SocketAddr, is_running: bool) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Good(format!("{address} is free")),
        Err(_) if is_running => Good(format!("{address} is taken; a Tenrec runs on this data directory")),
        Err(e) => {
            Bad(format!("could not listen on {address}: {e}; set PORT to a free port, or stop what listens there"))
        }
    }
}

async fn check_stores(stores: &Stores, report: &mut Report) {
    match stores.pg.server_time_and_version().await {
        Ok((time, version)) => {
            report.add("Postgres", Good(format!("answers, version {version}")));
            report.add("Clock", clock(Clock::system().now(), time.into()));
        }
        Err(e) => report.add("Postgres", Bad(format!("does not answer: {e}; check DATABASE_URL"))),
    }
    match stores.ch.server_version().await {
        Ok(version) => report.add("ClickHouse", Good(format!("answers, version {version}"))),
        Err(e) => report.add("ClickHouse", Bad(format!("does not answer: {e}; check CLICKHOUSE_URL"))),
    }
    match list_pending(stores).await {
        Ok(pending) if pending.is_empty() => report.add("Schemas", Good("up to date".to_owned())),
        Ok(pending) => report.add(
            "Schemas",
            Warning(format!("pending: {}; `tenrec serve` or `tenrec migrate` applies them", pending.join(", "))),
        ),
        Err(e) => report.add("Schemas", Bad(format!("{e:#}"))),
    }
}

fn clock(ours: Timestamp, theirs: Timestamp) -> Finding {
    let apart = ours.duration_since(theirs).unsigned_abs();
    if apart > CLOCKS_MAX_APART {
        return Warning(format!("this machine's and Postgres' clocks are {apart:.1?} apart; set both by NTP"));
    }
    if ours.as_second() < BUILT_AFTER_SECONDS {
        return Warning(format!("it is {ours} here, before Tenrec was made; set the clock by NTP"));
    }
    Good(format!("{ours:.0}, in step with Postgres"))
}

/// 2026-11-01T00:00:00Z.
const BUILT_AFTER_SECONDS: i64 = 1_793_491_200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_that_means_less_than_it_seems_is_told() {
        let mut config = Config::defaults();
        assert!(matches!(acknowledgement(&config, false), Good(_)));
        assert!(matches!(acknowledgement(&config, true), Warning(text) if text.contains("TENREC_ACK=store")));
        config.stores.ack = Ack::Store;
        assert!(matches!(acknowledgement(&config, true), Warning(_)), "with embedded stores");
        config.stores.database_url = Some("postgres://db".parse().expect("a secret"));
        config.stores.clickhouse_url = Some("http://ch".parse().expect("a secret"));
        assert!(matches!(acknowledgement(&config, true), Good(_)));
    }

    #[test]
    fn clocks_apart_and_clocks_in_the_past_are_told() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let now = at("2027-01-01T00:00:00Z");
        assert!(matches!(clock(now, at("2027-01-01T00:00:04Z")), Good(_)));
        assert!(matches!(clock(now, at("2027-01-01T00:01:00Z")), Warning(_)));
        assert!(matches!(clock(at("1970-01-01T00:00:09Z"), at("1970-01-01T00:00:09Z")), Warning(_)));
        assert_eq!(at("2026-11-01T00:00:00Z").as_second(), BUILT_AFTER_SECONDS);
    }
}
