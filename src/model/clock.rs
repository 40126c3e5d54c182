//! Where time and time-ordered ids come from.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::{NoContext, Uuid};

/// The source of *now*. Production reads the system's clock; a test freezes one and advances it.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    Frozen(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::advance`]; clones share the hand.
    #[must_use]
    pub fn frozen(at: Timestamp) -> Self {
        Self(Source::Frozen(Arc::new(AtomicI64::new(at.as_microsecond()))))
    }

    /// The present moment, in whole microseconds: what both stores keep.
    ///
    /// # Panics
    /// Never within the range of years that [`Timestamp`] covers (−9999 to 9999).
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
    pub fn now(&self) -> Timestamp {
        let micros = match &self.0 {
            Source::System => Timestamp::now().as_microsecond(),
            Source::Frozen(hand) => hand.load(Ordering::Relaxed),
        };
        Timestamp::from_microsecond(micros).expect("microseconds that came from a timestamp make one")
    }

    /// How much time has passed since some moment before. For waits and limits: setting the system's clock neither ends nor
    /// prolongs them.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
        match &self.0 {
            Source::System => BEGUN.elapsed(),
            Source::Frozen(hand) => Duration::from_micros(u64::try_from(hand.load(Ordering::Relaxed)).unwrap_or(0)),
        }
    }

    /// Moves a frozen clock; does nothing to the system's.
    pub fn advance(&self, by: Duration) {
        if let Source::Frozen(hand) = &self.0 {
            hand.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// A new UUIDv7 whose time is *now*.
    #[must_use]
    pub fn new_uuid(&self) -> Uuid {
        let now = self.now();
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanos = now.subsec_nanosecond().unsigned_abs();
        Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told_and_its_clones_with_it() {
        let clock = Clock::frozen("2026-11-01T12:00:00Z".parse().expect("a timestamp"));
        let other = clock.clone();
        assert_eq!(clock.now(), other.now());
        let before = clock.elapsed();
        clock.advance(Duration::from_secs(60));
        assert_eq!(other.elapsed() - before, Duration::from_secs(60));
        assert_eq!(other.now().to_string(), "2026-11-01T12:01:00Z");
        assert_ne!(clock.new_uuid(), clock.new_uuid());
    }
}
