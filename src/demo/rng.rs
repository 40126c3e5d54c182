//! A small seeded generator of pseudo-random numbers: the same seed gives the same shop on every machine.

use jiff::Timestamp;
use uuid::Uuid;

/// What a stream of numbers is drawn for; two purposes never share numbers, so a change in one leaves the others alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Person = 1,
    Calendar = 2,
    Visit = 3,
}

/// xoshiro256++, its state filled by `SplitMix64`. Not for secrets.
#[derive(Debug, Clone)]
pub(super) struct Rng([u64; 4]);

impl Rng {
    /// The stream for one thing (a person, a visit) of one seed.
    pub(super) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut state = seed ^ (purpose as u64).rotate_left(56) ^ index.wrapping_mul(0xD134_2543_DE82_EF95);
        let mut mix = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        Self([mix(), mix(), mix(), mix()])
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        result
    }

    /// From 0 up to, not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// From `low` up to, not including, `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// From 0 up to, not including, `n`.
    ///
    /// # Panics
    /// If `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("smaller than a usize")
    }

    /// One of a list that is not empty.
    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// One of a list that is not empty, each as likely as its weight says.
    pub(super) fn weighted<'a, T>(&mut self, list: &'a [T], weight: impl Fn(&T) -> f64) -> &'a T {
        let mut left = self.unit() * list.iter().map(&weight).sum::<f64>();
        for item in list {
            left -= weight(item);
            if left < 0.0 {
                return item;
            }
        }
        &list[list.len() - 1]
    }

    /// A waiting time in milliseconds: often short, sometimes long, never over `most` seconds.
    pub(super) fn pause_ms(&mut self, mean_seconds: f64, most: f64) -> i64 {
        let seconds = (-mean_seconds * (1.0 - self.unit()).ln()).clamp(0.4, most);
        (seconds * 1000.0) as i64
    }

    /// A random UUID (version 4 by its shape).
    pub(super) fn uuid(&mut self) -> Uuid {
        let (high, low) = (self.next(), self.next());
        uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes()).into_uuid()
    }

    /// A UUID that starts with its time (version 7 by its shape).
    pub(super) fn uuid_at(&mut self, at: Timestamp) -> Uuid {
        let mut rest = [0; 10];
        rest[..8].copy_from_slice(&self.next().to_be_bytes());
        rest[8..].copy_from_slice(&self.next().to_be_bytes()[..2]);
        let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_purpose_others() {
        let draw = |seed, purpose, index| {
            let mut rng = Rng::new(seed, purpose, index);
            [rng.next(), rng.next(), rng.next()]
        };
        assert_eq!(draw(7, Purpose::Visit, 3), draw(7, Purpose::Visit, 3));
        assert_ne!(draw(7, Purpose::Visit, 3), draw(7, Purpose::Person, 3));
        assert_ne!(draw(7, Purpose::Visit, 3), draw(8, Purpose::Visit, 3));
        assert_ne!(draw(7, Purpose::Visit, 3), draw(7, Purpose::Visit, 4));
    }

    #[test]
    fn a_weight_says_how_often() {
        let mut rng = Rng::new(1, Purpose::Visit, 0);
        let ones = (0..10_000).filter(|_| *rng.weighted(&[0, 1], |item| f64::from(1 + 2 * item)) == 1).count();
        assert!((7_200..7_800).contains(&ones), "{ones} of 10,000 instead of about 7,500");
    }

    #[test]
    fn a_timed_uuid_says_its_time() {
        let at: Timestamp = "2026-11-01T12:00:00Z".parse().expect("a timestamp");
        let uuid = Rng::new(1, Purpose::Visit, 0).uuid_at(at);
        assert_eq!(uuid.get_version_num(), 7);
        let (seconds, _) = uuid.get_timestamp().expect("version 7 has a time").to_unix();
        assert_eq!(i64::try_from(seconds), Ok(at.as_second()));
    }
}
