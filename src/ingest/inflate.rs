//! Gunzip, inflate, brotli and zstd that cannot be made to fill the memory.

use std::io::Read;

use crate::config::LimitsConfig;

/// Below this many bytes of output no ratio is too high: small texts of one letter compress well.
pub(super) const FREE_BYTES: usize = 1 << 20;

/// How much may come of compressed bytes.
#[derive(Debug, Clone, Copy)]
pub struct UnpackLimits {
    /// Most bytes in all.
    pub max_bytes: usize,
    /// Beyond the first MiB, the most that one byte of input may become. Real batches reach about 30.
    pub max_ratio: usize,
}

impl UnpackLimits {
    /// So many bytes, and the ratio that a server has unless it is told another.
    #[must_use]
    pub const fn up_to(max_bytes: usize) -> Self {
        Self { max_bytes, max_ratio: 100 }
    }
}

impl From<&LimitsConfig> for UnpackLimits {
    fn from(limits: &LimitsConfig) -> Self {
        Self { max_bytes: limits.max_body_bytes, max_ratio: limits.max_unpack_ratio }
    }
}

/// Why compressed bytes were not unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The output would be larger than allowed.
    #[error("the body is larger than {max_bytes} bytes when unpacked")]
    TooLarge { max_bytes: usize },
    /// A bomb.
    #[error("the body unpacks to more than {max_ratio} times its size")]
    TooDense { max_ratio: usize },
    /// Not the format it claims to be, or cut short.
    #[error("the compressed body is damaged or cut short")]
    Damaged,
}

/// Unpacks gzip, one or several members.
///
/// # Errors
/// If the bytes are not gzip, or more comes of them than `limits` allow.
pub fn gunzip(packed: &[u8], limits: UnpackLimits) -> Result<Vec<u8>, InflateError> {
    read_capped(flate2::bufread::MultiGzDecoder::new(packed), packed.len(), limits)
}

/// Unpacks zlib, which HTTP calls `deflate`.
///
/// # Errors
/// As [`gunzip`].
pub fn inflate_zlib(packed: &[u8], limits: UnpackLimits) -> Result<Vec<u8>, InflateError> {
    read_capped(flate2::bufread::ZlibDecoder::new(packed), packed.len(), limits)
}

/// Unpacks brotli. The window is that of HTTP, 16 MB at most: the extension for larger ones is refused.
///
/// # Errors
/// As [`gunzip`].
pub fn unbrotli(packed: &[u8], limits: UnpackLimits) -> Result<Vec<u8>, InflateError> {
    const LARGE_WINDOW: u8 = 0x11;
    if packed.first().is_none_or(|first| first & 0x7f == LARGE_WINDOW) {
        return Err(InflateError::Damaged);
    }
    read_capped(brotli_decompressor::Decompressor::new(packed, 4096), packed.len(), limits)
}

/// Unpacks one frame of zstd whose window is 8 MiB at most, as HTTP has it (RFC 9659).
///
/// # Errors
/// As [`gunzip`].
pub fn unzstd(packed: &[u8], limits: UnpackLimits) -> Result<Vec<u8>, InflateError> {
    check_zstd_window(packed, limits.max_bytes)?;
    let mut rest = packed;
    let decoder = ruzstd::decoding::StreamingDecoder::new(&mut rest).map_err(|_| InflateError::Damaged)?;
    let unpacked = read_capped(decoder, packed.len(), limits)?;
    if rest.is_empty() { Ok(unpacked) } else { Err(InflateError::Damaged) }
}

/// Reads the window that a frame asks for before anything is allocated for it (RFC 8878 §3.1.1.1).
fn check_zstd_window(packed: &[u8], max_bytes: usize) -> Result<(), InflateError> {
    const MAX_WINDOW: u64 = 8 << 20;
    let [_, _, _, _, descriptor, window, ..] = *packed else { return Err(InflateError::Damaged) };
    let is_one_segment = descriptor & 0x20 != 0;
    if is_one_segment {
        // The window is the whole content, whose size stands behind the dictionary's id.
        let id_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let size_bytes = 1 << (descriptor >> 6);
        let mut size = [0; 8];
        let field = packed.get(5 + id_bytes..5 + id_bytes + size_bytes).ok_or(InflateError::Damaged)?;
        size[..size_bytes].copy_from_slice(field);
        return match usize::try_from(u64::from_le_bytes(size)) {
            Ok(size) if size <= max_bytes => Ok(()),
            _ => Err(InflateError::TooLarge { max_bytes }),
        };
    }
    let base = 1_u64 << (10 + u32::from(window >> 3));
    if base + base / 8 * u64::from(window & 7) > MAX_WINDOW {
        return Err(InflateError::TooLarge { max_bytes });
    }
    Ok(())
}

/// Fails if `unpacked` is too large, or too large for what it came from.
pub(super) fn check(unpacked: usize, packed: usize, limits: UnpackLimits) -> Result<(), InflateError> {
    let UnpackLimits { max_bytes, max_ratio } = limits;
    if unpacked > max_bytes {
        return Err(InflateError::TooLarge { max_bytes });
    }
    if unpacked > FREE_BYTES && unpacked / max_ratio > packed {
        return Err(InflateError::TooDense { max_ratio });
    }
    Ok(())
}

fn read_capped(mut from: impl Read, packed: usize, limits: UnpackLimits) -> Result<Vec<u8>, InflateError> {
    const STEP: u64 = 64 << 10;
    let mut unpacked = Vec::with_capacity(packed.saturating_mul(6).min(limits.max_bytes));
    loop {
        let before = unpacked.len();
        from.by_ref().take(STEP).read_to_end(&mut unpacked).map_err(|_| InflateError::Damaged)?;
        check(unpacked.len(), packed, limits)?;
        if unpacked.len() == before {
            return Ok(unpacked);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut into = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        into.write_all(bytes).expect("memory takes all");
        into.finish().expect("memory takes all")
    }

    #[test]
    fn what_was_packed_comes_back() {
        let text = b"{\"event\":\"x\"}".repeat(1000);
        assert_eq!(gunzip(&gzip(&text), UnpackLimits::up_to(1 << 20)), Ok(text));
    }

    #[test]
    fn output_over_the_cap_is_refused() {
        assert_eq!(
            gunzip(&gzip(&[b'a'; 2000]), UnpackLimits::up_to(1999)),
            Err(InflateError::TooLarge { max_bytes: 1999 })
        );
        assert!(gunzip(&gzip(&[b'a'; 2000]), UnpackLimits::up_to(2000)).is_ok());
    }

    #[test]
    fn a_bomb_is_refused_long_before_the_cap() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert_eq!(gunzip(&bomb, UnpackLimits::up_to(usize::MAX)), Err(InflateError::TooDense { max_ratio: 100 }));
        let patient = UnpackLimits { max_ratio: 2000, ..UnpackLimits::up_to(usize::MAX) };
        assert_eq!(gunzip(&bomb, patient).map(|unpacked| unpacked.len()), Ok(64 << 20));
    }

    #[test]
    fn a_small_text_may_be_dense() {
        assert_eq!(gunzip(&gzip(&[b'a'; 1 << 20]), UnpackLimits::up_to(1 << 20)).map(|t| t.len()), Ok(1 << 20));
    }

    #[test]
    fn damage_and_cuts_are_noticed() {
        let packed = gzip(b"{\"event\":\"x\",\"distinct_id\":\"u\"}");
        for end in 0..packed.len() {
            assert!(end == 0 || gunzip(&packed[..end], UnpackLimits::up_to(1 << 20)).is_err(), "cut at {end}");
        }
        let mut flipped = packed.clone();
        flipped[packed.len() - 6] ^= 1;
        assert_eq!(gunzip(&flipped, UnpackLimits::up_to(1 << 20)), Err(InflateError::Damaged));
    }
}
