//! A file that holds room on the disk.
//!
//! A store needs some room to drop or merge what would make more: on a full disk it can do neither. So there is a file
//! that nobody reads; it goes when the disk is full, and comes back when there is room.

use std::io;

use super::disk::{Disk, Space};
use super::room::RoomConfig;

const NAME: &str = "ballast";
/// With less than this free the stores need the ballast's room.
const RELEASE_BELOW: u64 = 16 << 20;
/// This much must stay free besides, before it is made.
const MAKE_ABOVE: u64 = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Ballast {
    is_there: bool,
}

impl Ballast {
    /// Looks whether it is there from an earlier start.
    pub fn find(disk: &Disk, config: &RoomConfig) -> io::Result<Self> {
        let len = match disk.open(NAME) {
            Ok(file) => file.len()?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(e),
        };
        if len != config.ballast_bytes || len == 0 {
            disk.remove(NAME)?;
            return Ok(Self::default());
        }
        Ok(Self { is_there: true })
    }

    /// What it will still take of the free bytes.
    pub fn missing(&self, config: &RoomConfig) -> u64 {
        if self.is_there { 0 } else { config.ballast_bytes }
    }

    /// Makes or releases it, as the disk is. Failing is no harm: it is tried again.
    pub fn adjust(&mut self, disk: &Disk, config: &RoomConfig, space: Space) {
        if self.is_there && space.free < RELEASE_BELOW {
            match disk.remove(NAME) {
                Ok(()) => {
                    self.is_there = false;
                    tracing::warn!("The disk is full: gave the stores the room that was held for them");
                }
                Err(error) => tracing::error!(error = %error, "The ballast cannot be released"),
            }
        } else if !self.is_there
            && config.ballast_bytes > 0
            && config.allows(space, config.ballast_bytes.saturating_add(MAKE_ABOVE))
        {
            match disk.reserve(NAME, config.ballast_bytes) {
                Ok(()) => self.is_there = true,
                Err(error) => tracing::debug!(error = %error, "The ballast cannot be made"),
            }
        }
    }
}
