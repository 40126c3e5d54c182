//! Whether the disk has room for more events.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::disk::Space;

/// How full the disk may become before [`super::SpoolError::Full`].
#[derive(Debug, Clone, Copy)]
pub struct RoomConfig {
    /// Most percent of the file system in use, by whomever.
    pub max_used_percent: u64,
    /// Least bytes free.
    pub min_free_bytes: u64,
    /// Size of the ballast: a file that holds room for the stores, which need some to give any back. 0 for none.
    pub ballast_bytes: u64,
}

impl RoomConfig {
    /// Takes all of the disk.
    pub const UNLIMITED: Self = Self { max_used_percent: 100, min_free_bytes: 0, ballast_bytes: 0 };

    /// Whether events may be taken while this much besides them shall still fit.
    pub(super) fn allows(&self, space: Space, besides: u64) -> bool {
        let free = space.free.saturating_sub(besides);
        let used_percent =
            (u128::from(space.total - free.min(space.total)) * 100).div_ceil(u128::from(space.total.max(1)));
        free >= self.min_free_bytes && space.free >= besides && used_percent <= u128::from(self.max_used_percent)
    }
}

/// What was found when the disk was looked at last.
#[derive(Debug)]
pub(super) struct Room {
    is_open: AtomicBool,
    free: AtomicU64,
}

const UNKNOWN: u64 = u64::MAX;

impl Room {
    /// Open until somebody looks.
    pub const fn new() -> Self {
        Self { is_open: AtomicBool::new(true), free: AtomicU64::new(UNKNOWN) }
    }

    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Bytes free; `None` before somebody looked.
    pub fn free(&self) -> Option<u64> {
        Some(self.free.load(Ordering::Relaxed)).filter(|free| *free != UNKNOWN)
    }

    /// Notes what was found, and says so if it is news.
    pub fn set(&self, is_open: bool, free: u64) {
        self.free.store(free, Ordering::Relaxed);
        if self.is_open.swap(is_open, Ordering::Relaxed) != is_open {
            let free_mb = free >> 20;
            if is_open {
                tracing::info!(free_mb, "The disk has room again: events are taken");
            } else {
                tracing::error!(free_mb, "The disk is nearly full: events are refused until there is room");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_the_ballast_counts_as_taken() {
        let config = RoomConfig { max_used_percent: 95, min_free_bytes: 1000, ballast_bytes: 64 };
        let space = |total, free| Space { total, free };
        assert!(config.allows(space(10_000, 1000), 0));
        assert!(!config.allows(space(10_000, 999), 0));
        assert!(!config.allows(space(10_000, 1000), 1), "the ballast is still to come");
        assert!(config.allows(space(100_000, 5000), 0));
        assert!(!config.allows(space(100_000, 4999), 0), "more than 95 percent");
        assert!(!config.allows(space(0, 0), 0));
        assert!(RoomConfig::UNLIMITED.allows(space(10, 0), 0));
        assert!(!RoomConfig::UNLIMITED.allows(space(10, 5), 6));
    }
}
