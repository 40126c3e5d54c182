//! Compression in both directions: HTTP's own (`gzip`, `deflate`, `lz4` frames) and the engine's native
//! blocks (`decompress=1`, `compress=1`): checksum, method, sizes, LZ4 data.

use std::io::{self, Read, Write};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};

use super::super::error::EngineError;

const CHECKSUM_BYTES: usize = 16;
/// Method byte, compressed size (with this header), uncompressed size.
const HEADER_BYTES: usize = 9;
const METHOD_NONE: u8 = 0x02;
const METHOD_LZ4: u8 = 0x82;
/// What clients send as one block is at most a few MiB; more would let a header claim all memory.
const MAX_BLOCK_BYTES: usize = 128 << 20;
/// As the engine's server makes them.
const OUTPUT_BLOCK_BYTES: usize = 1 << 20;

/// Undoes the body's `Content-Encoding` and, if asked, the native blocks inside it.
pub fn decoder<R: Read + Send + 'static>(
    body: R,
    content_encoding: Option<&str>,
    is_native: bool,
) -> Result<Box<dyn Read + Send>, EngineError> {
    let body: Box<dyn Read + Send> = match content_encoding.map(str::trim).unwrap_or_default() {
        "" | "identity" => Box::new(body),
        "gzip" | "x-gzip" => Box::new(MultiGzDecoder::new(body)),
        "deflate" => Box::new(ZlibDecoder::new(body)),
        "lz4" => Box::new(FrameDecoder::new(body)),
        other => {
            let message = format!("Unknown compression method: {other}. Supported: gzip, deflate, lz4");
            return Err(EngineError::new(89, "UNKNOWN_COMPRESSION_METHOD", &message));
        }
    };
    Ok(if is_native { Box::new(NativeDecoder { body, block: Vec::new(), at: 0 }) } else { body })
}

/// How a response is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    Lz4,
    /// The engine's own blocks, without a `Content-Encoding`.
    Native,
}

impl Encoding {
    /// The first one of `Accept-Encoding` that is spoken here.
    pub fn accepted(accept_encoding: &str) -> Self {
        accept_encoding
            .split(',')
            .find_map(|one| match one.split(';').next().unwrap_or_default().trim() {
                "gzip" => Some(Self::Gzip),
                "lz4" => Some(Self::Lz4),
                _ => None,
            })
            .unwrap_or(Self::Identity)
    }

    /// The value of `Content-Encoding`.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Gzip => Some("gzip"),
            Self::Lz4 => Some("lz4"),
            Self::Identity | Self::Native => None,
        }
    }
}

/// Compresses a response piece by piece; each piece can be read as soon as it arrives.
pub enum Encoder {
    Identity,
    Gzip(GzEncoder<Vec<u8>>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    Native,
}

impl Encoder {
    pub fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Identity => Self::Identity,
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::fast())),
            Encoding::Lz4 => Self::Lz4(Box::new(FrameEncoder::new(Vec::new()))),
            Encoding::Native => Self::Native,
        }
    }

    /// The bytes to send for `data`.
    pub fn encode(&mut self, data: &[u8]) -> io::Result<Vec<u8>> {
        Ok(match self {
            Self::Identity => data.to_vec(),
            Self::Gzip(encoder) => {
                encoder.write_all(data)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut())
            }
            Self::Lz4(encoder) => {
                encoder.write_all(data)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut())
            }
            Self::Native => data.chunks(OUTPUT_BLOCK_BYTES).flat_map(native_block).collect(),
        })
    }

    /// The bytes that end the response.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity | Self::Native => Ok(Vec::new()),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
        }
    }
}

fn checksum(block: &[u8]) -> [u8; CHECKSUM_BYTES] {
    // The engine writes the two halves of the hash in the other order.
    cityhash_rs::cityhash_102_128(block).rotate_right(64).to_le_bytes()
}

fn native_block(data: &[u8]) -> Vec<u8> {
    let compressed = lz4_flex::block::compress(data);
    let size = u32::try_from(compressed.len() + HEADER_BYTES).expect("blocks are a MiB");
    let mut block = vec![0; CHECKSUM_BYTES];
    block.push(METHOD_LZ4);
    block.extend(size.to_le_bytes());
    block.extend(u32::try_from(data.len()).expect("blocks are a MiB").to_le_bytes());
    block.extend(compressed);
    let sum = checksum(&block[CHECKSUM_BYTES..]);
    block[..CHECKSUM_BYTES].copy_from_slice(&sum);
    block
}

struct NativeDecoder {
    body: Box<dyn Read + Send>,
    block: Vec<u8>,
    at: usize,
}

impl NativeDecoder {
    /// Reads the next block. False at a clean end.
    fn next_block(&mut self) -> io::Result<bool> {
        let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message.to_owned());
        let mut head = [0; CHECKSUM_BYTES + HEADER_BYTES];
        if self.body.read(&mut head[..1])? == 0 {
            return Ok(false);
        }
        self.body.read_exact(&mut head[1..])?;
        let (sum, header) = head.split_at(CHECKSUM_BYTES);
        let size_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes")) as usize;
        let (method, compressed, uncompressed) = (header[0], size_at(1), size_at(5));
        if !(HEADER_BYTES..=MAX_BLOCK_BYTES).contains(&compressed) || uncompressed > MAX_BLOCK_BYTES {
            return Err(invalid("a compressed block has impossible sizes"));
        }
        let mut block = header.to_vec();
        (&mut self.body).take((compressed - HEADER_BYTES) as u64).read_to_end(&mut block)?;
        if block.len() < compressed {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if checksum(&block) != sum {
            return Err(invalid("the checksum of a compressed block does not match"));
        }
        self.at = 0;
        self.block = match method {
            METHOD_LZ4 => lz4_flex::block::decompress(&block[HEADER_BYTES..], uncompressed)
                .map_err(|error| invalid(&error.to_string()))?,
            METHOD_NONE => block.split_off(HEADER_BYTES),
            other => {
                return Err(invalid(&format!("unknown compression method {other:#x} of a block")));
            }
        };
        Ok(true)
    }
}

impl Read for NativeDecoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let length = buffer.len().min(self.block.len() - self.at);
        buffer[..length].copy_from_slice(&self.block[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(encoding: Encoding, data: &[u8]) -> io::Result<Vec<u8>> {
        let mut encoder = Encoder::new(encoding);
        let (first, second) = data.split_at(data.len() / 3);
        let mut sent = encoder.encode(first)?;
        sent.extend(encoder.encode(second)?);
        sent.extend(encoder.finish()?);
        let mut read = Vec::new();
        decoder(io::Cursor::new(sent), encoding.name(), encoding == Encoding::Native)
            .unwrap()
            .read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn every_encoding_gives_back_what_went_in() {
        let data: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Lz4, Encoding::Native] {
            assert!(round_trip(encoding, &data).unwrap() == data, "{encoding:?}");
            assert!(round_trip(encoding, b"").unwrap().is_empty(), "{encoding:?}");
        }
    }

    #[test]
    fn a_cut_or_damaged_native_body_is_an_error() {
        let block = native_block(&[7; 1000]);
        let read = |bytes: &[u8]| {
            let mut data = Vec::new();
            decoder(io::Cursor::new(bytes.to_vec()), None, true).unwrap().read_to_end(&mut data).map(|_| data)
        };
        assert_eq!(read(&block).unwrap(), [7; 1000]);
        for end in 1..block.len() {
            assert!(read(&block[..end]).is_err(), "cut at {end}");
        }
        for at in 0..block.len() {
            let mut damaged = block.clone();
            damaged[at] ^= 1;
            assert!(read(&damaged).is_err(), "damaged at {at}");
        }
    }

    #[test]
    fn the_first_known_encoding_is_taken() {
        assert_eq!(Encoding::accepted("br, lz4;q=0.5, gzip"), Encoding::Lz4);
        assert_eq!(Encoding::accepted("gzip, deflate"), Encoding::Gzip);
        assert_eq!(Encoding::accepted("zstd"), Encoding::Identity);
    }
}
