//! A Tenrec of its own, and what its processes cost: read from /proc, so nothing is installed in what is measured.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::ops::Sub;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tenrec::config::Config;
use tenrec::embedded::EmbeddedSockets;

pub const PROJECT_KEY: &str = "phc_tenrecbench0000000000000000000000000000000000";

/// A running server with both embedded stores, on a free port; killed when dropped.
pub struct Tenrec {
    child: Child,
    _data: Option<TempDir>,
    pub address: SocketAddr,
    pub engine_socket: PathBuf,
    said: Arc<Mutex<Vec<String>>>,
}

/// What runs and the directories to remove, for the case that this program is asked to end.
static RUNNING: Mutex<Vec<(u32, Option<PathBuf>)>> = Mutex::new(Vec::new());

impl Tenrec {
    /// Starts it in a directory of its own, on these cores only if any are named, and waits until it serves.
    pub fn start(program: &Path, cores: Option<&str>) -> Result<Self> {
        Self::start_in(program, cores, None)
    }

    /// The same with its data in a directory that stays.
    pub fn start_in(program: &Path, cores: Option<&str>, kept: Option<&Path>) -> Result<Self> {
        let own = if kept.is_none() { Some(TempDir::with_prefix("tenrec-bench-")?) } else { None };
        let data = kept.or(own.as_ref().map(TempDir::path)).expect("one of both is there").to_owned();
        let mut command = match cores {
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.args(["-c", cores]).arg(program);
                command
            }
            None => Command::new(program),
        };
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let is_setting = name.starts_with("TENREC_") && name != "TENREC_PARTS_DIR";
            if is_setting || ["PORT", "HOST", "SITE_URL", "DATABASE_URL", "CLICKHOUSE_URL"].contains(&&*name) {
                command.env_remove(&*name);
            }
        }
        let mut child = command
            .args(["serve", "--host", "127.0.0.1", "--port", "0", "--data-dir"])
            .arg(&data)
            .env("TENREC_INIT_EMAIL", "owner@example.com")
            .env("TENREC_INIT_PASSWORD", "correct horse battery staple")
            .env("TENREC_INIT_PROJECT_KEY", PROJECT_KEY)
            .env("TENREC_SPOOL_MAX_MB", "16384")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {}: build it first, or set TENREC", program.display()))?;
        RUNNING.lock().expect("no holder panics").push((child.id(), own.as_ref().map(|own| own.path().to_owned())));
        let said = Arc::new(Mutex::new(Vec::new()));
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        listen(out, &said);
        listen(err, &said);
        let mut stores = Config::defaults().stores;
        stores.data_dir = Some(data);
        let engine_socket = EmbeddedSockets::of(&stores).engine.context("the engine is embedded")?;
        let mut tenrec =
            Self { child, _data: own, address: SocketAddr::from(([127, 0, 0, 1], 0)), engine_socket, said };
        tenrec.address = tenrec.wait_until_ready()?;
        Ok(tenrec)
    }

    fn wait_until_ready(&mut self) -> Result<SocketAddr> {
        let started = Instant::now();
        loop {
            let said = self.said.lock().expect("no holder panics").clone();
            if let Some((_, rest)) = said.iter().find_map(|line| line.split_once("is ready on http://")) {
                let port = rest.split_once(':').map_or(rest, |(_, port)| port);
                let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
                let port = port[..end].parse().with_context(|| format!("no port in {rest}"))?;
                return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
            }
            if self.child.try_wait()?.is_some() || started.elapsed() > Duration::from_secs(120) {
                bail!("Tenrec did not start:\n{}", said.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it logged as a warning or worse.
    pub fn complaints(&self) -> Vec<String> {
        let said = self.said.lock().expect("no holder panics");
        said.iter().filter(|line| line.contains("WARN") || line.contains("ERROR")).cloned().collect()
    }

    /// Its processes by what they are.
    pub fn processes(&self) -> BTreeMap<Part, Vec<u32>> {
        let mut parts: BTreeMap<Part, Vec<u32>> = BTreeMap::new();
        for pid in tree(self.child.id()) {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let part = match command.split(|byte| *byte == 0).nth(1) {
                _ if pid == self.child.id() => Part::Tenrec,
                Some(b"engine") => Part::Engine,
                _ => Part::Postgres,
            };
            parts.entry(part).or_default().push(pid);
        }
        parts
    }

    pub fn pid_of(&self, part: Part) -> Option<u32> {
        self.processes().get(&part).and_then(|pids| pids.first()).copied()
    }

    /// Stops or continues the engine, as if it took very long for something.
    pub fn signal_engine(&self, signal: Signal) -> Result<()> {
        let engine = self.pid_of(Part::Engine).context("there is no engine")?;
        Ok(kill(pid(engine), signal)?)
    }

    /// CPU time used so far.
    pub fn cpu(&self) -> Cpu {
        let mut cpu = Cpu::default();
        for (part, pids) in self.processes() {
            cpu.0.insert(part, pids.into_iter().filter_map(cpu_seconds).sum());
        }
        cpu
    }

    /// CPU time of Tenrec's own threads by their names, in seconds.
    pub fn threads(&self) -> BTreeMap<String, f64> {
        let mut threads = BTreeMap::new();
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        for task in tasks {
            let Ok(stat) = fs::read_to_string(task.path().join("stat")) else { continue };
            let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("?", |(name, _)| name);
            *threads.entry(name.to_owned()).or_default() += ticks(&stat, 11..13);
        }
        threads
    }

    /// Memory now.
    pub fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for (part, pids) in self.processes() {
            let sum = |file: &str, field: &str| pids.iter().filter_map(|pid| field_kb(*pid, file, field)).sum::<u64>();
            memory.pss_kb.insert(part, sum("smaps_rollup", "Pss:"));
            memory.rss_kb.insert(part, sum("status", "VmRSS:"));
        }
        memory
    }
}

impl Drop for Tenrec {
    fn drop(&mut self) {
        end(self.child.id());
        let _ = self.child.wait();
        RUNNING.lock().expect("no holder panics").retain(|(pid, _)| *pid != self.child.id());
    }
}

/// Kills a process and all below it, and waits until they are gone.
fn end(root: u32) {
    let all = tree(root);
    for one in &all {
        let _ = kill(pid(*one), Signal::SIGKILL);
    }
    let started = Instant::now();
    let lives = |one: &u32| *one != root && Path::new(&format!("/proc/{one}")).exists();
    while all.iter().any(lives) && started.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ends what runs when this program is asked to end.
pub fn end_with_us() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut term = signal(SignalKind::terminate()).expect("a handler");
            let mut int = signal(SignalKind::interrupt()).expect("a handler");
            let mut hup = signal(SignalKind::hangup()).expect("a handler");
            tokio::select! { _ = term.recv() => {} _ = int.recv() => {} _ = hup.recv() => {} }
        });
        for (pid, dir) in RUNNING.lock().expect("no holder panics").iter() {
            end(*pid);
            if let Some(dir) = dir {
                let _ = fs::remove_dir_all(dir);
            }
        }
        std::process::exit(130);
    });
}

fn listen(from: impl std::io::Read + Send + 'static, said: &Arc<Mutex<Vec<String>>>) {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut said = said.lock().expect("no holder panics");
            if said.len() < 1_000 {
                said.push(line);
            }
        }
    });
}

/// One of the programs that make a Tenrec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Tenrec,
    Engine,
    Postgres,
}

/// CPU seconds of each part.
#[derive(Debug, Clone, Default)]
pub struct Cpu(BTreeMap<Part, f64>);

impl Cpu {
    pub fn of(&self, part: Part) -> f64 {
        self.0.get(&part).copied().unwrap_or(0.0)
    }

    pub fn all(&self) -> f64 {
        self.0.values().sum()
    }
}

impl Sub for &Cpu {
    type Output = Cpu;

    fn sub(self, earlier: Self) -> Cpu {
        Cpu(self.0.iter().map(|(part, seconds)| (*part, seconds - earlier.of(*part))).collect())
    }
}

/// Kilobytes of each part; PSS counts pages that several processes share once.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    pub pss_kb: BTreeMap<Part, u64>,
    pub rss_kb: BTreeMap<Part, u64>,
}

/// Highest seen, part by part and together.
#[derive(Debug, Clone, Default)]
pub struct Peak {
    pub parts: Memory,
    pub together_pss_kb: u64,
}

impl Peak {
    pub fn see(&mut self, now: &Memory) {
        for (peaks, values) in [(&mut self.parts.pss_kb, &now.pss_kb), (&mut self.parts.rss_kb, &now.rss_kb)] {
            for (part, kb) in values {
                let peak = peaks.entry(*part).or_default();
                *peak = (*peak).max(*kb);
            }
        }
        self.together_pss_kb = self.together_pss_kb.max(now.pss_kb.values().sum());
    }
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(number.cast_signed())
}

/// A process and all below it.
fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(pid);
    }
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        found.extend(children.remove(&found[at]).unwrap_or_default());
        at += 1;
    }
    found
}

/// CPU of a process and of its children that have ended.
fn cpu_seconds(pid: u32) -> Option<f64> {
    Some(ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, 11..15))
}

/// These fields of a `stat` line, counted behind the name, in seconds.
fn ticks(stat: &str, fields: std::ops::Range<usize>) -> f64 {
    // What Linux tells programs, whatever the kernel's own clock is.
    const PER_SECOND: f64 = 100.0;
    let Some((_, rest)) = stat.rsplit_once(") ") else { return 0.0 };
    let values: Vec<&str> = rest.split(' ').collect();
    values[fields].iter().filter_map(|v| v.parse::<f64>().ok()).sum::<f64>() / PER_SECOND
}

/// What a file of a process in /proc says of its memory.
pub fn field_kb(pid: u32, file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(field)?.trim().trim_end_matches(" kB").parse().ok())
}

/// CPU this program itself used so far: the generator shares the cores.
pub fn own_cpu() -> f64 {
    cpu_seconds(std::process::id()).unwrap_or(0.0)
}

/// Puts this program onto these cores; false if the machine does not have them or no `taskset`.
pub fn pin_ourselves(cores: &str) -> bool {
    let ours = std::process::id().to_string();
    Command::new("taskset")
        .args(["-a", "-c", "-p", cores, &ours])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
