//! How much is run, and from which seed.
//!
//! - `TENREC_CHAOS`: `short` (with `cargo test`), `pr` or `long`: the columns of the test plan.
//! - `TENREC_CHAOS_ROUNDS`: another number of rounds for each test.
//! - `TENREC_CHAOS_MINUTES`: most minutes for each test; what was not reached is said.
//! - `TENREC_CHAOS_SEED`: the seed, as a failed run printed it.

use std::time::{Duration, Instant};

use crate::rng::Rng;

/// One of the columns of the test plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Short,
    Pr,
    Long,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|value| value.parse().unwrap_or_else(|e| panic!("{name}={value}: {e}")))
}

pub fn size() -> Size {
    match variable("TENREC_CHAOS").as_deref() {
        None | Some("short") => Size::Short,
        Some("pr") => Size::Pr,
        Some("long") => Size::Long,
        Some(other) => panic!("TENREC_CHAOS={other}: must be short, pr or long"),
    }
}

/// One of three, by the size of the run.
pub fn by_size<T>(short: T, pr: T, long: T) -> T {
    match size() {
        Size::Short => short,
        Size::Pr => pr,
        Size::Long => long,
    }
}

pub fn seed() -> u64 {
    number("TENREC_CHAOS_SEED").unwrap_or(0x7e12ec)
}

/// The rounds of a test, as many as fit into its time.
pub struct Rounds {
    name: &'static str,
    seed: u64,
    next: u64,
    count: u64,
    until: Instant,
}

/// One round: its name marks everything that is sent in it.
pub struct Round {
    pub number: u64,
    pub name: String,
    pub rng: Rng,
}

/// The rounds of the test of this name, by the size of the run.
pub fn rounds(name: &'static str, short: u64, pr: u64, long: u64) -> Rounds {
    let minutes = number("TENREC_CHAOS_MINUTES").unwrap_or_else(|| by_size(1, 2, 60));
    let count = number("TENREC_CHAOS_ROUNDS").unwrap_or_else(|| by_size(short, pr, long));
    let seed = seed();
    // Shown by the test runner only if the test fails, or if asked for.
    println!("{name}: {count} rounds, TENREC_CHAOS_SEED={seed}");
    Rounds { name, seed, next: 0, count, until: Instant::now() + Duration::from_secs(60 * minutes) }
}

impl Iterator for Rounds {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        if self.next < self.count && self.next > 0 && Instant::now() > self.until {
            println!("{}: time is over after {} of {} rounds", self.name, self.next, self.count);
            self.count = self.next;
        }
        if self.next >= self.count {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let name = format!("{}-{number}", self.name);
        println!("{name}");
        Some(Round { number, rng: Rng::of(self.seed, &name), name })
    }
}
