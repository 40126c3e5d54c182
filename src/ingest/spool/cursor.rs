//! How far the spool's events are stored.

use super::frame::{u32_at, u64_at};

const MAGIC: &[u8; 8] = b"TENRECCU";
const VERSION: u32 = 1;
const LEN: usize = 40;

/// The durable position of the reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Every frame up to this number is in both stores.
    pub stored: u64,
    /// The last frame of the batch under way; not above `stored` if there is none.
    pub pending: u64,
}

impl Cursor {
    pub fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.stored.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.pending.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..36]);
        bytes[36..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` if the bytes are damaged or of another version.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let sound = bytes.len() == LEN && &bytes[..8] == MAGIC && crc32fast::hash(&bytes[..36]) == u32_at(bytes, 36);
        (sound && u32_at(bytes, 8) == VERSION).then(|| Self { stored: u64_at(bytes, 16), pending: u64_at(bytes, 24) })
    }
}
