//! How often is too often: a bucket of tokens for each key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Clock;

/// Most keys whose buckets are kept.
const MAX_KEYS: usize = 50_000;
/// A bucket filled so late that the clock must have been set back since is taken for full.
const CLOCK_SLACK_NANOS: i64 = 1_000_000_000;

/// For each key a bucket that holds `burst` tokens and gets `per_second` of them back each second.
///
/// Kept in memory, for each instance: a restart forgets, which harms nobody. Memory is bounded however many keys there are.
#[derive(Debug)]
pub struct TokenBuckets<K> {
    clock: Clock,
    /// How long one token takes to come back.
    token_nanos: i64,
    burst: u32,
    max_keys: usize,
    buckets: Mutex<Buckets<K>>,
}

/// Two generations: when the young one is full it becomes the old one, which is forgotten. A key that keeps asking moves to
/// the young one, so that a flood of keys makes the limit forget each other, not those that it is for.
#[derive(Debug)]
struct Buckets<K> {
    young: HashMap<K, Bucket>,
    old: HashMap<K, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    taken_at: i64,
    /// When all tokens will be back.
    full_at: i64,
}

impl<K: Hash + Eq + Clone> TokenBuckets<K> {
    /// Buckets of these sizes, or none if `per_second` is 0. A `burst` of 0 stands for ten seconds' worth.
    #[must_use]
    pub fn new(per_second: u32, burst: u32, clock: &Clock) -> Option<Self> {
        Self::with_max_keys(per_second, burst, clock, MAX_KEYS)
    }

    fn with_max_keys(per_second: u32, burst: u32, clock: &Clock, max_keys: usize) -> Option<Self> {
        if per_second == 0 {
            return None;
        }
        Some(Self {
            clock: clock.clone(),
            token_nanos: (1_000_000_000 / i64::from(per_second)).max(1),
            burst: if burst == 0 { per_second.saturating_mul(10) } else { burst },
            max_keys,
            buckets: Mutex::new(Buckets { young: HashMap::new(), old: HashMap::new() }),
        })
    }

    /// Takes `tokens` from the key's bucket. More than a bucket holds may be taken from a full one: the rest is owed, so that
    /// no size is refused for ever and the average holds all the same.
    ///
    /// # Errors
    /// If there are too few, with the time until there are enough; nothing is taken then.
    pub fn take(&self, key: &K, tokens: usize) -> Result<(), Duration> {
        let now = self.clock.now().as_microsecond().saturating_mul(1000);
        let nanos = |tokens: i64| tokens.saturating_mul(self.token_nanos);
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = buckets.find(key).filter(|b| b.full_at > now && b.taken_at <= now + CLOCK_SLACK_NANOS);
        let missing = known.map_or(0, |bucket| bucket.full_at - now);
        let burst = i64::from(self.burst);
        let over = missing.saturating_add(nanos(tokens.min(burst))).saturating_sub(nanos(burst));
        // A key that is refused is kept, too: it is the one to remember.
        let (taken, bucket) = match known {
            Some(bucket) if over > 0 => (0, bucket),
            _ => (tokens, Bucket { taken_at: now, full_at: now + missing }),
        };
        if tokens > 0 {
            let full_at = bucket.full_at.saturating_add(nanos(taken));
            buckets.keep(key, Bucket { full_at, ..bucket }, self.max_keys / 2);
        }
        if over > 0 { Err(Duration::from_nanos(over.unsigned_abs())) } else { Ok(()) }
    }
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn find(&self, key: &K) -> Option<Bucket> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn keep(&mut self, key: &K, bucket: Bucket, generation: usize) {
        if let Some(kept) = self.young.get_mut(key) {
            *kept = bucket;
            return;
        }
        if self.young.len() >= generation.max(1) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(key);
        self.young.insert(key.clone(), bucket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(per_second: u32, burst: u32) -> (Clock, TokenBuckets<u32>) {
        let clock = Clock::frozen("2026-11-01T12:00:00Z".parse().expect("a timestamp"));
        let buckets = TokenBuckets::with_max_keys(per_second, burst, &clock, 100).expect("a limit");
        (clock, buckets)
    }

    #[test]
    fn a_burst_passes_then_the_rate() {
        let (clock, buckets) = buckets(10, 20);
        assert_eq!(buckets.take(&1, 20), Ok(()));
        assert_eq!(buckets.take(&1, 1), Err(Duration::from_millis(100)));
        assert_eq!(buckets.take(&2, 20), Ok(()), "another key has a bucket of its own");
        clock.advance(Duration::from_millis(100));
        assert_eq!(buckets.take(&1, 1), Ok(()));
        assert_eq!(buckets.take(&1, 5), Err(Duration::from_millis(500)));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(buckets.take(&1, 20), Ok(()), "a full bucket");
        assert_eq!(buckets.take(&1, 1), Err(Duration::from_millis(100)), "and no more than that");
    }

    #[test]
    fn more_than_a_bucket_holds_passes_when_it_is_full_and_is_owed() {
        let (clock, buckets) = buckets(10, 20);
        assert_eq!(buckets.take(&1, 100), Ok(()));
        assert_eq!(buckets.take(&1, 100), Err(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(8));
        assert_eq!(buckets.take(&1, 1), Err(Duration::from_millis(100)), "80 are paid, 20 of 20 tokens are missing");
        clock.advance(Duration::from_secs(2));
        assert_eq!(buckets.take(&1, 100), Ok(()));
    }

    #[test]
    fn an_average_over_an_hour_is_the_rate_whatever_the_sizes() {
        let (clock, buckets) = buckets(50, 200);
        let mut taken = 0;
        for turn in 0..36_000_usize {
            let size = [1, 7, 500, 60][turn % 4];
            if buckets.take(&1, size).is_ok() {
                taken += size;
            }
            clock.advance(Duration::from_millis(100));
        }
        assert!((50 * 3600 - 500..=50 * 3600 + 700).contains(&taken), "{taken}");
    }

    #[test]
    fn memory_is_bounded_and_one_that_asks_a_lot_stays_limited_through_a_flood_of_keys() {
        let (clock, buckets) = buckets(1, 1);
        assert_eq!(buckets.take(&1, 1), Ok(()));
        for key in 1000..11_000 {
            assert_eq!(buckets.take(&key, 1), Ok(()), "a key that was never seen passes");
            assert!(buckets.take(&1, 1).is_err(), "it never stopped asking");
            let held = buckets.buckets.lock().expect("nobody panicked");
            assert!(held.young.len() + held.old.len() <= 100);
        }
        clock.advance(Duration::from_secs(1));
        assert_eq!(buckets.take(&1, 1), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_leaves_nobody_waiting_for_it() {
        let (clock, ahead) = buckets(1, 1);
        clock.advance(Duration::from_secs(10 * 365 * 86_400));
        assert_eq!(ahead.take(&1, 1), Ok(()));
        let later = ahead.buckets.into_inner().expect("nobody panicked");
        let (_, mut now) = buckets(1, 1);
        now.buckets = Mutex::new(later);
        assert_eq!(now.take(&1, 1), Ok(()));
        assert_eq!(now.take(&1, 1), Err(Duration::from_secs(1)));
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert!(TokenBuckets::<u32>::new(0, 5, &Clock::system()).is_none());
    }
}
