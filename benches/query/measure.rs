//! What one way of asking costs.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::engine::Engine;
use crate::processes::{Part, Tenrec, field_kb};

/// A turn lasts for so many seconds of CPU, as far as [`MOST_RUNS`] go: the clock in /proc ticks a hundred times a second.
const TURN_SECONDS: f64 = 0.25;
const MOST_RUNS: u32 = 12;
/// So often a statement runs while its memory is watched.
const WATCHED_RUNS: usize = 6;

/// The cost of one run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    pub engine_ms: f64,
    pub tenrec_ms: f64,
    pub wall_ms: f64,
}

/// The most memory that was seen, in MiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    pub engine: f64,
    pub tenrec: f64,
}

pub struct Meter<'a> {
    pub tenrec: &'a Tenrec,
    pub engine: &'a Engine,
}

impl Meter<'_> {
    /// Runs it once; what the engine remembers of conditions of earlier runs is thrown away first.
    pub fn once(&self, run: &dyn Fn() -> Result<()>) -> Result<Cost> {
        self.engine.run("SYSTEM CLEAR QUERY CONDITION CACHE")?;
        let before = self.tenrec.cpu();
        let started = Instant::now();
        run()?;
        let wall_ms = started.elapsed().as_secs_f64() * 1e3;
        let spent = &self.tenrec.cpu() - &before;
        Ok(Cost { engine_ms: spent.of(Part::Engine) * 1e3, tenrec_ms: spent.of(Part::Tenrec) * 1e3, wall_ms })
    }

    /// The mean of as many runs as a turn holds, if one costs about so much.
    pub fn turn(&self, about_ms: f64, run: &dyn Fn() -> Result<()>) -> Result<Cost> {
        let runs = ((TURN_SECONDS * 1e3 / about_ms.max(1.0)).ceil() as u32).clamp(1, MOST_RUNS);
        let mut sum = Cost::default();
        for _ in 0..runs {
            let cost = self.once(run)?;
            sum.engine_ms += cost.engine_ms;
            sum.tenrec_ms += cost.tenrec_ms;
            sum.wall_ms += cost.wall_ms;
        }
        let runs = f64::from(runs);
        Ok(Cost { engine_ms: sum.engine_ms / runs, tenrec_ms: sum.tenrec_ms / runs, wall_ms: sum.wall_ms / runs })
    }

    /// The most memory that the engine takes for its statements at a time, and by how much Tenrec's process grows.
    pub fn memory(&self, run: &dyn Fn() -> Result<()>) -> Result<Memory> {
        let pid = self.tenrec.pid_of(Part::Tenrec).context("Tenrec runs")?;
        // What was seen highest begins anew.
        fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
        let before = mib(pid, "VmRSS:")?;
        let is_over = AtomicBool::new(false);
        let engine = std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut most = 0.0_f64;
                while !is_over.load(Ordering::Relaxed) {
                    let sum = "SELECT sum(peak_memory_usage) / 1048576 FROM system.processes \
                               WHERE NOT position(query, 'system.processes') AND query_kind = 'Select'";
                    most = most.max(self.engine.number(sum)?);
                }
                Ok::<_, anyhow::Error>(most)
            });
            let mut outcome = run();
            for _ in 1..WATCHED_RUNS {
                outcome = outcome.and_then(|()| run());
            }
            is_over.store(true, Ordering::Relaxed);
            let most = watch.join().expect("it does not panic")?;
            outcome.map(|()| most)
        })?;
        Ok(Memory { engine, tenrec: (mib(pid, "VmHWM:")? - before).max(0.0) })
    }
}

/// What a process' status says of its memory.
fn mib(pid: u32, field: &str) -> Result<f64> {
    Ok(field_kb(pid, "status", field).context("no memory is said")? as f64 / 1024.0)
}

/// The middle of some numbers.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
