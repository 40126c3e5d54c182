//! How often is too often. Counted per instance, in memory: a restart forgets, which harms nobody.
//!
//! Sign-in has two limits. One counts attempts per address, whoever they are for. The other counts attempts per account:
//! each one after the first few makes the next wait twice as long. From one network the wait grows to a quarter of an
//! hour; over all networks together to one minute at most, so that an attacker with many addresses gets a guess a minute
//! while the owner is never locked out for long.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::Cause;
use crate::config::LimitsConfig;
use crate::model::{Clock, TokenBuckets};

/// Most keys a limit holds before it drops those that would be let through anyway.
const MAX_KEYS: usize = 20_000;

/// The limits that pages and capture keep.
#[derive(Debug)]
pub struct Limits {
    /// Sign-in attempts, per client network.
    pub sign_in: KeyedLimit<IpAddr>,
    /// Attempts at links that hold a secret (set-up, invitations), per client network.
    pub links: KeyedLimit<IpAddr>,
    /// Sign-in attempts, per account.
    pub accounts: AccountDelays,
    /// Capture requests, per client network; none unless configured.
    pub capture: Option<TokenBuckets<IpAddr>>,
}

impl Limits {
    pub(super) fn new(clock: &Clock, config: &LimitsConfig) -> Self {
        Self {
            capture: TokenBuckets::new(config.requests_per_second_per_ip, config.requests_burst_per_ip, clock),
            sign_in: KeyedLimit::per_minute(5, 10, clock),
            links: KeyedLimit::per_minute(20, 20, clock),
            accounts: AccountDelays { clock: clock.clone(), attempts: Mutex::default() },
        }
    }
}

/// Time for governor, from our own clock: not the time of day, which may be set back and would then keep people waiting.
#[derive(Debug, Clone)]
struct LimitClock(Clock);

impl governor::clock::Clock for LimitClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// So many in a row, then so many a minute, for each key.
#[derive(Debug)]
pub struct KeyedLimit<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DashMapStateStore<K>, LimitClock, NoOpMiddleware<Nanos>>,
    clock: LimitClock,
}

impl<K: Hash + Eq + Clone> KeyedLimit<K> {
    /// Lets through `burst` at once and `per_minute` a minute.
    ///
    /// # Panics
    /// If either is zero.
    #[must_use]
    pub fn per_minute(per_minute: u32, burst: u32, clock: &Clock) -> Self {
        let limit = |n| NonZeroU32::new(n).expect("a limit of nothing makes no sense");
        let quota = Quota::per_minute(limit(per_minute)).allow_burst(limit(burst));
        let clock = LimitClock(clock.clone());
        Self { limiter: RateLimiter::dashmap_with_clock(quota, clock.clone()), clock }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// [`Cause::TooMany`] with the time to wait.
    pub fn check(&self, key: &K) -> Result<(), Cause> {
        if self.limiter.len() > MAX_KEYS {
            self.limiter.retain_recent();
        }
        self.limiter
            .check_key(key)
            .map_err(|not_until| Cause::TooMany { retry_after: not_until.wait_time_from(self.clock.now()) })
    }
}

/// Waits between attempts at one account.
#[derive(Debug)]
pub struct AccountDelays {
    clock: Clock,
    attempts: Mutex<HashMap<(String, Option<IpAddr>), Attempts>>,
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    count: u32,
    /// When the next one may be made, by [`Clock::elapsed`].
    next_at: Duration,
}

/// How the wait grows: nothing for the first `free`, then one second, doubled each time up to `longest`.
#[derive(Clone, Copy)]
struct Growth {
    free: u32,
    longest: Duration,
}

const FROM_ONE_NETWORK: Growth = Growth { free: 5, longest: Duration::from_secs(15 * 60) };
const FROM_EVERYWHERE: Growth = Growth { free: 30, longest: Duration::from_secs(60) };

/// Attempts this long ago are forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60 * 60);

impl AccountDelays {
    /// Counts an attempt, before it is made: many at once are many. A refused one does not count.
    ///
    /// # Errors
    /// [`Cause::TooMany`] with the time to wait.
    pub fn check(&self, email: &str, network: IpAddr) -> Result<(), Cause> {
        let now = self.clock.elapsed();
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() > MAX_KEYS {
            attempts.retain(|_, seen| !is_forgotten(seen, now));
        }
        if attempts.len() > 2 * MAX_KEYS {
            // Nobody has so many accounts: this is a flood of names, and the limit per address is what stops it.
            attempts.clear();
        }
        let keys = keys(email, network);
        for (key, _) in &keys {
            let Some(seen) = attempts.get(key).filter(|seen| !is_forgotten(seen, now)) else { continue };
            if seen.next_at > now {
                return Err(Cause::TooMany { retry_after: seen.next_at - now });
            }
        }
        for (key, growth) in keys {
            let seen = attempts.get(&key).filter(|seen| !is_forgotten(seen, now));
            let count = seen.map_or(0, |seen| seen.count).saturating_add(1);
            attempts.insert(key, Attempts { count, next_at: now + growth.wait_after(count) });
        }
        Ok(())
    }

    /// Forgets the attempts from a network whose last one was right, and takes it off the account's own count.
    pub fn succeeded(&self, email: &str, network: IpAddr) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let [(own, _), (all, _)] = keys(email, network);
        attempts.remove(&own);
        if let Some(seen) = attempts.get_mut(&all) {
            seen.count = seen.count.saturating_sub(1);
        }
    }
}

fn is_forgotten(seen: &Attempts, now: Duration) -> bool {
    seen.next_at + FORGET_AFTER < now
}

fn keys(email: &str, network: IpAddr) -> [((String, Option<IpAddr>), Growth); 2] {
    let email: String = email.trim().chars().take(254).flat_map(char::to_lowercase).collect();
    [((email.clone(), Some(network)), FROM_ONE_NETWORK), ((email, None), FROM_EVERYWHERE)]
}

impl Growth {
    fn wait_after(self, count: u32) -> Duration {
        match count.checked_sub(self.free) {
            None | Some(0) => Duration::ZERO,
            Some(over) => Duration::from_secs(1_u64 << (over - 1).min(32)).min(self.longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> (Clock, Limits) {
        let clock = Clock::frozen("2026-11-01T12:00:00Z".parse().expect("a timestamp"));
        let limits = Limits::new(&clock, &crate::config::Config::defaults().limits);
        (clock, limits)
    }

    fn wait(result: Result<(), Cause>) -> Option<Duration> {
        match result {
            Ok(()) => None,
            Err(Cause::TooMany { retry_after }) => Some(retry_after),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_has_a_burst_and_then_a_rate() {
        let (clock, limits) = setting();
        for _ in 0..10 {
            assert_eq!(wait(limits.sign_in.check(&ip(1))), None);
        }
        assert_eq!(wait(limits.sign_in.check(&ip(1))), Some(Duration::from_secs(12)));
        assert_eq!(wait(limits.sign_in.check(&ip(2))), None);
        clock.advance(Duration::from_secs(12));
        assert_eq!(wait(limits.sign_in.check(&ip(1))), None);
        assert!(wait(limits.sign_in.check(&ip(1))).is_some());
    }

    #[test]
    fn the_wait_at_an_account_doubles_and_ends() {
        let (clock, limits) = setting();
        let mut waits = Vec::new();
        for _ in 0..25 {
            while let Some(wait) = wait(limits.accounts.check("Ada@example.com", ip(1))) {
                waits.push(wait.as_secs());
                clock.advance(wait);
            }
        }
        assert_eq!(waits[..5], [1, 2, 4, 8, 16]);
        assert_eq!(waits.last(), Some(&900));
        assert!(wait(limits.accounts.check("ada@EXAMPLE.com ", ip(1))).is_some(), "case is no way around");
        clock.advance(Duration::from_secs(2 * 60 * 60));
        assert_eq!(wait(limits.accounts.check("ada@example.com", ip(1))), None);
    }

    #[test]
    fn from_another_network_the_owner_waits_a_minute_at_most() {
        let (clock, limits) = setting();
        for round in 0..40_u8 {
            for attacker in 0..5 {
                let _ = limits.accounts.check("ada@example.com", ip(attacker));
            }
            clock.advance(Duration::from_secs(u64::from(round) * 60));
        }
        let wait = wait(limits.accounts.check("ada@example.com", ip(200))).unwrap_or_default();
        assert!(wait <= Duration::from_secs(60), "{wait:?}");
    }

    #[test]
    fn the_right_password_clears_the_count_of_its_network() {
        let (_, limits) = setting();
        for _ in 0..50 {
            assert_eq!(wait(limits.accounts.check("ada@example.com", ip(1))), None);
            limits.accounts.succeeded("ada@example.com", ip(1));
        }
    }
}
