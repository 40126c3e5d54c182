//! Pauses between tries.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(100);
/// A store that is back is noticed within this.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// Each pause is twice the one before, up to five seconds, and between half and all of that by chance, so that instances that
/// lost the same store do not come back in step.
#[derive(Debug)]
pub(super) struct Backoff {
    tries: u32,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(LONGEST)
    }
}

impl Backoff {
    /// With pauses up to this instead of five seconds.
    pub fn up_to(longest: Duration) -> Self {
        Self { tries: 0, longest }
    }

    /// How often there was a pause.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    fn next(&mut self, chance: u32) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.tries.min(16)).min(self.longest);
        self.tries = self.tries.saturating_add(1);
        whole.mul_f64(0.5 + 0.5 * f64::from(chance) / f64::from(u32::MAX))
    }

    /// Waits; ends early on shutdown.
    pub async fn pause(&mut self, shutdown: &CancellationToken) {
        let pause = self.next(getrandom::u32().unwrap_or(0));
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds_and_no_further() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(0), Duration::from_millis(50));
        assert_eq!(backoff.next(u32::MAX), Duration::from_millis(200));
        for _ in 0..100 {
            assert!(backoff.next(u32::MAX) <= LONGEST);
        }
        assert_eq!(backoff.next(0), LONGEST / 2);
    }
}
