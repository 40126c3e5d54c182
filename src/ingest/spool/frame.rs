//! Frames and segment headers as bytes. Pure: what reads here never panics, whatever it is given.

use uuid::Uuid;

use super::MAX_INFLATED;
use crate::ingest::Arrivals;
use crate::ingest::scanned::{Facts, ScannedRequest};

pub(super) const SEGMENT_HEADER: usize = 48;
pub(super) const FRAME_HEADER: usize = 36;
const SEGMENT_MAGIC: &[u8; 8] = b"TENRECSP";
const FRAME_MAGIC: [u8; 4] = [0x1e, b'T', b'N', 0];
/// Version 1 had no requests, only events.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=2;

/// The start of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub node: Uuid,
    pub first_seq: u64,
    /// Numbers right before `first_seq` that were given out in vain: a gap there is no loss.
    pub skipped: u32,
}

/// Why bytes are no segment header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Damaged,
    Newer(u32),
}

impl SegmentHeader {
    pub fn to_bytes(self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&VERSIONS.end().to_le_bytes());
        bytes[16..32].copy_from_slice(self.node.as_bytes());
        bytes[32..40].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.skipped.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub fn read(bytes: &[u8]) -> Result<Self, BadHeader> {
        let bytes = bytes.get(..SEGMENT_HEADER).ok_or(BadHeader::Damaged)?;
        if &bytes[..8] != SEGMENT_MAGIC || crc32fast::hash(&bytes[..44]) != u32_at(bytes, 44) {
            return Err(BadHeader::Damaged);
        }
        match u32_at(bytes, 8) {
            version if VERSIONS.contains(&version) => Ok(Self {
                node: Uuid::from_slice(&bytes[16..32]).map_err(|_| BadHeader::Damaged)?,
                first_seq: u64_at(bytes, 32),
                skipped: u32_at(bytes, 40),
            }),
            newer => Err(BadHeader::Newer(newer)),
        }
    }
}

/// What a payload holds, by the number in the frame's header.
const ARRIVALS: u32 = 0;
const REQUEST: u32 = 1;

/// The events of one append, compressed.
#[derive(Debug)]
pub(super) struct Payload {
    bytes: Vec<u8>,
    kind: u32,
    inflated: u32,
    /// Entries of both kinds.
    pub events: u32,
    crc: u32,
}

/// What one append held.
#[derive(Debug, PartialEq)]
pub(super) enum Contents {
    Arrivals(Arrivals),
    Request(ScannedRequest),
}

impl Payload {
    /// `None` if they are too large for a frame.
    pub fn of_arrivals(arrivals: &Arrivals) -> Option<Self> {
        let json = serde_json::to_vec(arrivals).expect("an event is maps with text keys, which JSON can hold");
        Self::of_json(&json, arrivals.len().try_into().ok()?)
    }

    /// `None` if it is too large for a frame.
    pub fn of_request(request: &ScannedRequest) -> Option<Self> {
        let facts = serde_json::to_vec(&request.facts).expect("facts are texts and numbers");
        let mut plain = Vec::with_capacity(4 + facts.len() + request.json.len());
        plain.extend(u32::try_from(facts.len()).ok()?.to_le_bytes());
        plain.extend(facts);
        plain.extend_from_slice(&request.json);
        Self::compress(REQUEST, &plain, request.events)
    }

    /// Compresses; `None` if it is too large for a frame.
    pub fn of_json(json: &[u8], events: u32) -> Option<Self> {
        Self::compress(ARRIVALS, json, events)
    }

    fn compress(kind: u32, plain: &[u8], events: u32) -> Option<Self> {
        if plain.len() > MAX_INFLATED {
            return None;
        }
        let bytes = lz4_flex::block::compress(plain);
        Some(Self { crc: crc32fast::hash(&bytes), bytes, kind, inflated: plain.len().try_into().ok()?, events })
    }

    /// No events: never written.
    pub const fn empty() -> Self {
        Self { bytes: Vec::new(), kind: ARRIVALS, inflated: 0, events: 0, crc: 0 }
    }

    pub fn frame_len(&self) -> u64 {
        (FRAME_HEADER + self.bytes.len()) as u64
    }

    /// Appends the frame with this number.
    pub fn write(&self, seq: u64, to: &mut Vec<u8>) {
        let mut header = [0; FRAME_HEADER];
        header[..4].copy_from_slice(&FRAME_MAGIC);
        let len = u32::try_from(self.bytes.len()).expect("a payload is far below 4 GiB");
        header[4..8].copy_from_slice(&len.to_le_bytes());
        header[8..12].copy_from_slice(&self.inflated.to_le_bytes());
        header[12..16].copy_from_slice(&self.events.to_le_bytes());
        header[16..24].copy_from_slice(&seq.to_le_bytes());
        header[24..28].copy_from_slice(&self.kind.to_le_bytes());
        header[28..32].copy_from_slice(&self.crc.to_le_bytes());
        let crc = crc32fast::hash(&header[..32]);
        header[32..].copy_from_slice(&crc.to_le_bytes());
        to.extend_from_slice(&header);
        to.extend_from_slice(&self.bytes);
    }
}

/// A frame's header, its checksum right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub len: usize,
    pub inflated: usize,
    pub events: u32,
    pub seq: u64,
    kind: u32,
    crc: u32,
}

impl FrameHeader {
    /// `None` if the bytes do not start with a whole, undamaged header.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..FRAME_HEADER)?;
        if bytes[..4] != FRAME_MAGIC || crc32fast::hash(&bytes[..32]) != u32_at(bytes, 32) {
            return None;
        }
        let header = Self {
            len: u32_at(bytes, 4) as usize,
            inflated: u32_at(bytes, 8) as usize,
            events: u32_at(bytes, 12),
            seq: u64_at(bytes, 16),
            kind: u32_at(bytes, 24),
            crc: u32_at(bytes, 28),
        };
        (header.inflated <= MAX_INFLATED).then_some(header)
    }

    /// Header and payload.
    pub fn frame_len(&self) -> usize {
        FRAME_HEADER + self.len
    }

    /// Whether this is the payload that the header was written for.
    pub fn matches(&self, payload: &[u8]) -> bool {
        payload.len() == self.len && crc32fast::hash(payload) == self.crc
    }

    /// Inflates and parses a payload; the error says why it is unreadable although its checksum is right.
    pub fn contents(&self, payload: &[u8]) -> Result<Contents, String> {
        let mut plain = lz4_flex::block::decompress(payload, self.inflated).map_err(|e| e.to_string())?;
        match self.kind {
            // Frames of before rejected events were kept hold an array.
            ARRIVALS => match plain.first() {
                Some(b'[') => serde_json::from_slice::<Vec<_>>(&plain).map(Arrivals::from),
                _ => serde_json::from_slice(&plain),
            }
            .map(Contents::Arrivals)
            .map_err(|e| e.to_string()),
            REQUEST => {
                let facts_end = 4 + plain.first_chunk().map_or(0, |len| u32::from_le_bytes(*len) as usize);
                let facts = plain.get(4..facts_end).ok_or("the facts are longer than the payload")?;
                let facts: Facts = serde_json::from_slice(facts).map_err(|e| e.to_string())?;
                plain.drain(..facts_end);
                Ok(Contents::Request(ScannedRequest { facts, events: self.events, json: plain }))
            }
            kind => Err(format!("its kind is {kind}, which is not known here")),
        }
    }
}

/// A whole frame at the start of the bytes: its header and payload.
pub(super) fn whole(bytes: &[u8]) -> Option<(FrameHeader, &[u8])> {
    let header = FrameHeader::read(bytes)?;
    let payload = bytes.get(FRAME_HEADER..header.frame_len())?;
    header.matches(payload).then_some((header, payload))
}

/// Where the next whole frame starts, from `from` on.
pub(super) fn resync(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len().saturating_sub(FRAME_HEADER - 1))
        .find(|at| bytes[*at] == FRAME_MAGIC[0] && whole(&bytes[*at..]).is_some())
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
